//! The flags of `aisix sim`. Nothing here is read from a file or the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How the simulated provider answers when a request does not say otherwise.
///
/// The faults (`*_every`) count model calls, token counts among them, from 1, over all workers. One call suffers at most one of stall, hang-up and broken JSON, in this order; an error it is due
/// for comes on top, as a body that stalls, breaks off or is broken.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Address to listen on; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR", default_value_t = DEFAULT_ADDR)]
    pub addr: SocketAddr,

    /// Worker threads, each with its own event loop
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// Time to the first token, e.g. 200ms or 1.5s
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub ttft: Duration,

    /// Tokens per second of each answer; 0 writes as fast as the socket takes it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub tps: u32,

    /// Tokens in each frame of a stream
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk_tokens: u32,

    /// Length of an answer in tokens; the request's own limit still cuts it
    #[arg(long, value_name = "N", default_value_t = DEFAULT_TOKENS)]
    pub tokens: u32,

    /// Answer with this error status (400 to 599) instead of an answer
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(400..=599))]
    pub error_status: Option<u16>,

    /// Apply --error-status to every Nth call only
    #[arg(long, value_name = "N", default_value_t = 1, requires = "error_status",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub error_every: u64,

    /// Every Nth call falls silent after its first frames and never ends; 0 is never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stall_every: u64,

    /// Every Nth call closes the connection in the middle of its answer; 0 is never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hangup_every: u64,

    /// Every Nth call contains broken JSON: one frame of a stream, or the whole body; 0 is never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub malformed_every: u64,

    /// Time to work out each block of 64 bytes (16 tokens) of a prompt before its first token, unless the block is kept
    /// from a prompt that began so; e.g. 500us. Prompts are worked out one after the other
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub block_time: Duration,

    /// Blocks of prompts that are kept; the one that was not used for longest gives way
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEPT_BLOCKS)]
    pub kept_blocks: u32,

    /// Print the calls and content frames of each second to stderr
    #[arg(long)]
    pub report: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            addr: DEFAULT_ADDR,
            workers: 1,
            ttft: Duration::ZERO,
            tps: 0,
            chunk_tokens: 1,
            tokens: DEFAULT_TOKENS,
            error_status: None,
            error_every: 1,
            stall_every: 0,
            hangup_every: 0,
            malformed_every: 0,
            block_time: Duration::ZERO,
            kept_blocks: DEFAULT_KEPT_BLOCKS,
            report: false,
        }
    }
}

/// Reads `200ms`, `1.5s`, `250us`, `2m` or `0`.
fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a duration like 200ms or 1.5s"))?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        "" if number == 0.0 => 0.0,
        _ => return Err(format!("`{text}` needs a unit: us, ms, s or m")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is too long"))
}

const DEFAULT_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4010);
const DEFAULT_TOKENS: u32 = 16;
/// 65,536 tokens.
const DEFAULT_KEPT_BLOCKS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }

    fn parsed(args: &[&str]) -> Result<Settings, clap::Error> {
        use clap::Parser;
        Cli::try_parse_from(["sim"].iter().chain(args)).map(|cli| cli.settings)
    }

    #[test]
    fn no_flags_mean_the_default_settings() {
        let settings = parsed(&[]).expect("no flag is required");
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, expected) in
            [("0", 0), ("250us", 250), ("200ms", 200_000), ("1.5s", 1_500_000), ("2m", 120_000_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_micros(expected)), "{text}");
        }
        for text in ["", "5", "s", "1.2.3s", "-1s", "3 days", "1e99s", "99999999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_out_of_range_are_refused() {
        for args in [
            ["--workers", "0"],
            ["--chunk-tokens", "0"],
            ["--error-status", "200"],
            ["--error-every", "2"],
            ["--addr", "nowhere"],
        ] {
            assert!(parsed(&args).is_err(), "{args:?}");
        }
    }
}
