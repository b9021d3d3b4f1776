//! The metric families: one table from which registration, the reference page and the tests derive.
//!
//! Label sets are bounded by construction: an endpoint is a route template, a model a configured row, an id
//! a configured id; what is missing or unknown is the string `unknown`.

/// What kind of series a family holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FamilyKind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets in seconds.
    Histogram(&'static [f64]),
}

/// One row of the table.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: FamilyKind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const REQUEST: &[&str] = &[
    "endpoint",
    "inbound_protocol",
    "provider",
    "model",
    "upstream_model",
    "provider_key_id",
    "api_key_id",
    "status",
    "outcome",
    "stream",
];
const USAGE: &[&str] =
    &["endpoint", "inbound_protocol", "provider", "model", "upstream_model", "provider_key_id", "api_key_id"];
/// Usage labels are the first ones of a request's.
pub(super) const USAGE_LABELS: usize = USAGE.len();
const LATENCY: &[&str] = &["endpoint", "model", "provider", "status", "streaming"];
const FLEET: &[&str] = &["provider_key_id"];
const DEPLOYMENT: &[&str] = &["provider", "model", "upstream_model", "provider_key_id"];

const E2E: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 420.0, 600.0];
const TTFT: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
const ADDED: &[f64] =
    &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

pub(super) const REQUESTS: usize = 0;
pub(super) const FAILED: usize = 1;
pub(super) const IN_FLIGHT: usize = 2;
pub(super) const E2E_LATENCY: usize = 3;
pub(super) const TTFT_LATENCY: usize = 4;
pub(super) const UPSTREAM_LATENCY: usize = 5;
pub(super) const ADDED_LATENCY: usize = 6;
pub(super) const INPUT_TOKENS: usize = 7;
pub(super) const OUTPUT_TOKENS: usize = 8;
pub(super) const TOTAL_TOKENS: usize = 9;
pub(super) const CANCELLED: usize = 10;
pub(super) const AUTH: usize = 11;
pub(super) const ATTEMPTS: usize = 12;
pub(super) const ATTEMPTS_OK: usize = 13;
pub(super) const ATTEMPTS_FAILED: usize = 14;
pub(super) const CONFIG_RELOADS: usize = 15;
pub(super) const CONFIG_RELOAD_FAILURES: usize = 16;
pub(super) const CONFIG_REVISION: usize = 17;
pub(super) const CONFIG_LAST_OK: usize = 18;
pub(super) const LOG_DROPS: usize = 19;
pub(super) const PANICS: usize = 20;
pub(super) const BODY_LIMIT: usize = 21;
pub(super) const CONFIG_OBSERVED: usize = 22;
pub(super) const CONFIG_CONNECTED: usize = 23;
pub(super) const CONFIG_REJECTED: usize = 24;
pub(super) const DROPPED_FIELDS: usize = 25;
pub(super) const CREDENTIAL_REFRESHES: usize = 26;
pub(super) const FALLBACKS: usize = 27;
pub(super) const MODEL_CHECKS: usize = 28;
pub(super) const DEPLOYMENT_STATE: usize = 29;
pub(super) const DEPLOYMENT_IN_FLIGHT: usize = 30;
pub(super) const DEPLOYMENT_DRAINED: usize = 31;
pub(super) const DEPLOYMENT_UNWELL: usize = 32;
pub(super) const COOLED_DOWN: usize = 33;
pub(super) const FLEET_SERVERS: usize = 34;
pub(super) const FLEET_OUT: usize = 35;
pub(super) const FLEET_OUTSTANDING: usize = 36;
pub(super) const FLEET_WAITING: usize = 37;
pub(super) const FLEET_SHED: usize = 38;

use FamilyKind::{Counter, Gauge, Histogram};

const fn family(
    name: &'static str,
    kind: FamilyKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
}

/// Every family the gateway exposes, at the index its constant names.
pub static FAMILIES: &[Family] = &[
    family("aisix_proxy_requests_total", Counter, REQUEST, "Finished requests."),
    family(
        "aisix_proxy_failed_requests_total",
        Counter,
        REQUEST,
        "Finished requests with a status of 400 or more.",
    ),
    family(
        "aisix_proxy_in_flight_requests",
        Gauge,
        &[],
        "Requests begun and not finished; a stream counts to its last byte.",
    ),
    family(
        "aisix_request_e2e_latency_seconds",
        Histogram(E2E),
        LATENCY,
        "First byte of the request to last byte of the answer.",
    ),
    family(
        "aisix_request_ttft_seconds",
        Histogram(TTFT),
        LATENCY,
        "First byte of the request to first byte of a streamed answer.",
    ),
    family("aisix_llm_api_latency_seconds", Histogram(E2E), LATENCY, "Time spent waiting for upstreams."),
    family(
        "aisix_gateway_added_seconds",
        Histogram(ADDED),
        LATENCY,
        "Time the gateway and the caller's own connection added to the upstream's.",
    ),
    family(
        "aisix_llm_input_tokens_total",
        Counter,
        USAGE,
        "Prompt tokens, cached ones included, as reported by providers.",
    ),
    family("aisix_llm_output_tokens_total", Counter, USAGE, "Generated tokens as reported by providers."),
    family(
        "aisix_llm_total_tokens_total",
        Counter,
        USAGE,
        "Prompt and generated tokens as reported by providers.",
    ),
    family(
        "aisix_proxy_client_cancelled_requests_total",
        Counter,
        &["endpoint", "model"],
        "Requests whose caller left before the answer was complete.",
    ),
    family("aisix_auth_decisions_total", Counter, &["method", "result", "reason"], "Credential checks."),
    family("aisix_deployment_requests_total", Counter, DEPLOYMENT, "Attempts at upstreams."),
    family("aisix_deployment_success_responses_total", Counter, DEPLOYMENT, "Attempts that gave an answer."),
    family("aisix_deployment_failure_responses_total", Counter, DEPLOYMENT, "Attempts that failed."),
    family("aisix_config_reloads_total", Counter, &[], "Configurations applied after the first."),
    family(
        "aisix_config_reload_failures_total",
        Counter,
        &[],
        "Configurations refused; the last good one kept serving.",
    ),
    family("aisix_config_applied_revision", Gauge, &[], "Revision of the configuration in force."),
    family(
        "aisix_config_last_reload_successful",
        Gauge,
        &[],
        "1 if the last attempt to load a configuration succeeded.",
    ),
    family(
        "aisix_access_log_dropped_total",
        Counter,
        &[],
        "Access log lines given up because the writer could not keep pace.",
    ),
    family("aisix_panics_total", Counter, &[], "Requests ended by a defect of the gateway."),
    family(
        "aisix_proxy_request_body_limit_rejections_total",
        Counter,
        &["endpoint", "inbound_protocol", "outcome"],
        "Bodies beyond the limit, by how reading the rest away ended.",
    ),
    family(
        "aisix_config_observed_revision",
        Gauge,
        &[],
        "Newest revision that the store of the configuration has told of.",
    ),
    family(
        "aisix_config_source_connected",
        Gauge,
        &[],
        "1 while the store of the configuration is in reach.",
    ),
    family("aisix_config_rejected_resources", Gauge, &[], "Stored rows that cannot be served as they are."),
    family(
        "aisix_request_dropped_fields_total",
        Counter,
        &["endpoint", "model", "field"],
        "Fields that a target could not be told; `other` for fields without a line in docs/dialects.md.",
    ),
    family(
        "aisix_credential_refresh_total",
        Counter,
        &["issuer", "result"],
        "Tokens fetched for provider keys that are documents, by who gives them out (`google`, `entra`) and how it went (`ok`, \
         `failed`).",
    ),
    family(
        "aisix_routing_fallbacks_total",
        Counter,
        &["model", "target", "reason"],
        "Requests to an alias with several targets that went on from one of them to another, and why.",
    ),
    family(
        "aisix_model_checks_total",
        Counter,
        &["model", "result"],
        "Active probes: `ok`, `failed`, or `ignored` for a status that the row says does not count.",
    ),
    family(
        "aisix_deployment_state",
        Gauge,
        DEPLOYMENT,
        "Circuit of a model: 0 closed, 1 half open (one try at a time), 2 open (left alone).",
    ),
    family("aisix_deployment_in_flight", Gauge, DEPLOYMENT, "Tries at a model under way."),
    family("aisix_deployment_drained", Gauge, DEPLOYMENT, "1 while an operator has set the model aside."),
    family("aisix_deployment_unwell", Gauge, DEPLOYMENT, "1 while the bad verdict of an active probe holds."),
    family(
        "aisix_deployment_cooled_down_total",
        Counter,
        DEPLOYMENT,
        "Times the circuit of a model was opened.",
    ),
    family("aisix_fleet_servers", Gauge, FLEET, "Servers behind a provider key that has several."),
    family(
        "aisix_fleet_unreachable_servers",
        Gauge,
        FLEET,
        "Those of them that are left out for now because they could not be reached.",
    ),
    family(
        "aisix_fleet_outstanding_requests",
        Gauge,
        FLEET,
        "Requests that they have from this gateway; a stream counts to its last byte.",
    ),
    family(
        "aisix_fleet_waiting_requests",
        Gauge,
        FLEET,
        "Requests that wait because each of them has all it may have.",
    ),
    family(
        "aisix_fleet_shed_requests_total",
        Counter,
        FLEET,
        "Tries given up because each of them had all it may have, and nothing came free in time.",
    ),
];

/// The reference page of all families.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nPrometheus text format at `/metrics` on the metrics listener. Written by a test from the table in \
         `src/telemetry/families.rs`.\n\n| family | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in FAMILIES {
        let kind = match family.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram(_) => "histogram",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        page.push_str(&format!("| `{}` | {kind} | {} | {} |\n", family.name, labels.join(", "), family.help));
    }
    page
}
