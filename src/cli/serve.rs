//! The gateway itself: its configuration, its log, and the run.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::config::{self, Config};
use crate::gateway::{self, Source};

/// Runs the gateway to its end.
///
/// # Errors
/// Why it did not start.
pub fn serve(path: Option<PathBuf>) -> Result<(), String> {
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
