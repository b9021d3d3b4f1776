//! The gateway as a process: started on free ports with files of its own, watched, signalled, and ended.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::caller::Caller;
use super::certs::Authority;
use super::client::{Answer, Client, Request};
use super::door::{Door, Entrance};
use super::fixtures::ADMIN;
use super::logs::Lines;
use super::metrics::Scrape;
use super::setup::Setup;
use super::{eventually, within};

/// A running gateway; killed when dropped. A failing test prints what the gateway wrote.
pub struct Gateway {
    pub proxy: SocketAddr,
    pub admin: SocketAddr,
    pub metrics: SocketAddr,
    /// Where callers of this gateway go in.
    pub entrance: Entrance,
    /// Who vouches for its listener, where that speaks TLS.
    pub authority: Option<Authority>,
    /// Its stderr: the log.
    pub log: Lines,
    pub stdout: Lines,
    pub folder: TempDir,
    child: Child,
}

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("AISIX_BIN").map_or_else(|| env!("CARGO_BIN_EXE_aisix").into(), PathBuf::from)
}

/// The binary with none of this process's own settings for it.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AISIX_")) {
        command.env_remove(name);
    }
    // Nothing of the person who runs the tests is read or written.
    command.env("AISIX_DATA_DIR", folder.join("data"));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

impl Gateway {
    /// Starts with a configuration and resources of its own, and waits until it names its addresses.
    pub async fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command(folder.path());
        write_files(folder.path(), &setup);
        command.arg("--config").arg(folder.path().join("aisix.json"));
        command.envs(setup.env);
        Gateway::spawn(command, folder, setup.door, setup.authority).await
    }

    /// Starts without any configuration, as a newcomer does, but on free ports.
    pub async fn start_without_config(door: Door, caller_key: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let command = command(folder.path());
        Gateway::start_newcomer(command, folder, door, caller_key).await
    }

    /// The same with a command of the test's own.
    pub async fn start_newcomer(
        mut command: Command,
        folder: TempDir,
        door: Door,
        caller_key: Option<&str>,
    ) -> Self {
        if door == Door::Pingora {
            command.env("AISIX_PROXY__LEAN_HTTP1", "false");
        }
        if let Some(key) = caller_key {
            command.env("AISIX_CALLER_KEY", key);
        }
        command.env("AISIX_PROXY__ADDR", "127.0.0.1:0").env("AISIX_ADMIN__ADDR", "127.0.0.1:0");
        command.env("AISIX_OBSERVABILITY__METRICS__PROMETHEUS__ADDR", "127.0.0.1:0");
        Gateway::spawn(command, folder, door, None).await
    }

    async fn spawn(mut command: Command, folder: TempDir, door: Door, authority: Option<Authority>) -> Self {
        command.env("AISIX_READY_LINE", "1").env("AISIX_LOG_FORMAT", "json");
        let mut child = command.spawn().expect("the binary starts");
        let stdout = Lines::of(child.stdout.take().expect("a pipe"));
        let log = Lines::of(child.stderr.take().expect("a pipe"));
        let ready = stdout.first("the ready line", ready_line).await;
        let Some(ready) = ready else {
            panic!("the gateway ended before it was ready:\n{}", log.all().join("\n"));
        };
        let address = |name: &str| ready[name].as_str().expect("an address").parse().expect("an address");
        let (proxy, admin, metrics) = (address("proxy"), address("admin"), address("metrics"));
        let entrance = Entrance::new(door, proxy, authority.as_ref());
        Gateway { proxy, admin, metrics, entrance, authority, log, stdout, folder, child }
    }

    /// Waits until the probe says that it is ready.
    pub async fn until_ready(&self) {
        eventually("readiness", || async { (self.probe("/readyz").await == 200).then_some(()) }).await;
    }

    /// The status of a probe on the admin listener.
    pub async fn probe(&self, path: &str) -> u16 {
        Request::get(path).send(self.admin).await.status
    }

    /// One request to the Admin API.
    pub async fn operate(&self, method: &'static str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::new(method, path).bearer(ADMIN);
        request.body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        request.send(self.admin).await
    }

    /// A caller at the door, on a connection of its own.
    pub async fn caller(&self) -> Caller {
        self.entrance.caller().await
    }

    /// A connection that speaks HTTP/1.1, on the level of bytes.
    pub async fn client(&self) -> Client {
        self.entrance.client().await
    }

    /// Sends one request over a connection of its own.
    pub async fn ask(&self, request: &Request) -> Answer {
        self.entrance.ask(request).await
    }

    pub async fn scrape(&self) -> Scrape {
        Scrape::of(self.metrics).await
    }

    /// Replaces the resources on disk.
    pub fn write_resources(&self, resources: &Value) {
        std::fs::write(self.folder.path().join("resources.yaml"), resources.to_string()).expect("a file");
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("a running gateway");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("the gateway is signalled");
    }

    /// Asks it to read its files again.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Waits for its end.
    pub async fn exit(&mut self) -> ExitStatus {
        within("the gateway to end", self.child.wait()).await.expect("an exit status")
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a state").is_some()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log.all().join("\n"));
        }
    }
}

/// Runs the binary to its end; status, stdout, stderr.
pub async fn run(mut command: Command) -> (ExitStatus, String, String) {
    let output = within("the command to end", command.output()).await.expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status, text(output.stdout), text(output.stderr))
}

/// Writes `aisix.json`, `resources.yaml` (JSON is YAML), and what the configuration names.
pub fn write_files(folder: &Path, setup: &Setup) {
    let mut config = setup.config.clone();
    if config.get("store_file").is_none() && config.get("etcd").is_none() {
        config["resources_file"] = json!(folder.join("resources.yaml"));
    }
    std::fs::write(folder.join("aisix.json"), config.to_string()).expect("a file");
    std::fs::write(folder.join("resources.yaml"), setup.resources.to_string()).expect("a file");
    for (name, content) in &setup.files {
        std::fs::write(folder.join(name), content).expect("a file");
    }
}

fn ready_line(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.get("proxy").is_some().then_some(value)
}
