//! Quantiles of samples.

use serde_json::{Value, json};

/// Count, median, p90, p99 and greatest; each a sample, or null where there is none.
pub fn quantiles(samples: &[u32]) -> Value {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied()
    };
    json!({"count": sorted.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)})
}

/// A duration as a sample.
pub fn micros(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_and_none_come_from_nothing() {
        let samples: Vec<u32> = (0..=100).rev().collect();
        assert_eq!(quantiles(&samples), json!({"count": 101, "p50": 50, "p90": 90, "p99": 99, "max": 100}));
        assert!(quantiles(&[]).get("p50").is_some_and(Value::is_null));
    }
}
