//! Opens many event streams at once and looks at every frame.
//!
//! The upstream is the simulated provider, told by a directive in the prompt how many tokens to say and how
//! fast, so the same request works through any proxy. One token is one frame. Every stream must have the
//! status 200, each content frame once and in order, and its terminator exactly once, at the end.
//!
//! When all streams are open a window begins; its begin and its end are printed with the number of frames until
//! then, so that whoever started this can look at the proxy's CPU time at the same moments. What opening and
//! ending streams costs lies outside.

mod report;
mod stage;
mod stream;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::task::JoinSet;

use report::Report;
use stage::Stage;
use stream::Caller;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Load of event streams; prints lines of JSON: the window's begin, its end, and the report
#[derive(Debug, Parser)]
struct Settings {
    /// The proxy, or the simulated provider itself
    #[arg(long, value_name = "ADDR")]
    target: SocketAddr,

    /// The simulated provider: asked once before the load, and what it says every stream must say
    #[arg(long, value_name = "ADDR")]
    provider: Option<SocketAddr>,

    #[arg(long, value_enum, default_value = "openai")]
    dialect: Dialect,

    /// Where to post to, where it is not the dialect's own path
    #[arg(long)]
    path: Option<String>,

    /// Model name to ask for
    #[arg(long)]
    model: String,

    /// Model name that answers must carry, where it is not the one asked for
    #[arg(long)]
    answers: Option<String>,

    /// Credential, sent as a bearer token
    #[arg(long, default_value = "sk-load")]
    key: String,

    /// A further header, `name: value`; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,

    /// Streams open at the same time, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 100)]
    streams: usize,

    /// Content frames of each stream; where streams end before the window does, others follow
    #[arg(long, value_name = "N", default_value_t = 100)]
    tokens: u32,

    /// Content frames per second of each stream; 0 is as fast as they come
    #[arg(long, value_name = "N", default_value_t = 50)]
    tps: u32,

    /// Length of the window
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    window: f64,

    /// Streams fall silent after two frames and stay open until the window ends
    #[arg(long)]
    stall: bool,

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

/// All streams. They start one after the other, so that they do not beat in step.
async fn run(settings: Rc<Settings>) -> Report {
    let began = Instant::now();
    let stage = Rc::new(Stage::new(settings.streams));
    if let Err(fault) = stream::rehearse(&settings, &stage).await {
        let mut report = Report::default();
        report.fault(&format!("the provider itself: {fault}"));
        return report;
    }
    let mut callers = JoinSet::new();
    for index in 0..settings.streams {
        let (settings, stage) = (Rc::clone(&settings), Rc::clone(&stage));
        callers.spawn_local(async move {
            tokio::time::sleep(PAUSE * index as u32).await;
            call(&settings, &stage).await
        });
    }
    let window = Duration::from_secs_f64(settings.window);
    let mut ended = std::pin::pin!(all(callers));
    let mut report = tokio::select! {
        report = &mut ended => report,
        () = stage.play(window) => ended.await,
    };
    report.seconds = began.elapsed().as_secs_f64();
    report
}

/// What all callers saw.
async fn all(mut callers: JoinSet<Report>) -> Report {
    let mut report = Report::default();
    while let Some(part) = callers.join_next().await {
        match part {
            Ok(part) => report.add(part),
            Err(error) => report.fault(&error.to_string()),
        }
    }
    report
}

/// One caller: streams one after another on its connection, until the window has ended.
async fn call(settings: &Settings, stage: &Rc<Stage>) -> Report {
    let patience = Duration::from_secs_f64(settings.patience);
    let mut report = Report::default();
    let mut caller = Caller::new(settings, Rc::clone(stage));
    loop {
        let fault = match tokio::time::timeout(patience, caller.stream(&mut report)).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(_) => Some("a stream did not end in time".to_owned()),
        };
        if let Some(fault) = fault {
            stage.spoil();
            report.fault(&fault);
        } else if !stage.is_over() {
            continue;
        }
        return report;
    }
}

/// Between the starts of two streams. No whole number of milliseconds, in which timers tick.
const PAUSE: Duration = Duration::from_micros(1_130);
