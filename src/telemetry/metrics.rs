//! Prometheus series, registered from [`FAMILIES`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::families::{self, FAMILIES, Family, FamilyKind};
use super::kept::{Handles, KEPT, LazyTokens};
use super::record::{Attempt, Record};
use super::streaks::Streaks;

enum Series {
    Counter(IntCounterVec),
    Gauge(IntGauge),
    Gauges(IntGaugeVec),
    Histogram(HistogramVec),
}

/// What is known of the configuration, as far as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// In force, and newest that was told of.
    pub revision: u64,
    pub observed: u64,
    /// Attempts that succeeded, the first one among them, and that failed.
    pub applied: u64,
    pub failures: u64,
    pub last_was_good: bool,
    /// Is its store in reach?
    pub connected: bool,
    /// Rows that cannot be served as they are.
    pub rejected: usize,
}

/// What is known of one direct model, as far as it is counted.
#[derive(Clone, Debug)]
pub struct Deployment<'a> {
    pub provider: &'a str,
    pub model: &'a str,
    pub upstream_model: &'a str,
    pub provider_key_id: &'a str,
    /// Its circuit: 0 closed, 1 half open, 2 open.
    pub state: u8,
    pub in_flight: u32,
    pub drained: bool,
    pub unwell: bool,
    /// Times its circuit was opened since the process began.
    pub opened: u64,
}

/// How the servers of one provider key are, where it has several.
#[derive(Clone, Debug)]
pub struct FleetState {
    pub provider_key_id: String,
    pub servers: u64,
    /// Left out because they could not be reached.
    pub out: u64,
    /// Requests that they have, and that wait for one of them.
    pub outstanding: u64,
    pub waiting: u64,
}

/// All series of this process.
pub struct Metrics {
    registry: Registry,
    series: Vec<Series>,
    /// Held by whoever brings counters up to totals kept elsewhere.
    totals: Mutex<()>,
    /// The labels of the models shown last, so that those that are gone can be taken away.
    deployments: Mutex<HashSet<[String; 4]>>,
    /// Provider keys whose servers were told of last.
    fleets: Mutex<BTreeSet<String>>,
    streaks: Streaks,
    /// Tells several instances of one process apart.
    identity: u64,
}

impl Metrics {
    /// Registers every family of the table.
    ///
    /// # Errors
    /// A row of the table that Prometheus refuses.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let series = FAMILIES.iter().map(|family| register(&registry, family)).collect::<Result<_, _>>()?;
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let identity = INSTANCES.fetch_add(1, Ordering::Relaxed);
        Ok(Metrics {
            registry,
            series,
            totals: Mutex::new(()),
            deployments: Mutex::default(),
            fleets: Mutex::default(),
            streaks: Streaks::default(),
            identity,
        })
    }

    /// Counts one finished request.
    ///
    /// The series of a kind of request are looked up by their labels once per thread and kept; after that a
    /// request costs one look at its labels and a few additions.
    pub fn observe(&self, record: &Record<'_>) {
        KEPT.with_borrow_mut(|kept| {
            kept.label(self.identity, record);
            let handles = kept.handles(|| self.handles(record));
            handles.observe(record);
        });
        self.observe_rare(record);
    }

    fn observe_rare(&self, record: &Record<'_>) {
        if record.status == 499 {
            self.counter(families::CANCELLED, &[record.endpoint, model_label(record)], 1);
        }
        if let Some(outcome) = record.over_limit {
            self.counter(families::BODY_LIMIT, &[record.endpoint, record.inbound_protocol, outcome], 1);
        }
        for (_, field) in record.dropped {
            self.counter(families::DROPPED_FIELDS, &[record.endpoint, model_label(record), field], 1);
        }
        for attempt in record.attempts.iter().filter(|attempt| attempt.outcome == SATURATED) {
            self.counter(families::FLEET_SHED, &[attempt.provider_key_id], 1);
        }
        let all_but_last = record.attempts.len().saturating_sub(1);
        for attempt in record.attempts.iter().take(all_but_last) {
            for counter in self.attempt_counters(attempt) {
                counter.inc();
            }
            self.streaks.of(attempt.model).count(attempt.verdict);
        }
        for (from, to) in record.attempts.iter().zip(record.attempts.iter().skip(1)) {
            if from.model != to.model {
                self.counter(families::FALLBACKS, &[model_label(record), from.model, from.outcome], 1);
            }
        }
    }

    /// The series of one kind of request.
    fn handles(&self, record: &Record<'_>) -> Handles {
        let last = record.attempts.last();
        let request = request_labels(record, last, status_text(record.status));
        let usage = &request[..families::USAGE_LABELS];
        let streaming = if record.stream { "true" } else { "false" };
        let latency = [
            record.endpoint,
            model_label(record),
            provider_label(last),
            status_class(record.status),
            streaming,
        ];
        let counters = |family: usize, labels: &[&str]| {
            self.find_counter(family, labels).into_iter().collect::<Vec<_>>()
        };
        let mut each = counters(families::REQUESTS, &request);
        if record.status >= 400 {
            each.extend(self.find_counter(families::FAILED, &request));
        }
        if let Some((result, reason)) = record.auth {
            each.extend(self.find_counter(families::AUTH, &["api_key", result, reason]));
        }
        each.extend(last.into_iter().flat_map(|last| self.attempt_counters(last)));
        Handles {
            each,
            streak: last.map(|last| self.streaks.of(last.model)),
            e2e: self.find_histogram(families::E2E_LATENCY, &latency),
            ttft: record.stream.then(|| self.find_histogram(families::TTFT_LATENCY, &latency)).flatten(),
            upstream: last.and_then(|_| self.find_histogram(families::UPSTREAM_LATENCY, &latency)),
            added: last.and_then(|_| self.find_histogram(families::ADDED_LATENCY, &latency)),
            tokens: LazyTokens {
                families: [families::INPUT_TOKENS, families::OUTPUT_TOKENS, families::TOTAL_TOKENS]
                    .map(|family| self.vector(family)),
                labels: usage.iter().map(|label| (*label).to_owned()).collect(),
                found: [None, None, None],
            },
        }
    }

    fn attempt_counters(&self, attempt: &Attempt<'_>) -> Vec<IntCounter> {
        let labels = [attempt.provider, attempt.model, attempt.upstream_label, attempt.provider_key_id];
        let ended = if attempt.outcome == "ok" { families::ATTEMPTS_OK } else { families::ATTEMPTS_FAILED };
        [families::ATTEMPTS, ended]
            .into_iter()
            .filter_map(|family| self.find_counter(family, &labels))
            .collect()
    }

    /// Tries at a model that failed since its last success.
    pub fn failures(&self, model: &str) -> u32 {
        self.streaks.failures(model)
    }

    /// A request began.
    pub fn begin(&self) {
        self.gauge(families::IN_FLIGHT).inc();
    }

    /// A request ended.
    pub fn end(&self) {
        self.gauge(families::IN_FLIGHT).dec();
    }

    /// Brings what is counted of configurations up to what is known.
    pub fn configuration(&self, known: &Configuration) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.gauge(families::CONFIG_LAST_OK).set(i64::from(known.last_was_good));
        self.gauge(families::CONFIG_REVISION).set(number(known.revision));
        self.gauge(families::CONFIG_OBSERVED).set(number(known.observed));
        self.gauge(families::CONFIG_CONNECTED).set(i64::from(known.connected));
        self.gauge(families::CONFIG_REJECTED).set(number(known.rejected as u64));
        self.bring_up(families::CONFIG_RELOADS, &[], known.applied.saturating_sub(1));
        self.bring_up(families::CONFIG_RELOAD_FAILURES, &[], known.failures);
    }

    /// Shows how the direct models are now, and no others.
    pub fn deployments<'a>(&self, known: impl Iterator<Item = Deployment<'a>>) {
        let mut shown = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *shown);
        for deployment in known {
            let labels = deployment.labels();
            let gauges = [
                (families::DEPLOYMENT_STATE, deployment.state.into()),
                (families::DEPLOYMENT_IN_FLIGHT, deployment.in_flight.into()),
                (families::DEPLOYMENT_DRAINED, deployment.drained.into()),
                (families::DEPLOYMENT_UNWELL, deployment.unwell.into()),
            ];
            for (family, value) in gauges {
                let gauge = self.gauges(family).get_metric_with_label_values(&labels);
                gauge.into_iter().for_each(|gauge| gauge.set(value));
            }
            if deployment.opened > 0 {
                self.bring_up(families::COOLED_DOWN, &labels, deployment.opened);
            }
            let labels = labels.map(str::to_owned);
            gone.remove(&labels);
            shown.insert(labels);
        }
        for labels in &gone {
            for family in DEPLOYMENT_GAUGES {
                // It is there, or was never made.
                let _ = self.gauges(family).remove_label_values(labels);
            }
        }
    }

    /// An active probe has ended.
    pub fn checked(&self, model: &str, result: &'static str) {
        self.counter(families::MODEL_CHECKS, &[model, result], 1);
    }

    /// Brings what is told of servers up to how they are. Provider keys that have none any more are told of no longer.
    pub fn fleets(&self, states: &[FleetState]) {
        let mut sums = BTreeMap::<&str, [u64; 4]>::new();
        for state in states {
            // Models of two vendor labels share a key, and each label has its own fleet.
            let sum = sums.entry(&state.provider_key_id).or_default();
            let own = [state.servers, state.out, state.outstanding, state.waiting];
            sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        let now: BTreeSet<String> = sums.keys().map(|id| (*id).to_owned()).collect();
        let Ok(mut told) = self.fleets.lock() else { return };
        for (index, family) in FLEET_GAUGES.iter().enumerate() {
            let Some(Series::Gauges(gauges)) = self.series.get(*family) else { continue };
            for (id, sum) in &sums {
                gauges.with_label_values(&[*id]).set(i64::try_from(sum[index]).unwrap_or(i64::MAX));
            }
            for gone in told.difference(&now) {
                // It may not be there, which is what is wanted.
                let _ = gauges.remove_label_values(&[gone.as_str()]);
            }
        }
        *told = now;
    }

    /// Brings a counter that is kept elsewhere up to its total.
    fn bring_up(&self, family: usize, labels: &[&str], total: u64) {
        let Some(counter) = self.find_counter(family, labels) else { return };
        if let Ok(_alone) = self.totals.lock() {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }

    /// A request was ended by a defect of ours.
    pub fn panicked(&self) {
        self.counter(families::PANICS, &[], 1);
    }

    /// Brings the counter of dropped log lines up to `total`.
    pub fn log_drops(&self, total: u64) {
        self.bring_up(families::LOG_DROPS, &[], total);
    }

    /// Brings the counters of fetched tokens up to totals: issuer, how it went, how often.
    pub fn credential_refreshes(&self, totals: impl Iterator<Item = (&'static str, &'static str, u64)>) {
        totals.for_each(|(issuer, result, total)| {
            self.bring_up(families::CREDENTIAL_REFRESHES, &[issuer, result], total);
        });
    }

    /// Everything in the text format 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut out);
        debug_assert!(encoded.is_ok(), "text encoding into memory cannot fail");
        out
    }

    fn counter(&self, family: usize, labels: &[&str], by: u64) {
        if let Some(counter) = self.find_counter(family, labels) {
            counter.inc_by(by);
        }
    }

    fn find_counter(&self, family: usize, labels: &[&str]) -> Option<IntCounter> {
        self.vector(family)?.get_metric_with_label_values(labels).ok()
    }

    fn vector(&self, family: usize) -> Option<IntCounterVec> {
        match self.series.get(family) {
            Some(Series::Counter(series)) => Some(series.clone()),
            _ => None,
        }
    }

    fn find_histogram(&self, family: usize, labels: &[&str]) -> Option<Histogram> {
        match self.series.get(family) {
            Some(Series::Histogram(series)) => series.get_metric_with_label_values(labels).ok(),
            _ => None,
        }
    }

    fn gauges(&self, family: usize) -> &IntGaugeVec {
        match self.series.get(family) {
            Some(Series::Gauges(gauges)) => gauges,
            _ => unreachable!("{} is a gauge with labels", FAMILIES[family].name),
        }
    }

    fn gauge(&self, family: usize) -> &IntGauge {
        match self.series.get(family) {
            Some(Series::Gauge(gauge)) => gauge,
            _ => unreachable!("{} is a gauge", FAMILIES[family].name),
        }
    }
}

fn register(registry: &Registry, family: &Family) -> prometheus::Result<Series> {
    let (name, help) = (family.name, family.help);
    match family.kind {
        FamilyKind::Counter => {
            let series = IntCounterVec::new(Opts::new(name, help), family.labels)?;
            registry.register(Box::new(series.clone()))?;
            if family.labels.is_empty() {
                series.get_metric_with_label_values::<&str>(&[])?;
            }
            Ok(Series::Counter(series))
        }
        FamilyKind::Gauge if !family.labels.is_empty() => {
            let series = IntGaugeVec::new(Opts::new(name, help), family.labels)?;
            registry.register(Box::new(series.clone()))?;
            Ok(Series::Gauges(series))
        }
        FamilyKind::Gauge => {
            let series = IntGauge::new(name, help)?;
            registry.register(Box::new(series.clone()))?;
            Ok(Series::Gauge(series))
        }
        FamilyKind::Histogram(buckets) => {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let series = HistogramVec::new(options, family.labels)?;
            registry.register(Box::new(series.clone()))?;
            Ok(Series::Histogram(series))
        }
    }
}

impl<'a> Deployment<'a> {
    fn labels(&self) -> [&'a str; 4] {
        [self.provider, self.model, self.upstream_model, self.provider_key_id]
    }
}

pub(super) fn request_labels<'a>(
    record: &'a Record<'_>,
    last: Option<&'a Attempt<'_>>,
    status: &'a str,
) -> [&'a str; 10] {
    [
        record.endpoint,
        record.inbound_protocol,
        provider_label(last),
        model_label(record),
        last.map_or(UNKNOWN, |attempt| attempt.upstream_label),
        last.map_or(UNKNOWN, |attempt| attempt.provider_key_id),
        record.api_key_id.unwrap_or(UNKNOWN),
        status,
        record.outcome(),
        if record.stream { "true" } else { "false" },
    ]
}

fn model_label<'a>(record: &'a Record<'_>) -> &'a str {
    record.model.unwrap_or(UNKNOWN)
}

fn provider_label<'a>(last: Option<&Attempt<'a>>) -> &'a str {
    last.map_or(UNKNOWN, |attempt| attempt.provider)
}

/// The decimal text of a status, without an allocation for those that occur.
fn status_text(status: u16) -> &'static str {
    match status {
        200 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        422 => "422",
        429 => "429",
        431 => "431",
        499 => "499",
        500 => "500",
        501 => "501",
        502 => "502",
        503 => "503",
        504 => "504",
        other => status_class(other),
    }
}

fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

const DEPLOYMENT_GAUGES: [usize; 4] = [
    families::DEPLOYMENT_STATE,
    families::DEPLOYMENT_IN_FLIGHT,
    families::DEPLOYMENT_DRAINED,
    families::DEPLOYMENT_UNWELL,
];

/// In the order of their numbers in a [`FleetState`].
const FLEET_GAUGES: [usize; 4] =
    [families::FLEET_SERVERS, families::FLEET_OUT, families::FLEET_OUTSTANDING, families::FLEET_WAITING];
/// Outcome of a try for which no server had room.
const SATURATED: &str = "saturated";
/// Label value of what is missing.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_registers_and_its_index_names_it() {
        let metrics = Metrics::new().expect("the table is sound");
        assert_eq!(metrics.series.len(), FAMILIES.len());
        for (index, name) in [
            (families::REQUESTS, "aisix_proxy_requests_total"),
            (families::CANCELLED, "aisix_proxy_client_cancelled_requests_total"),
            (families::AUTH, "aisix_auth_decisions_total"),
            (families::ATTEMPTS_FAILED, "aisix_deployment_failure_responses_total"),
            (families::CONFIG_LAST_OK, "aisix_config_last_reload_successful"),
            (families::PANICS, "aisix_panics_total"),
            (families::FLEET_SHED, "aisix_fleet_shed_requests_total"),
            (families::BODY_LIMIT, "aisix_proxy_request_body_limit_rejections_total"),
            (families::FALLBACKS, "aisix_routing_fallbacks_total"),
            (families::DEPLOYMENT_STATE, "aisix_deployment_state"),
            (families::COOLED_DOWN, "aisix_deployment_cooled_down_total"),
        ] {
            assert_eq!(FAMILIES[index].name, name);
        }
    }

    #[test]
    fn a_model_that_is_gone_is_shown_no_more_and_what_was_counted_stays() {
        let metrics = Metrics::new().expect("sound");
        let deployment = |model| Deployment {
            provider: "p",
            model,
            upstream_model: "u",
            provider_key_id: "k",
            state: 2,
            in_flight: 3,
            drained: false,
            unwell: true,
            opened: 4,
        };
        let shown = || String::from_utf8(metrics.render()).expect("text");
        let line = |family: &str, model: &str| {
            format!(
                "aisix_deployment_{family}{{model=\"{model}\",provider=\"p\",provider_key_id=\"k\",upstream_model=\"u\"}}"
            )
        };
        for _ in 0..2 {
            metrics.deployments([deployment("a"), deployment("b")].into_iter());
            for (family, value) in [("state", 2), ("in_flight", 3), ("drained", 0), ("unwell", 1)] {
                assert!(shown().contains(&format!("{} {value}\n", line(family, "a"))), "{}", shown());
            }
        }
        metrics.deployments([deployment("b")].into_iter());
        assert!(!shown().contains(&line("state", "a")) && shown().contains(&line("state", "b")));
        assert!(shown().contains(&format!("{} 4\n", line("cooled_down_total", "a"))), "{}", shown());
    }

    #[test]
    fn families_without_labels_are_shown_before_anything_happened() {
        let text = String::from_utf8(Metrics::new().expect("sound").render()).expect("text");
        for family in FAMILIES.iter().filter(|family| family.labels.is_empty()) {
            assert!(text.contains(family.name), "{}", family.name);
        }
    }
}
