//! Conditions of rate limit policies: statements about a request, and groups of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Fault;
use crate::resources::reference::{Names, Reference};
use crate::resources::rules::Rules;
use crate::resources::values::{Texts, expression};

/// A statement about a request (`dimension`, `operator` and `value`), or several joined (`logic` and `children`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Condition {
    /// What of the request is looked at. A request without it does not meet the statement.
    pub dimension: Option<Dimension>,
    /// How it is compared with the value.
    pub operator: Option<Operator>,
    /// What it is compared with: a list of at most 64 texts for `in`, one text for the other operators. Ids for
    /// `api_key` and `model`; in files their names.
    pub value: Option<Texts>,
    /// How the children are joined.
    pub logic: Option<Logic>,
    /// Conditions that are joined.
    #[schemars(length(min = 1))]
    pub children: Option<Vec<Condition>>,
    /// Turns the outcome round.
    #[serde(default)]
    pub negate: bool,
}

/// What of a request a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    Team,
    Member,
    ApiKey,
    Model,
    ModelName,
    Provider,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Operator {
    /// The same text.
    #[serde(rename = "==")]
    Equal,
    /// Another text.
    #[serde(rename = "~=")]
    NotEqual,
    /// One of a list.
    #[serde(rename = "in")]
    In,
    /// A regular expression finds something in it.
    #[serde(rename = "~~")]
    Matches,
    /// The same, regardless of case.
    #[serde(rename = "~*")]
    MatchesAnyCase,
}

/// How conditions are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Logic {
    And,
    Or,
}

impl Dimension {
    /// Where the rows stand that its values name by id.
    fn collection(self) -> Option<&'static str> {
        match self {
            Dimension::ApiKey => Some("api_keys"),
            Dimension::Model => Some("models"),
            Dimension::Team | Dimension::Member | Dimension::ModelName | Dimension::Provider => None,
        }
    }
}

impl Condition {
    /// `depth` counts the groups around it.
    pub(super) fn check(&self, path: &str, depth: usize, leaves: &mut usize, rules: &mut Rules) {
        let leaf = self.dimension.is_some() || self.operator.is_some() || self.value.is_some();
        let group = self.logic.is_some() || self.children.is_some();
        match (leaf, group) {
            (true, false) => {
                *leaves += 1;
                self.check_leaf(path, rules);
            }
            (false, true) => self.check_group(path, depth, leaves, rules),
            (true, true) => rules.check(false, path, "must be a comparison or a group, not both"),
            (false, false) => rules.check(false, path, "needs dimension or logic"),
        }
    }

    fn check_leaf(&self, path: &str, rules: &mut Rules) {
        rules.check(self.dimension.is_some(), format!("{path}.dimension"), "is required");
        rules.check(self.operator.is_some(), format!("{path}.operator"), "is required");
        let at = format!("{path}.value");
        let Some(value) = &self.value else { return rules.check(false, at, "is required") };
        let Some(operator) = self.operator else { return };
        match (operator, value) {
            (Operator::In, Texts::Many(values)) => {
                rules.check(!values.is_empty(), &at, "needs at least one entry");
                rules.check(values.len() <= MOST_VALUES, &at, "must not have more than 64 entries");
            }
            (Operator::In, Texts::One(_)) => rules.check(false, &at, "must be a list for this operator"),
            (_, Texts::Many(_)) => rules.check(false, &at, "must be one text for this operator"),
            (Operator::Matches | Operator::MatchesAnyCase, Texts::One(pattern)) => {
                let searchable =
                    matches!(self.dimension, None | Some(Dimension::ModelName | Dimension::Provider));
                let message = "serves model_name and provider only";
                rules.check(searchable, format!("{path}.operator"), message);
                rules.try_at(at, short_expression(pattern, operator == Operator::MatchesAnyCase));
            }
            (Operator::Equal | Operator::NotEqual, Texts::One(_)) => {}
        }
    }

    fn check_group(&self, path: &str, depth: usize, leaves: &mut usize, rules: &mut Rules) {
        rules.check(self.logic.is_some(), format!("{path}.logic"), "is required");
        let at = format!("{path}.children");
        let Some(children) = &self.children else { return rules.check(false, at, "is required") };
        if depth >= DEEPEST {
            return rules.check(false, path, "is within more than 2 other groups");
        }
        for (index, child) in children.iter().enumerate() {
            child.check(&format!("{at}[{index}]"), depth + 1, leaves, rules);
        }
    }

    pub(super) fn references(&self, path: &str, found: &mut Vec<Reference>) {
        for (index, child) in self.children.iter().flatten().enumerate() {
            child.references(&format!("{path}.children[{index}]"), found);
        }
        let Some(collection) = self.dimension.and_then(Dimension::collection) else { return };
        match &self.value {
            Some(Texts::One(id)) => found.push(Reference::id(format!("{path}.value"), collection, id)),
            Some(Texts::Many(ids)) => found.extend(
                ids.iter()
                    .enumerate()
                    .map(|(index, id)| Reference::id(format!("{path}.value[{index}]"), collection, id)),
            ),
            None => {}
        }
    }
}

/// Where the rows stand that a scope or a dimension of this name names by id.
pub(super) fn collection(word: &str) -> Option<&'static str> {
    match word {
        "api_key" => Some("api_keys"),
        "model" => Some("models"),
        _ => None,
    }
}

/// Names in conditions become ids.
pub(super) fn named(conditions: &mut [Value], path: &str, names: &Names<'_>) -> Result<(), Fault> {
    for (index, condition) in conditions.iter_mut().enumerate() {
        let path = format!("{path}[{index}]");
        if let Some(Value::Array(children)) = condition.get_mut("children") {
            named(children, &format!("{path}.children"), names)?;
        }
        let dimension = condition.get("dimension").and_then(Value::as_str);
        let Some(collection) = dimension.and_then(collection) else { continue };
        let values = match condition.get_mut("value") {
            Some(Value::Array(values)) => values.as_mut_slice(),
            Some(value) => std::slice::from_mut(value),
            None => continue,
        };
        for value in values {
            let Value::String(name) = value else { continue };
            *name =
                names.id(collection, name).map_err(|message| Fault::new(format!("{path}.value"), message))?;
        }
    }
    Ok(())
}

fn short_expression(pattern: &str, ignores_case: bool) -> Result<(), &'static str> {
    if pattern.chars().count() > LONGEST_EXPRESSION {
        return Err("must not be longer than 256 characters");
    }
    expression(pattern, ignores_case)
}

/// Groups around a condition.
const DEEPEST: usize = 3;
const MOST_VALUES: usize = 64;
/// Characters.
const LONGEST_EXPRESSION: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::RateLimitPolicy;
    use super::*;
    use crate::resources::rules::trial;

    #[test]
    fn a_condition_is_a_comparison_or_a_group_within_bounds() {
        let leaf = |operator: &str, value: Value| json!({"dimension": "provider", "operator": operator, "value": value});
        let group = |children: Value| json!({"logic": "or", "children": children});
        let nested =
            |levels: usize| (0..levels).fold(leaf("==", json!("x")), |inner, _| group(json!([inner])));
        let conditions = |conditions: Value| json!({"conditions": conditions});
        trial::table::<RateLimitPolicy>(
            &json!({"name": "p", "limits": {"rpm": 1}}),
            &[
                (conditions(json!([leaf("~*", json!("^a.*b$")), leaf("in", json!(["a"])), nested(3)])), &[]),
                (
                    conditions(json!([nested(4)])),
                    &[
                        "conditions[0].children[0].children[0].children[0]: is within more than 2 other groups",
                    ],
                ),
                (conditions(json!([{}])), &["conditions[0]: needs dimension or logic"]),
                (
                    conditions(json!([{"logic": "and", "value": "x"}])),
                    &["conditions[0]: must be a comparison or a group, not both"],
                ),
                (
                    conditions(json!([{"operator": "=="}])),
                    &["conditions[0].dimension: is required", "conditions[0].value: is required"],
                ),
                (
                    conditions(json!([leaf("in", json!("a")), leaf("==", json!(["a"]))])),
                    &[
                        "conditions[0].value: must be a list for this operator",
                        "conditions[1].value: must be one text for this operator",
                    ],
                ),
                (
                    conditions(json!([leaf("in", json!(vec!["a"; 65]))])),
                    &["conditions[0].value: must not have more than 64 entries"],
                ),
                (
                    conditions(json!([leaf("~~", json!("a".repeat(257))), leaf("~~", json!("("))])),
                    &[
                        "conditions[0].value: must not be longer than 256 characters",
                        "conditions[1].value: is not a regular expression (look-around and back-references are not supported)",
                    ],
                ),
                (
                    conditions(json!([{"dimension": "team", "operator": "~~", "value": "a"}])),
                    &["conditions[0].operator: serves model_name and provider only"],
                ),
                (
                    conditions(json!([leaf("has", json!("a"))])),
                    &["conditions[0].operator: must be one of \"==\", \"~=\", \"in\", \"~~\", \"~*\""],
                ),
                (
                    conditions(json!(vec![leaf("==", json!("x")); 17])),
                    &["conditions: must not hold more than 16 conditions in all"],
                ),
            ],
        );
    }
}
