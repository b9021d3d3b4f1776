//! What was seen, added up.

use std::collections::BTreeMap;

use load::quantiles::quantiles;
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
    /// Between two content frames of a paced stream, in the window.
    pub gaps: Vec<u32>,
    /// How late a frame of a paced stream came, by the provider's schedule; in the window.
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

#[cfg(test)]
mod tests {
    use super::*;

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
