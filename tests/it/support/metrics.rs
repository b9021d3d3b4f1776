//! The scrape page as samples.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::client::Request;

/// One line of the scrape page.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The page and its samples.
pub struct Scrape {
    pub text: String,
    pub samples: Vec<Sample>,
}

impl Scrape {
    pub async fn of(metrics: SocketAddr) -> Self {
        let answer = Request::get("/metrics").send(metrics).await;
        assert_eq!(answer.status, 200, "the scrape page answers");
        let text = answer.text();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let samples = lines.map(sample).collect();
        Scrape { text, samples }
    }

    /// The sum over all series of a family that carry these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |s: &&Sample| {
            s.name == name && labels.iter().all(|(k, v)| s.labels.get(*k).is_some_and(|have| have == v))
        };
        self.samples.iter().filter(fits).map(|s| s.value).sum()
    }

    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|s| s.name == name)
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.trim_end_matches('}')),
        None => (series, ""),
    };
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let labels = pairs.filter_map(|pair| pair.split_once("=\"")).map(label).collect();
    Sample { name: name.to_owned(), labels, value: value.parse().expect("a number") }
}

fn label((name, value): (&str, &str)) -> (String, String) {
    (name.trim().to_owned(), value.trim_end_matches('"').to_owned())
}
