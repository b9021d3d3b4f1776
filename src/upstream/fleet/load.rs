//! What a server says of how busy it is: the few series of its metrics page that tell.

use crate::resources::LoadKind;

/// How busy a server is, by its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Requests it works on, and that wait for it to have room.
    pub running: u32,
    pub waiting: u32,
    /// Share of its key-value cache that is in use, from 0 to 1.
    pub cache: f64,
}

/// The series of a program, by name.
struct Names {
    running: &'static str,
    waiting: &'static str,
    /// One after the other, as versions have it.
    cache: &'static [&'static str],
}

/// <https://docs.vllm.ai/en/stable/usage/metrics/>; up to 0.9 the last one was called `gpu_cache_usage_perc`
/// (<https://docs.vllm.ai/en/v0.7.0/serving/metrics.html>). All of them go to 1, whatever their names say.
const VLLM: Names = Names {
    running: "vllm:num_requests_running",
    waiting: "vllm:num_requests_waiting",
    cache: &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
};

/// <https://docs.sglang.io/references/production_metrics.html>
const SGLANG: Names = Names {
    running: "sglang:num_running_reqs",
    waiting: "sglang:num_queue_reqs",
    cache: &["sglang:token_usage"],
};

impl Load {
    /// Reads a page in Prometheus' text format. A server with several engines has a series for each: requests are added
    /// up, and the fullest cache counts. None where the page says nothing of requests.
    pub fn read(page: &str, kind: LoadKind) -> Option<Load> {
        let known: &[&Names] = match kind {
            LoadKind::Vllm => &[&VLLM],
            LoadKind::Sglang => &[&SGLANG],
            LoadKind::Auto => &[&VLLM, &SGLANG],
        };
        let mut load = Load::default();
        let mut said = false;
        for (name, value) in page.lines().filter_map(sample) {
            for names in known {
                if name == names.running {
                    load.running = load.running.saturating_add(whole(value));
                    said = true;
                } else if name == names.waiting {
                    load.waiting = load.waiting.saturating_add(whole(value));
                    said = true;
                } else if names.cache.contains(&name) {
                    load.cache = load.cache.max(value);
                }
            }
        }
        said.then_some(load)
    }
}

/// Name and value of a line. What stands in the label values is passed over; they may hold spaces and braces.
fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let rest = if rest.starts_with('{') { rest.get(rest.rfind('}')? + 1..)? } else { rest };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((name, value.max(0.0)))
}

/// Bounded, so that sums of it mean something.
fn whole(value: f64) -> u32 {
    value.min(1e6) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const VLLM_PAGE: &str = "\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine=\"0\",model_name=\"a {b} c\"} 3.0
vllm:num_requests_running{engine=\"1\",model_name=\"a\"} 2.0
vllm:num_requests_waiting{engine=\"0\",model_name=\"a\"} 7.0
vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"capacity\"} 7.0
vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"a\"} 0.25
vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"a\"} 0.5 1395066363000
";
    const SGLANG_PAGE: &str = "\
sglang:token_usage{model_name=\"m\"} 0.28
sglang:num_running_reqs{model_name=\"m\"} 161.0
sglang:num_queue_reqs{model_name=\"m\"} 2826.0
";

    #[test]
    fn the_pages_of_both_are_read_and_engines_added_up() {
        let vllm = Load { running: 5, waiting: 7, cache: 0.5 };
        let sglang = Load { running: 161, waiting: 2826, cache: 0.28 };
        let table = [
            (VLLM_PAGE, LoadKind::Auto, Some(vllm)),
            (VLLM_PAGE, LoadKind::Vllm, Some(vllm)),
            (VLLM_PAGE, LoadKind::Sglang, None),
            (SGLANG_PAGE, LoadKind::Auto, Some(sglang)),
            (SGLANG_PAGE, LoadKind::Vllm, None),
        ];
        for (page, kind, expected) in table {
            assert_eq!(Load::read(page, kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_older_name_of_the_cache_counts_too() {
        let page = "vllm:num_requests_running 1\nvllm:gpu_cache_usage_perc{model_name=\"a\"} 0.9\n";
        assert_eq!(Load::read(page, LoadKind::Auto), Some(Load { running: 1, waiting: 0, cache: 0.9 }));
    }

    #[test]
    fn what_is_no_metrics_page_says_nothing() {
        for page in
            ["", "{}", "<html>", "vllm:num_requests_running", "vllm:num_requests_running{a=\"", "x NaN"]
        {
            assert_eq!(Load::read(page, LoadKind::Auto), None, "{page}");
        }
        let odd =
            "vllm:num_requests_running NaN\nvllm:num_requests_running 1e300\nvllm:num_requests_waiting -4\n";
        let read = Load::read(odd, LoadKind::Auto).expect("it says something");
        assert_eq!((read.running, read.waiting), (1_000_000, 0));
    }
}
