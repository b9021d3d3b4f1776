//! Eight simulated servers with a prefix cache each, behind one gateway: the time to the first token that callers see when
//! requests take turns, and when they follow the beginnings of their prompts. `cargo bench --bench fleet` prints both.
//!
//! The servers are those of `aisix sim` and the gateway is the binary, over the loopback interface. Callers hold
//! conversations: a system prompt that some share, then turns, each with all that was said before, with pauses between.
//! The time is the servers' (see the constants below), so the machine matters little as long as it is not busy.

#![expect(
    clippy::disallowed_methods,
    reason = "callers are threads of this program, which wait between their turns"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aisix::sim::{self, Handle, Settings};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match compare() {
        Ok(report) => {
            let written = std::io::stdout().lock().write_all(report.as_bytes());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "fleet: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<String, Failure> {
    let mut report = format!(
        "{SERVERS} servers, {CALLERS} callers, {} s each; time to the first token\n",
        LASTS.as_secs()
    );
    let mut medians = Vec::new();
    for strategy in ["round_robin", "least_outstanding", "prefix_affinity"] {
        let waits = run(strategy)?;
        let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
        report.push_str(&format!(
            "{strategy:18} {:5} requests   median {:4} ms   p90 {:4} ms   p99 {:4} ms\n",
            waits.len(),
            at(50).as_millis(),
            at(90).as_millis(),
            at(99).as_millis()
        ));
        medians.push(at(50).as_secs_f64());
    }
    let ratio = medians.first().zip(medians.last()).map_or(0.0, |(turns, prefix)| turns / prefix);
    report.push_str(&format!("round robin over prefix affinity: {ratio:.2}\n"));
    Ok(report)
}

/// The waits of one strategy, shortest first.
fn run(strategy: &str) -> Result<Vec<Duration>, Failure> {
    let servers = (0..SERVERS).map(|_| server()).collect::<std::io::Result<Vec<Handle>>>()?;
    let gateway = Gateway::start(strategy, &servers)?;
    let until = Instant::now() + LASTS;
    let talks = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let (address, talks) = (gateway.address, Arc::clone(&talks));
            thread::spawn(move || Caller { number, address, talks }.talk_until(until))
        })
        .collect();
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.join().map_err(|_| "a caller panicked")??);
    }
    waits.sort_unstable();
    Ok(waits)
}

fn server() -> std::io::Result<Handle> {
    let settings = Settings {
        ttft: BASE,
        tps: TOKENS_A_SECOND,
        tokens: TOKENS,
        block_time: BLOCK_TIME,
        kept_blocks: KEPT_BLOCKS,
        ..Settings::default()
    };
    sim::spawn(settings, TcpListener::bind("127.0.0.1:0")?)
}

/// The gateway as a process; it ends with this value.
struct Gateway {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn start(strategy: &str, servers: &[Handle]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        write_files(folder.path(), strategy, servers)?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_aisix"))
            .arg("--config")
            .arg(folder.path().join("aisix.json"))
            .current_dir(folder.path())
            .env("AISIX_READY_LINE", "1")
            .env("AISIX_DATA_DIR", folder.path())
            .env("FLEET_CALLER_KEY", KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut out = child.stdout.take().ok_or("no output")?;
        let mut said = String::new();
        let mut piece = [0; 4096];
        let address = loop {
            let count = out.read(&mut piece)?;
            if count == 0 {
                return Err("the gateway did not start".into());
            }
            said.push_str(&String::from_utf8_lossy(piece.get(..count).unwrap_or_default()));
            let line = said.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(address) = line.as_ref().and_then(|line| line.get("proxy")?.as_str()) {
                break address.parse()?;
            }
        };
        Ok(Gateway { address, child, _folder: folder })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_files(folder: &Path, strategy: &str, servers: &[Handle]) -> std::io::Result<()> {
    let replicas: Vec<String> = servers.iter().map(|server| format!("http://{}/v1", server.addr())).collect();
    let resources = json!({
        "_format_version": "1",
        "provider_keys": [{"display_name": "fleet", "provider": "vllm", "api_key": "none", "replicas": replicas,
            "fleet": {"strategy": strategy}}],
        "models": [{"display_name": "m", "provider": "vllm", "model_name": "m", "provider_key": "fleet"}],
        "api_keys": [{"display_name": "caller", "key_env": "FLEET_CALLER_KEY", "allowed_models": ["*"]}],
    });
    let config = json!({
        "proxy": {"addr": "127.0.0.1:0"},
        "admin": {"enabled": false},
        "observability": {"access_log": false, "metrics": {"prometheus": {"enabled": false}}},
        "resources_file": folder.join("resources.json"),
    });
    std::fs::write(folder.join("resources.json"), resources.to_string())?;
    std::fs::write(folder.join("aisix.json"), config.to_string())
}

/// Somebody who holds one conversation after the other.
struct Caller {
    number: usize,
    address: SocketAddr,
    /// Conversations so far, of all callers.
    talks: Arc<AtomicUsize>,
}

impl Caller {
    fn talk_until(&self, until: Instant) -> Result<Vec<Duration>, Failure> {
        let mut waits = Vec::new();
        // They do not all begin at once.
        thread::sleep(PAUSE * u32::try_from(self.number)? / u32::try_from(CALLERS)?);
        while Instant::now() < until {
            let talk = self.talks.fetch_add(1, Ordering::Relaxed);
            let mut messages = vec![message("system", talk % SYSTEMS, SYSTEM_BYTES)];
            for turn in 0..TURNS {
                messages.push(message("user", 1_000 * (talk + 1) + turn, TURN_BYTES / 2));
                waits.push(self.ask(&messages)?);
                messages.push(message("assistant", 1_000 * (talk + 1) + 500 + turn, TURN_BYTES / 2));
                if Instant::now() >= until {
                    break;
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(waits)
    }

    /// Asks for a stream; how long its first token took.
    fn ask(&self, messages: &[Value]) -> Result<Duration, Failure> {
        let body = json!({"model": "m", "stream": true, "messages": messages}).to_string();
        let began = Instant::now();
        let mut connection = TcpStream::connect(self.address)?;
        connection.set_nodelay(true)?;
        write!(
            connection,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        let mut first = None;
        let mut piece = [0; 16 * 1024];
        loop {
            let count = connection.read(&mut piece)?;
            if count == 0 {
                break;
            }
            answer.extend_from_slice(piece.get(..count).unwrap_or_default());
            if first.is_none() && memchr::memmem::find(&answer, b"data: ").is_some() {
                first = Some(began.elapsed());
            }
        }
        let whole = memchr::memmem::find(&answer, b"data: [DONE]").is_some();
        let first = first.filter(|_| whole);
        first.ok_or_else(|| format!("not a stream: {}", String::from_utf8_lossy(&answer)).into())
    }
}

/// A message of so many letters, the same for the same number.
fn message(role: &str, number: usize, bytes: usize) -> Value {
    let mut word = number as u64;
    let mut text = String::new();
    while text.len() < bytes {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{:x} ", word >> 40));
    }
    json!({"role": role, "content": text})
}

const KEY: &str = "sk-the-caller-of-the-fleet";
const SERVERS: usize = 8;
const CALLERS: usize = 64;
/// How long each strategy is watched, from cold caches on.
const LASTS: Duration = Duration::from_secs(75);
const PAUSE: Duration = Duration::from_millis(3_500);
/// Conversations: 2,000 tokens of system prompt, one of eight, and 512 more with each of ten turns.
const SYSTEMS: usize = 8;
const SYSTEM_BYTES: usize = 8 * 1024;
const TURN_BYTES: usize = 2 * 1024;
const TURNS: usize = 10;
/// A server: 16,000 prompt tokens a second (a block is 16 tokens), 65,536 of them kept, 64 tokens answered within 1.5 s.
const BASE: Duration = Duration::from_millis(20);
const BLOCK_TIME: Duration = Duration::from_millis(1);
const KEPT_BLOCKS: u32 = 4096;
const TOKENS: u32 = 64;
const TOKENS_A_SECOND: u32 = 43;
