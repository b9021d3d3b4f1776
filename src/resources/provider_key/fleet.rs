//! Several servers behind one provider key: which of them gets a request, and what happens when all are busy.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ProviderKey;
use crate::resources::rules::Rules;

/// How requests are spread over servers that are alike.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FleetRules {
    pub strategy: FleetStrategy,
    /// Each address of the name in `api_base` is a server of its own.
    pub spread_addresses: bool,
    /// Requests that one server has at a time, streams to their last byte. Beyond that they wait in the queue.
    /// None = any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_outstanding: Option<u32>,
    /// Where requests wait while every server has `max_outstanding`.
    pub queue: QueueRules,
    /// Where the servers say how busy they are. None = they are not asked.
    pub load: Option<LoadRules>,
}

/// Which server gets a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FleetStrategy {
    /// The less busy one of two taken at random.
    #[default]
    LeastOutstanding,
    /// One after the other.
    RoundRobin,
    /// The one that has seen the longest beginning of the prompt, as long as it is not much busier than the others; for
    /// servers that keep what they have worked out of a prompt.
    PrefixAffinity,
}

/// Requests that wait for a server. Those of caller keys with a higher `priority` go first, then those that came first.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QueueRules {
    /// Requests that wait at most. One more, and the last of them is refused with 429; 0 = nobody waits.
    #[schemars(range(max = 1_000_000))]
    pub size: u32,
    /// Milliseconds after which one that waits is refused with 429.
    #[schemars(range(min = 1))]
    pub timeout_ms: u64,
}

impl Default for QueueRules {
    fn default() -> Self {
        QueueRules { size: 256, timeout_ms: 10_000 }
    }
}

/// The metrics of the servers, in Prometheus' text format.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LoadRules {
    /// Path of the page, from the root of the host.
    #[schemars(regex(pattern = "^/"), extend("x-must" = "must begin with a slash"))]
    pub path: String,
    /// Milliseconds from one look to the next.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub interval_ms: u64,
    /// Whose names the metrics have.
    pub kind: LoadKind,
}

impl Default for LoadRules {
    fn default() -> Self {
        LoadRules { path: "/metrics".to_owned(), interval_ms: 1_000, kind: LoadKind::Auto }
    }
}

/// The programs whose metrics are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Whichever of them it is.
    #[default]
    Auto,
    Vllm,
    Sglang,
}

impl FleetRules {
    pub(super) fn check(&self, rules: &mut Rules, key: &ProviderKey) {
        let spread = self.spread_addresses;
        rules.check(
            !spread || key.api_base.is_some(),
            "fleet.spread_addresses",
            "needs api_base beside it: the name whose addresses they are",
        );
        let path = self.load.as_ref().map_or("/", |load| load.path.as_str());
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        rules.check(plain, "fleet.load.path", "must be a path without spaces and fragment");
    }
}

impl ProviderKey {
    /// Do requests go to one of several servers, or wait for one?
    pub fn is_fleet(&self) -> bool {
        self.fleet.is_some() || !self.replicas.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ProviderKey;
    use crate::resources::rules::trial;

    #[test]
    fn a_fleet_has_sound_addresses_and_one_source_of_them() {
        let base = json!({"display_name": "p", "provider": "vllm", "api_key": "k"});
        trial::table::<ProviderKey>(
            &base,
            &[
                (
                    json!({"replicas": ["http://a:1", "http://b:1/v1"], "fleet": {"strategy": "prefix_affinity"}}),
                    &[],
                ),
                (json!({"api_base": "http://a", "fleet": {"spread_addresses": true, "load": {}}}), &[]),
                (json!({"replicas": ["a:1"]}), &["replicas[0]: must be an http:// or https:// address"]),
                (
                    json!({"replicas": ["http://a"], "api_base": "http://b"}),
                    &["replicas: cannot stand beside api_base: list it among them"],
                ),
                (
                    json!({"replicas": ["http://a"], "fleet": {"spread_addresses": true}}),
                    &["fleet.spread_addresses: needs api_base beside it: the name whose addresses they are"],
                ),
                (
                    json!({"fleet": {"max_outstanding": 0}}),
                    &["fleet.max_outstanding: must be from 1 to 1000000"],
                ),
                (
                    json!({"fleet": {"load": {"path": "metrics"}}}),
                    &["fleet.load.path: must begin with a slash"],
                ),
                (
                    json!({"fleet": {"load": {"path": "/a b"}}}),
                    &["fleet.load.path: must be a path without spaces and fragment"],
                ),
            ],
        );
    }
}
