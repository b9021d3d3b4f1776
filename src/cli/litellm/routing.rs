//! Names that several deployments share, that have fallbacks, or that stand for other names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::deployment::{Defaults, Deployment};
use super::source::{Notes, Source};

/// How targets are chosen.
pub struct Routing {
    strategy: &'static str,
    retries: Option<u64>,
    max_fallbacks: Option<u64>,
    /// Path, the name, and what is tried after it.
    fallbacks: Vec<(String, String, Vec<String>)>,
    /// Path, and what is tried after every name.
    default_fallbacks: Option<(String, Vec<String>)>,
    /// Path, another name, and what it stands for.
    also: Vec<(String, String, String)>,
}

impl Routing {
    pub fn take(router: &mut Source, library: &mut Source, defaults: &Defaults, notes: &mut Notes) -> Self {
        let path = router.path("routing_strategy");
        let strategy = match router.text("routing_strategy", notes).as_deref() {
            None | Some("simple-shuffle") => "weighted",
            Some("least-busy") => "least_busy",
            Some("latency-based-routing") => "least_latency",
            Some("cost-based-routing") => "least_cost",
            Some(other) => {
                notes.add(&path, &format!("{other:?} becomes weighted: there is no choice by usage"));
                "weighted"
            }
        };
        let mut routing = Routing {
            strategy,
            retries: defaults.retries,
            max_fallbacks: router.whole("max_fallbacks", notes),
            fallbacks: Vec::new(),
            default_fallbacks: None,
            also: Vec::new(),
        };
        for source in [router, library] {
            for (index, entry) in source.list("fallbacks", notes).into_iter().enumerate() {
                let path = source.path(&format!("fallbacks[{index}]"));
                let entry = if let Value::Object(entry) = entry { entry } else { Map::new() };
                for (name, after) in entry {
                    routing.fallbacks.push((format!("{path}.{name}"), name, names(&after)));
                }
            }
            if let Some(after) = source.take("default_fallbacks") {
                routing.default_fallbacks = Some((source.path("default_fallbacks"), names(&after)));
            }
            let path = source.path("model_group_alias");
            if let Some(Value::Object(also)) = source.take("model_group_alias") {
                for (name, of) in also {
                    let path = format!("{path}.{name}");
                    if of.get("hidden").is_some() {
                        notes.add(
                            &format!("{path}.hidden"),
                            "left out: every model a key may use is listed to it",
                        );
                    }
                    let of =
                        of.as_str().or_else(|| of.get("model").and_then(Value::as_str)).map(str::to_owned);
                    match of {
                        Some(of) => routing.also.push((path, name, of)),
                        None => notes.add(&path, "left out: it names no model"),
                    }
                }
            }
        }
        routing
    }

    /// The rows of all models: deployments first, then the names that choose among them.
    pub fn models(self, deployments: Vec<Deployment>, notes: &mut Notes) -> Vec<Map<String, Value>> {
        let mut groups: Vec<(String, Vec<Deployment>)> = Vec::new();
        for deployment in deployments {
            match groups.iter_mut().find(|(alias, _)| *alias == deployment.alias) {
                Some((_, group)) => group.push(deployment),
                None => groups.push((deployment.alias.clone(), vec![deployment])),
            }
        }
        self.unknown(&groups, notes);
        let mut names: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        let mut rows = Vec::new();
        let (mut chosen, taken): (Vec<String>, Vec<String>) =
            (Vec::new(), groups.iter().map(|(alias, _)| alias.clone()).collect());
        for (alias, group) in groups {
            let wild = alias.contains('*');
            let alone = group.len() == 1 && (wild || self.after(&alias).is_empty());
            if wild && (group.len() > 1 || !self.after(&alias).is_empty()) {
                let path = group.first().map(|first| first.path.clone()).unwrap_or_default();
                notes.add(
                    &path,
                    "a name with * leads to one deployment: the first is kept, fallbacks are not",
                );
            }
            let group: Vec<Deployment> = group.into_iter().take(if wild { 1 } else { usize::MAX }).collect();
            if !alone && !wild {
                chosen.push(alias.clone());
            }
            for (index, deployment) in group.into_iter().enumerate() {
                let name = if alone || wild {
                    alias.clone()
                } else {
                    free(&format!("{alias}@{}", index + 1), &taken)
                };
                if !wild {
                    let target = Target::of(&deployment, &name);
                    names.entry(alias.clone()).or_default().push(target);
                }
                let mut row = Map::new();
                row.insert("display_name".to_owned(), name.into());
                row.extend(deployment.row);
                rows.push(row);
            }
        }
        for alias in &chosen {
            rows.push(self.alias(alias, alias, &names));
        }
        for (path, name, of) in &self.also {
            match names.contains_key(of) && !taken.contains(name) {
                true => rows.push(self.alias(name, of, &names)),
                false => notes.add(path, "left out: there is no such model, or the name is taken"),
            }
        }
        rows
    }

    /// Fallbacks that lead from or to nothing.
    fn unknown(&self, groups: &[(String, Vec<Deployment>)], notes: &mut Notes) {
        let known = |name: &str| !name.contains('*') && groups.iter().any(|(alias, _)| alias == name);
        for (path, name, after) in &self.fallbacks {
            if !known(name) {
                notes.add(path, "left out: there is no such model");
            }
            for after in after.iter().filter(|after| !known(after)) {
                notes.add(path, &format!("{after:?} is left out: it is no model of this file"));
            }
        }
        if let Some((path, after)) = &self.default_fallbacks {
            for after in after.iter().filter(|after| !known(after)) {
                notes.add(path, &format!("{after:?} is left out: it is no model of this file"));
            }
        }
    }

    /// What is tried after a name.
    fn after(&self, alias: &str) -> Vec<&str> {
        let own = self.fallbacks.iter().filter(|(_, name, _)| name == alias).flat_map(|(_, _, after)| after);
        let mut after: Vec<&str> = own.map(String::as_str).collect();
        if after.is_empty() {
            let rest = self.default_fallbacks.iter().flat_map(|(_, after)| after);
            after = rest.map(String::as_str).collect();
        }
        after.retain(|after| *after != alias);
        after
    }

    /// A name that chooses among the deployments of `of`, and of what is tried after it.
    fn alias(&self, name: &str, of: &str, names: &BTreeMap<String, Vec<Target>>) -> Map<String, Value> {
        let mut targets = Vec::new();
        let mut tier = 0;
        for group in [of].into_iter().chain(self.after(of)) {
            let Some(group) = names.get(group) else { continue };
            let lowest = group.iter().map(|target| target.order).max().unwrap_or_default();
            for target in group {
                if targets.iter().any(|known: &Value| known["model"] == target.name) {
                    continue;
                }
                targets.push(target.row(tier - target.order));
            }
            tier -= lowest + 1;
        }
        let mut routing = json!({"strategy": self.strategy, "targets": targets});
        for (name, value) in [("retries", self.retries), ("max_fallbacks", self.max_fallbacks)] {
            if let Some(value) = value {
                routing[name] = value.into();
            }
        }
        let row = json!({"display_name": name, "routing": routing});
        super::mapping(row).unwrap_or_default()
    }
}

/// A deployment as an alias names it.
struct Target {
    name: String,
    weight: Option<u64>,
    order: i64,
    tags: Vec<Value>,
}

impl Target {
    fn of(deployment: &Deployment, name: &str) -> Self {
        // Without weights LiteLLM takes the limits for shares.
        let limit = |name: &str| deployment.row.get("rate_limit")?.get(name)?.as_u64();
        let weight = deployment.weight.or_else(|| limit("rpm")).or_else(|| limit("tpm"));
        let tags = deployment.tags.iter().filter(|tag| tag.is_string()).cloned().collect();
        Target { name: name.to_owned(), weight, order: deployment.order.min(1000), tags }
    }

    /// Higher priorities are tried first.
    fn row(&self, priority: i64) -> Value {
        let mut row = json!({"model": self.name});
        if let Some(weight) = self.weight {
            row["weight"] = weight.min(u64::from(u32::MAX)).into();
        }
        if priority != 0 {
            row["priority"] = priority.into();
        }
        if !self.tags.is_empty() {
            row["tags"] = self.tags.clone().into();
        }
        row
    }
}

fn free(name: &str, taken: &[String]) -> String {
    let mut name = name.to_owned();
    while taken.contains(&name) {
        name.push('@');
    }
    name
}

/// Names in a list; an entry may be a mapping with the name in `model`.
fn names(value: &Value) -> Vec<String> {
    let name = |value: &Value| value.as_str().or_else(|| value.get("model")?.as_str()).map(str::to_owned);
    match value {
        Value::Array(items) => items.iter().filter_map(name).collect(),
        value => name(value).into_iter().collect(),
    }
}
