//! The command line.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config};
use crate::gateway::{self, Source};
use crate::{sim, store};

/// A gateway between applications and AI model providers
///
/// Without arguments it starts at once: aliases come from the provider keys it finds in the environment
/// (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, DEEPSEEK_API_KEY, OLLAMA_BASE_URL, VLLM_BASE_URL and
/// more) and from a simulated provider that needs none.
#[derive(Debug, Parser)]
#[command(name = "aisix", version, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Bootstrap file (YAML, TOML or JSON)
    #[arg(short, long, env = "AISIX_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a resources file and print everything that is wrong with it
    Validate {
        /// The file to check; ${VAR} is looked up in the current environment
        #[arg(long, value_name = "FILE")]
        resources: PathBuf,
    },
    /// Run the simulated provider alone
    Sim(sim::Settings),
}

/// Runs what the arguments ask for.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Validate { resources }) => validate(&resources),
        Some(Command::Sim(settings)) => sim::run(settings).map_err(|error| format!("aisix sim: {error}")),
        None => serve(cli.config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn validate(resources: &std::path::Path) -> Result<(), String> {
    let snapshot = store::file::snapshot(resources).map_err(|problems| problems.to_string())?;
    let counts: Vec<String> = snapshot
        .counts()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let total: usize = snapshot.counts().iter().map(|(_, count)| count).sum();
    let _ = writeln!(
        std::io::stdout(),
        "{}: {total} resources are valid ({})",
        resources.display(),
        counts.join(", ")
    );
    for notice in snapshot.dormant() {
        let _ = writeln!(std::io::stderr(), "note: {notice}");
    }
    Ok(())
}

fn serve(path: Option<PathBuf>) -> Result<(), String> {
    let environment = config::environment();
    let (config, source) = match &path {
        Some(path) => {
            let config = Config::load(path, environment).map_err(|problems| problems.to_string())?;
            let source = source(&config).ok_or_else(|| {
                format!(
                    "{}: resources_file: is required, or store_file, or etcd.endpoints; they say where models and keys are",
                    path.display()
                )
            })?;
            (config, source)
        }
        None => {
            let config = Config::from_env_only(environment).map_err(|problems| problems.to_string())?;
            let source = source(&config).unwrap_or(Source::Environment);
            (config, source)
        }
    };
    start_logging(&config.observability.log_level);
    for notice in config.dormant() {
        tracing::warn!("{notice}");
    }
    gateway::run(config, source)
}

/// Where the configuration says that resources come from.
fn source(config: &Config) -> Option<Source> {
    match (&config.resources_file, &config.store_file) {
        (Some(file), _) => Some(Source::File(file.into())),
        (None, Some(file)) => Some(Source::Store(file.into())),
        (None, None) if !config.etcd.endpoints.is_empty() => Some(Source::Etcd),
        (None, None) => None,
    }
}

/// Diagnostics go to stderr: as JSON lines, or as text when a person is looking (`AISIX_LOG_FORMAT` decides
/// otherwise). What Pingora reports as errors are everyday events of other people's connections; it is heard
/// only when the level is debug.
fn start_logging(level: &str) {
    use tracing_subscriber::EnvFilter;
    let quiet = if level.contains("debug") || level.contains("trace") {
        ""
    } else {
        ",pingora_core=off,pingora_proxy=off"
    };
    let filter = EnvFilter::try_new(format!("{level}{quiet}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config::log_format() {
        config::LogFormat::Json => builder.json().flatten_event(true).try_init(),
        config::LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
        }
    };
    // A second start in one process keeps the first one's log.
    drop(started);
}
