//! Opens many event streams at once and looks at every frame.
//!
//! The upstream is the simulated provider, told by a directive in the prompt how many tokens to say and how
//! fast, so the same request works through any proxy. One token is one frame. Every stream must have the
//! status 200, each content frame once and in order, and its terminator exactly once, at the end.

mod report;
mod stream;
mod wire;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::task::JoinSet;

use report::Report;
use stream::Caller;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Load of event streams; prints one line of JSON
#[derive(Debug, Parser)]
struct Settings {
    /// The proxy, or the simulated provider itself
    #[arg(long, value_name = "ADDR")]
    target: SocketAddr,

    #[arg(long, value_enum, default_value = "openai")]
    dialect: Dialect,

    /// Model name to ask for; answers must carry it
    #[arg(long)]
    model: String,

    /// Credential, sent as a bearer token
    #[arg(long, default_value = "sk-load")]
    key: String,

    /// Streams open at the same time, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 100)]
    streams: usize,

    /// Content frames of each stream
    #[arg(long, value_name = "N", default_value_t = 100)]
    tokens: u32,

    /// Content frames per second of each stream; 0 is as fast as they come
    #[arg(long, value_name = "N", default_value_t = 50)]
    tps: u32,

    /// Repeat streams until so many seconds have passed; 0 is one stream for each connection
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    repeat: f64,

    /// Streams that have not ended after so many seconds count as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    patience: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    Openai,
    Anthropic,
}

fn main() -> ExitCode {
    let settings = Settings::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sse-load: {error}");
            return ExitCode::FAILURE;
        }
    };
    let local = tokio::task::LocalSet::new();
    let report = local.block_on(&runtime, run(Rc::new(settings)));
    println!("{}", report.json());
    if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All streams. They start one after the other, so that they do not beat in step and that opening connections
/// is not what is measured.
async fn run(settings: Rc<Settings>) -> Report {
    let began = Instant::now();
    let patience = Duration::from_secs_f64(settings.patience);
    let mut callers = JoinSet::new();
    for index in 0..settings.streams {
        let settings = Rc::clone(&settings);
        callers.spawn_local(async move {
            tokio::time::sleep(PAUSE * index as u32).await;
            call(&settings, patience).await
        });
    }
    let mut report = Report::default();
    while let Some(part) = callers.join_next().await {
        match part {
            Ok(part) => report.add(part),
            Err(error) => report.fault(&error.to_string()),
        }
    }
    report.seconds = began.elapsed().as_secs_f64();
    report
}

/// One caller: streams one after another on its connection.
async fn call(settings: &Settings, patience: Duration) -> Report {
    let until = Instant::now() + Duration::from_secs_f64(settings.repeat);
    let mut report = Report::default();
    let mut caller = Caller::new(settings);
    loop {
        match tokio::time::timeout(patience, caller.stream(&mut report)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                report.fault(&fault);
                return report;
            }
            Err(_) => {
                report.fault("a stream did not end in time");
                return report;
            }
        }
        if Instant::now() >= until {
            return report;
        }
    }
}

/// Between the starts of two streams. No whole number of milliseconds, in which timers tick.
const PAUSE: Duration = Duration::from_micros(1_130);
