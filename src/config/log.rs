//! How this process writes its log. It is needed before any file is read, so only the environment says it.

use std::io::IsTerminal;

/// How diagnostics and the access log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

/// From `AISIX_LOG_FORMAT` (`json`, `text`), else by whether stderr is a terminal.
pub fn log_format() -> LogFormat {
    match std::env::var("AISIX_LOG_FORMAT").as_deref() {
        Ok("json") => LogFormat::Json,
        Ok("text") => LogFormat::Text,
        _ if std::io::stderr().is_terminal() => LogFormat::Text,
        _ => LogFormat::Json,
    }
}
