//! `aisix drain` and `aisix undrain`: a model of a running gateway set aside, and taken back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::arguments::{Drain, Undrain};
use super::client::{Client, encoded};
use super::{Done, say, tell};

/// # Errors
/// The gateway cannot be asked, or refuses.
pub fn drain(arguments: &Drain) -> Result<Done, String> {
    let client = Client::new(&arguments.at.address)?;
    let path = format!("models/{}/drain", encoded(&arguments.model));
    let end = Instant::now() + Duration::from_secs(arguments.wait);
    loop {
        let left = end.saturating_duration_since(Instant::now()).min(ONE_WAIT);
        let model = client.ask("POST", &format!("{path}?wait_ms={}", left.as_millis()), None)?.body;
        let in_flight = in_flight(&model);
        if in_flight == 0 || Instant::now() >= end {
            say(format_args!("{} is drained; {in_flight} requests under way", arguments.model));
            return Ok(if in_flight == 0 || arguments.wait == 0 { Done::Well } else { Done::Not });
        }
        tell(format_args!("waiting for {in_flight} requests"));
    }
}

/// # Errors
/// The gateway cannot be asked, or refuses.
pub fn undrain(arguments: &Undrain) -> Result<Done, String> {
    let client = Client::new(&arguments.at.address)?;
    let model = client.ask("POST", &format!("models/{}/undrain", encoded(&arguments.model)), None)?.body;
    let status = model.get("status").and_then(Value::as_str).unwrap_or("unknown");
    say(format_args!("{} is taken back; it is {status}", arguments.model));
    Ok(Done::Well)
}

fn in_flight(model: &Value) -> u64 {
    model.get("in_flight").and_then(Value::as_u64).unwrap_or_default()
}

/// The gateway waits no longer than this within one request, and the client for its answer longer.
const ONE_WAIT: Duration = Duration::from_secs(30);
