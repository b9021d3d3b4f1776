//! What was seen, added up.

use std::collections::BTreeMap;

use serde_json::json;

/// Counts and samples of any number of streams. Times in microseconds.
#[derive(Debug, Default)]
pub struct Report {
    pub seconds: f64,
    pub streams: u64,
    pub frames: u64,
    pub bytes: u64,
    /// From the request to the first content frame.
    pub first: Vec<u32>,
    /// Between two content frames of a paced stream.
    pub gaps: Vec<u32>,
    /// How late a frame of a paced stream came, by the provider's schedule.
    pub delays: Vec<u32>,
    faults: BTreeMap<String, u64>,
}

impl Report {
    pub fn add(&mut self, part: Report) {
        self.streams += part.streams;
        self.frames += part.frames;
        self.bytes += part.bytes;
        self.first.extend(part.first);
        self.gaps.extend(part.gaps);
        self.delays.extend(part.delays);
        for (what, count) in part.faults {
            *self.faults.entry(what).or_default() += count;
        }
    }

    pub fn fault(&mut self, what: &str) {
        *self.faults.entry(what.to_owned()).or_default() += 1;
    }

    /// Was every stream what it had to be?
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.streams > 0
    }

    pub fn json(&self) -> serde_json::Value {
        json!({
            "sound": self.is_sound(), "seconds": self.seconds, "streams": self.streams,
            "frames": self.frames, "bytes": self.bytes, "faults": self.faults,
            "first_us": quantiles(&self.first), "gap_us": quantiles(&self.gaps),
            "delay_us": quantiles(&self.delays),
        })
    }
}

fn quantiles(samples: &[u32]) -> serde_json::Value {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied()
    };
    json!({"count": sorted.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_and_none_come_from_nothing() {
        let samples: Vec<u32> = (0..=100).rev().collect();
        assert_eq!(quantiles(&samples), json!({"count": 101, "p50": 50, "p90": 90, "p99": 99, "max": 100}));
        assert!(quantiles(&[]).get("p50").is_some_and(serde_json::Value::is_null));
    }

    #[test]
    fn one_fault_makes_a_report_unsound_and_so_does_nothing_at_all() {
        let mut report = Report { streams: 2, ..Report::default() };
        assert!(report.is_sound() && !Report::default().is_sound());
        let mut part = Report::default();
        part.fault("cut");
        report.add(part);
        assert!(!report.is_sound());
    }
}
