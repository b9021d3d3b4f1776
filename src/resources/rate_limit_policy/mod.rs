//! Limits that hold for more than one caller key or model, and the times at which they rest.

mod condition;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::kind::Resource;
use super::rate_limit::RateLimit;
use super::reference::{Names, Reference};
use super::rules::Rules;
use crate::document::Fault;
pub use condition::{Condition, Dimension, Logic, Operator};
use condition::{collection, named};

/// Limits on the requests of a scope, or on all requests that meet conditions. A policy has either `scope` with
/// `scope_ref`, `window` and a cap, or `limits` with conditions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "payments-per-minute", "scope": "team", "scope_ref": "payments", "window": "minute", "max_requests": 1200}]))]
pub struct RateLimitPolicy {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What operators call it, and what a caller is told who exceeds it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Whose requests are counted together.
    pub scope: Option<Scope>,
    /// Which one is meant: the id of a caller key, model, team or member. `team_member` takes the id of a team, and
    /// counts each of its members alone. In files caller keys and models are given by name.
    #[schemars(length(min = 1))]
    pub scope_ref: Option<String>,
    /// How long the caps hold until the count begins anew.
    pub window: Option<Window>,
    /// Requests per window.
    #[schemars(range(min = 1))]
    pub max_requests: Option<u64>,
    /// Tokens per window. Works with the windows `minute` and `day`; without effect with the others.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
    /// What is limited for the requests that meet the conditions. At least one of its members.
    pub limits: Option<RateLimit>,
    /// Conditions that must all hold of a request; empty = every request. At most 16 in all, at most 3 groups
    /// within one another.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Counts requests that differ in these separately. A request that lacks one of them is not limited.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub group_by: Vec<GroupBy>,
    /// What happens to a request beyond the limits.
    pub action: Option<Action>,
    /// Times at which the policy neither refuses nor counts.
    #[serde(default)]
    pub schedules: Vec<Schedule>,
}

/// Whose requests a classic policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    ApiKey,
    Model,
    Team,
    Member,
    TeamMember,
}

/// The windows of classic policies, aligned to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    Second,
    Minute,
    Hour,
    Day,
}

/// What requests may be counted apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    Team,
    Member,
    ApiKey,
    Model,
    Provider,
}

/// What happens to a request beyond the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Answer 429.
    #[default]
    Reject,
}

/// A time of day at which a policy rests, on some days of the week or on some dates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Schedule {
    /// Name of the time zone in the IANA database.
    #[schemars(
        length(max = 64),
        regex(pattern = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"),
        extend("x-must" = "must be a time zone such as Europe/Berlin")
    )]
    pub timezone: String,
    /// From when, `HH:MM`.
    #[schemars(
        regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
        extend("x-must" = "must be a time from 00:00 to 23:59")
    )]
    pub start_time: String,
    /// Until when, `HH:MM` or `24:00`. Before the start means on the next day; the same as the start means never.
    #[schemars(
        regex(pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
        extend("x-must" = "must be a time from 00:00 to 24:00")
    )]
    pub end_time: String,
    /// Days on which it starts. Either these or `dates`.
    #[serde(default)]
    pub days_of_week: Vec<Day>,
    /// Dates on which it starts, `YYYY-MM-DD`. Either these or `days_of_week`.
    #[serde(default)]
    pub dates: Vec<Date>,
}

/// A date, written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date(pub jiff::civil::Date);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Longer and shorter ones are other spellings of a date, or of a time.
        let date = text.parse().ok().filter(|_| text.len() == "YYYY-MM-DD".len());
        date.map(Date).ok_or_else(|| de::Error::custom("must be a date such as 2027-01-31"))
    }
}

impl JsonSchema for Date {
    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date"})
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Resource for RateLimitPolicy {
    const COLLECTION: &'static str = "rate_limit_policies";
    const TITLE: &'static str = "rate limit policy";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        self.form(&mut rules);
        let mut leaves = 0;
        for (index, condition) in self.conditions.iter().enumerate() {
            condition.check(&format!("conditions[{index}]"), 0, &mut leaves, &mut rules);
        }
        rules.check(leaves <= MOST_LEAVES, "conditions", "must not hold more than 16 conditions in all");
        for (index, member) in self.group_by.iter().enumerate() {
            let repeats = self.group_by.iter().take(index).any(|earlier| earlier == member);
            rules.check(!repeats, format!("group_by[{index}]"), "is there twice");
        }
        for (index, schedule) in self.schedules.iter().enumerate() {
            schedule.check(&format!("schedules[{index}]"), &mut rules);
        }
        rules.faults()
    }

    fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        let scope = self.scope.and_then(Scope::collection);
        if let (Some(collection), Some(id)) = (scope, &self.scope_ref) {
            found.push(Reference::id("scope_ref", collection, id));
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            condition.references(&format!("conditions[{index}]"), &mut found);
        }
        found
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        let scope = row.get("scope").and_then(Value::as_str).and_then(collection);
        if let (Some(collection), Some(Value::String(name))) = (scope, row.get_mut("scope_ref")) {
            *name = names.id(collection, name).map_err(|message| Fault::new("scope_ref", message))?;
        }
        match row.get_mut("conditions") {
            Some(Value::Array(conditions)) => named(conditions, "conditions", names),
            _ => Ok(()),
        }
    }
}

impl RateLimitPolicy {
    /// Either of the two forms, and nothing of the other one.
    fn form(&self, rules: &mut Rules) {
        let classic = [
            ("scope", self.scope.is_some()),
            ("scope_ref", self.scope_ref.is_some()),
            ("window", self.window.is_some()),
            ("max_requests", self.max_requests.is_some()),
            ("max_tokens", self.max_tokens.is_some()),
        ];
        let conditional = [
            ("conditions", !self.conditions.is_empty()),
            ("group_by", !self.group_by.is_empty()),
            ("action", self.action.is_some()),
        ];
        let any = |members: &[(&str, bool)]| members.iter().any(|(_, present)| *present);
        if let Some(limits) = &self.limits {
            rules.check(*limits != RateLimit::default(), "limits", "needs at least one limit");
            for (name, present) in classic {
                rules.check(!present, name, "cannot stand beside limits");
            }
        } else if any(&classic) {
            for (name, present) in classic.into_iter().take(3) {
                rules.check(present, name, "is required");
            }
            let capped = self.max_requests.is_some() || self.max_tokens.is_some();
            rules.check(capped, "", "needs max_requests or max_tokens");
            for (name, present) in conditional {
                rules.check(!present, name, "cannot stand beside scope");
            }
        } else if any(&conditional) {
            rules.check(false, "limits", "is required");
        } else {
            rules.check(false, "", "needs scope or limits");
        }
    }
}

impl Scope {
    /// Where the rows stand that it may name by id.
    fn collection(self) -> Option<&'static str> {
        match self {
            Scope::ApiKey => Some("api_keys"),
            Scope::Model => Some("models"),
            Scope::Team | Scope::Member | Scope::TeamMember => None,
        }
    }
}

impl Schedule {
    fn check(&self, path: &str, rules: &mut Rules) {
        let message = match (self.days_of_week.is_empty(), self.dates.is_empty()) {
            (true, true) => "needs days_of_week or dates",
            (false, false) => "must have days_of_week or dates, not both",
            _ => "",
        };
        rules.check(message.is_empty(), path, message);
    }
}

/// Conditions, groups not counted.
const MOST_LEAVES: usize = 16;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn a_classic_policy_has_a_scope_a_window_and_a_cap() {
        let base =
            json!({"name": "p", "scope": "team", "scope_ref": "t", "window": "minute", "max_requests": 1});
        trial::table::<RateLimitPolicy>(
            &base,
            &[
                (json!({}), &[]),
                (json!({"max_requests": 0}), &["max_requests: must be at least 1"]),
                (json!({"max_requests": null}), &[": needs max_requests or max_tokens"]),
                (json!({"max_requests": null, "max_tokens": 5, "window": "hour"}), &[]),
                (
                    json!({"scope_ref": null, "window": null}),
                    &["scope_ref: is required", "window: is required"],
                ),
                (json!({"conditions": [], "group_by": []}), &[]),
                (json!({"group_by": ["team"]}), &["group_by: cannot stand beside scope"]),
                (
                    json!({"scope": "org"}),
                    &["scope: must be one of \"api_key\", \"model\", \"team\", \"member\", \"team_member\""],
                ),
            ],
        );
    }

    #[test]
    fn a_conditional_policy_has_limits_and_takes_no_scope() {
        trial::table::<RateLimitPolicy>(
            &json!({"name": "p", "limits": {"rpm": 1}}),
            &[
                (json!({"action": "reject", "group_by": ["team", "model"]}), &[]),
                (json!({"limits": {}}), &["limits: needs at least one limit"]),
                (json!({"limits": null}), &[": needs scope or limits"]),
                (json!({"limits": null, "group_by": ["team"]}), &["limits: is required"]),
                (json!({"scope": "team"}), &["scope: cannot stand beside limits"]),
                (json!({"group_by": ["team", "team"]}), &["group_by[1]: is there twice"]),
            ],
        );
    }

    #[test]
    fn a_schedule_has_times_in_a_zone_and_days_or_dates() {
        let schedule = |changes: Value| {
            let mut schedule = json!({"timezone": "Europe/Berlin", "start_time": "22:00", "end_time": "24:00", "days_of_week": ["mon"]});
            for (name, value) in changes.as_object().into_iter().flatten() {
                schedule[name] = value.clone();
            }
            json!({"schedules": [schedule]})
        };
        trial::table::<RateLimitPolicy>(
            &json!({"name": "p", "limits": {"rpm": 1}}),
            &[
                (schedule(json!({})), &[]),
                (
                    schedule(json!({"timezone": "Etc/GMT+5", "days_of_week": null, "dates": ["2028-02-29"]})),
                    &[],
                ),
                (
                    schedule(json!({"timezone": "a b"})),
                    &["schedules[0].timezone: must be a time zone such as Europe/Berlin"],
                ),
                (
                    schedule(json!({"start_time": "24:00"})),
                    &["schedules[0].start_time: must be a time from 00:00 to 23:59"],
                ),
                (schedule(json!({"days_of_week": []})), &["schedules[0]: needs days_of_week or dates"]),
                (
                    schedule(json!({"dates": ["2027-02-28"]})),
                    &["schedules[0]: must have days_of_week or dates, not both"],
                ),
                (
                    schedule(json!({"days_of_week": null, "dates": ["2027-02-28", "soon", "2027-02-29"]})),
                    &[
                        "schedules[0].dates[1]: must be a date such as 2027-01-31",
                        "schedules[0].dates[2]: must be a date such as 2027-01-31",
                    ],
                ),
            ],
        );
    }

    #[test]
    fn keys_and_models_are_named_by_id() {
        let leaf = json!({"dimension": "model", "operator": "in", "value": ["m", "n"]});
        let policy =
            json!({"name": "p", "limits": {"rpm": 1}, "conditions": [{"logic": "or", "children": [leaf]}]});
        assert_eq!(
            trial::references::<RateLimitPolicy>(&policy),
            [
                "conditions[0].children[0].value[0] -> models Id(\"m\")",
                "conditions[0].children[0].value[1] -> models Id(\"n\")",
            ]
        );
        let policy = |scope: &str| json!({"name": "p", "scope": scope, "scope_ref": "x", "window": "day", "max_tokens": 1});
        assert_eq!(
            trial::references::<RateLimitPolicy>(&policy("api_key")),
            ["scope_ref -> api_keys Id(\"x\")"]
        );
        assert!(trial::references::<RateLimitPolicy>(&policy("team")).is_empty());
    }
}
