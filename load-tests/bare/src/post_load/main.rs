//! Posts one request over and over on any number of connections and looks at every answer.
//!
//! Every answer must have the status 200, be whole, and contain each text that was named as expected; the first
//! that does not ends the run. Requests may carry a number, another each time, in the credential and in the body:
//! wherever seven zeros stand. The answer must then contain the expected text with the same number.

mod caller;

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use load::quantiles::quantiles;
use load::request::Numbers;
use tokio::task::JoinSet;

use caller::Caller;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Load of whole answers; prints one line of JSON
#[derive(Debug, Parser)]
struct Settings {
    /// The proxy, or the simulated provider itself
    #[arg(long, value_name = "ADDR")]
    target: SocketAddr,

    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,

    /// File with the body to post
    #[arg(long, value_name = "FILE")]
    body: PathBuf,

    /// Credential, sent as a bearer token
    #[arg(long, default_value = "sk-load")]
    key: String,

    /// A further header, `name: value`; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,

    /// What every answer must contain; may be repeated
    #[arg(long, value_name = "TEXT")]
    expect: Vec<String>,

    #[arg(long, value_name = "N", default_value_t = 32)]
    connections: usize,

    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Put a number below N in place of each `0000000`; 0 leaves them as they are
    #[arg(long, value_name = "N", default_value_t = 0)]
    numbers: u32,

    /// Send each number once and end
    #[arg(long, requires = "numbers")]
    each: bool,

    /// An answer that has not come after so many seconds is a fault
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    patience: f64,
}

fn main() -> ExitCode {
    match measure(&Settings::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("post-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every answer was sound.
fn measure(settings: &Settings) -> std::io::Result<bool> {
    let body = std::fs::read(&settings.body)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = tokio::task::LocalSet::new().block_on(&runtime, run(settings, &body));
    println!("{}", outcome.json());
    Ok(outcome.faults.is_empty() && !outcome.latencies.is_empty())
}

#[derive(Debug, Default)]
struct Outcome {
    seconds: f64,
    latencies: Vec<u32>,
    faults: Vec<String>,
}

impl Outcome {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "requests": self.latencies.len(), "seconds": self.seconds, "latency_us": quantiles(&self.latencies),
            "faults": self.faults,
        })
    }
}

async fn run(settings: &Settings, body: &[u8]) -> Outcome {
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(settings.seconds);
    let patience = Duration::from_secs_f64(settings.patience);
    let broken = Rc::new(Cell::new(false));
    let next = Rc::new(Cell::new(0));
    let mut callers = JoinSet::new();
    for index in 0..settings.connections {
        let numbers = if settings.each {
            Numbers::each(&next, settings.numbers)
        } else {
            Numbers::drawn(index as u64 + 1, settings.numbers)
        };
        let mut caller = Caller::new(settings, body, numbers);
        let broken = Rc::clone(&broken);
        callers.spawn_local(async move {
            let fault = loop {
                if Instant::now() >= until || broken.get() {
                    break None;
                }
                match tokio::time::timeout_at((Instant::now() + patience).into(), caller.ask()).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => break None,
                    Ok(Err(fault)) => break Some(fault),
                    Err(_) => break Some("an answer did not come in time".to_owned()),
                }
            };
            broken.set(broken.get() || fault.is_some());
            (caller.latencies, fault)
        });
    }
    let mut outcome = Outcome::default();
    while let Some(ended) = callers.join_next().await {
        match ended {
            Ok((latencies, fault)) => {
                outcome.latencies.extend(latencies);
                outcome.faults.extend(fault);
            }
            Err(error) => outcome.faults.push(error.to_string()),
        }
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome
}
