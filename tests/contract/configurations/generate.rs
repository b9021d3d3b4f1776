//! Configurations at random. Each row begins as one that is sound and names others, written here by hand; to it come
//! members made from the schema of its kind, each as long as the row stays sound.

use aisix::resources::configuration::Configuration;
use aisix::resources::{Catalog, Entry, Kind, kind};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What rows are made from.
#[derive(Clone, Debug)]
struct Seed {
    /// Appended to names that may be anything.
    tail: String,
    /// Which of the forms written by hand.
    form: usize,
    /// By which the rows that it names are chosen.
    choice: usize,
    /// Members to try, for any kind: place in the schema, and the value made for it.
    more: Vec<(usize, u64)>,
}

fn seed() -> impl Strategy<Value = Seed> {
    let tail = prop_oneof![Just(String::new()), prop::sample::select(TEXTS).prop_map(str::to_owned)];
    let more = prop::collection::vec((0usize..64, any::<u64>()), 0..8);
    (tail, 0usize..64, 0usize..64, more).prop_map(|(tail, form, choice, more)| Seed {
        tail,
        form,
        choice,
        more,
    })
}

/// A configuration that a failing test may print: nothing in it is secret.
pub struct Generated(pub Configuration);

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.0.rows().iter();
        f.debug_list()
            .entries(rows.map(|row| format!("{}/{}: {}", row.kind.collection, row.id, row.body)))
            .finish()
    }
}

/// A configuration in which everything fits together.
pub fn configuration() -> impl Strategy<Value = Generated> {
    // At least two of what others name, so that there is a choice.
    let many = |least: usize| prop::collection::vec(seed(), least..least + 3);
    let counts: Vec<_> = ORDER.iter().map(|(_, least)| many(*least)).collect();
    counts.prop_map(|seeds| {
        let mut maker = Maker::default();
        for ((collection, _), seeds) in ORDER.iter().zip(&seeds) {
            for (index, seed) in seeds.iter().enumerate() {
                maker.add(collection, index, seed);
            }
        }
        maker.settle()
    })
}

/// A value of any form.
pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(TEXTS).prop_map(Value::from),
        prop::sample::select(&["p0", "m0", "k0", "e0", "id-models-0", "id-api_keys-1"][..])
            .prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!([])),
        Just(json!(["m0", "*"])),
        Just(json!({})),
        Just(json!({"targets": [{"model": "m0"}]})),
    ]
}

/// The kinds, those first that others name, and how many there are at least.
const ORDER: &[(&str, usize)] = &[
    ("provider_keys", 2),
    ("models", 2),
    ("oidc_providers", 1),
    ("mcp_servers", 1),
    ("passthrough_routes", 0),
    ("api_keys", 2),
    ("guardrails", 1),
    ("guardrail_attachments", 0),
    ("mcp_policies", 0),
    ("mcp_auth_settings", 0),
    ("a2a_agents", 0),
    ("cache_policies", 0),
    ("observability_exporters", 0),
    ("rate_limit_policies", 0),
    ("claim_mappings", 0),
];

#[derive(Default)]
struct Maker {
    /// Kind, id, the row by hand, and with what was added to it.
    rows: Vec<(&'static Kind, String, Value, Value)>,
    names: Vec<(&'static str, String)>,
}

impl Maker {
    fn add(&mut self, collection: &'static str, index: usize, seed: &Seed) {
        let kind = kind(collection).expect("a kind");
        if kind.identity.is_none() && index > 0 {
            return;
        }
        let id = format!("id-{collection}-{index}");
        let (row, name) = self.by_hand(collection, index, seed);
        assert!(
            kind.admit(&id, &row).row.is_some(),
            "{collection}: {row}: {:?}",
            kind.admit(&id, &row).faults
        );
        self.names.push((collection, name));
        let mut whole = row.clone();
        let members = members(kind, &row);
        for (place, random) in &seed.more {
            let Some((member, schema)) = members.get(place % members.len().max(1)) else { break };
            if row.get(member).is_some() {
                continue;
            }
            let mut tried = whole.clone();
            tried[member] = made(schema, kind.schema(), &mut Random(*random), 0);
            if !tried[member].is_null() && kind.admit(&id, &tried).row.is_some() {
                whole = tried;
            }
        }
        self.rows.push((kind, id, row, whole));
    }

    /// Takes what was added away again where it does not fit beside the others.
    fn settle(self) -> Generated {
        let mut catalog = Catalog::default();
        let entry = |order: usize, kind: &'static Kind, id: &str, body: &Value| {
            let name = body.as_object().and_then(|body| kind.name_of(body).ok()).unwrap_or_default();
            Entry { kind, id: id.to_owned(), name, row: kind.load(id, body).row, order }
        };
        let whole: Vec<Entry> =
            (0..).zip(&self.rows).map(|(at, (kind, id, _, body))| entry(at, kind, id, body)).collect();
        whole.iter().for_each(|entry| catalog.put(entry.clone()));
        let rows = self.rows.iter().zip(&whole).map(|((kind, id, plain, body), entry)| {
            let fits = catalog.breaches(entry).is_empty();
            (kind.collection.to_owned(), id.clone(), if fits { body.clone() } else { plain.clone() })
        });
        let rows: Vec<_> = rows.collect();
        let (configuration, notices) = Configuration::stored(rows);
        assert!(notices.is_empty(), "{notices:?}");
        assert_eq!(configuration.faults(), Vec::<String>::new());
        Generated(configuration)
    }

    /// Index of a row of a collection, none where there is none.
    fn pick(&self, collection: &str, seed: &Seed, shift: usize) -> Option<usize> {
        let count = self.names.iter().filter(|(of, _)| *of == collection).count();
        (seed.choice + shift).checked_rem(count)
    }

    fn id(&self, collection: &str, seed: &Seed) -> String {
        format!("id-{collection}-{}", self.pick(collection, seed, 0).expect("there is one"))
    }

    fn name(&self, collection: &str, seed: &Seed, shift: usize) -> String {
        let index = self.pick(collection, seed, shift).expect("there is one");
        let mut names = self.names.iter().filter(|(of, _)| *of == collection);
        names.nth(index).expect("there is one").1.clone()
    }

    /// Models that others may name: the first two.
    fn direct(&self, seed: &Seed, shift: usize) -> String {
        let names: Vec<&String> =
            self.names.iter().filter(|(of, _)| *of == "models").map(|(_, name)| name).take(2).collect();
        names[(seed.choice + shift) % names.len()].clone()
    }

    /// A sound row, and its name.
    fn by_hand(&self, collection: &str, index: usize, seed: &Seed) -> (Value, String) {
        let free = |letter: &str| format!("{letter}{index}{}", seed.tail);
        let plain = |letter: &str| format!("{letter}{index}");
        let sendable = seed.tail.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ');
        let secret = format!("sk-{index}{}", sendable.collect::<String>());
        let row = match collection {
            "provider_keys" => json!({"display_name": free("p"), "provider": "openai", "api_key": secret}),
            "models" => self.model(index, seed),
            "oidc_providers" => {
                json!({"name": free("o"), "issuer": format!("https://i{index}.example"), "audiences": ["a"]})
            }
            "mcp_servers" => json!({"name": plain("s"), "url": format!("https://s{index}.example/mcp")}),
            "passthrough_routes" => {
                let mut row = json!({
                    "name": free("t"), "path_prefix": format!("/t{index}"), "target_url": "https://t.example",
                    "provider_key_id": self.id("provider_keys", seed),
                });
                if seed.form.is_multiple_of(2) {
                    // Caller keys come later, as they name routes; the first two are always there.
                    row["auth_mode"] = "anonymous".into();
                    row["anonymous_key_id"] = format!("id-api_keys-{}", seed.choice % 2).into();
                    row["source_cidrs"] = json!(["10.0.0.0/8"]);
                }
                row
            }
            "api_keys" => self.api_key(index, seed),
            "guardrails" => {
                json!({"name": free("g"), "kind": "keyword", "patterns": [{"kind": "literal", "value": seed.tail.trim().to_owned() + "x"}]})
            }
            "guardrail_attachments" => self.attachment(index, seed),
            "mcp_policies" => json!({"name": free("mp"), "scope": "env", "allow": ["*"]}),
            "mcp_auth_settings" => json!({"anonymous": {
                "api_key_id": self.id("api_keys", seed), "servers": [self.name("mcp_servers", seed, 0), "*"],
                "source_cidrs": ["10.0.0.0/8"],
            }}),
            "a2a_agents" => json!({"name": plain("a"), "url": "https://a.example"}),
            "cache_policies" => self.cache_policy(index, seed),
            "observability_exporters" => {
                json!({"name": free("x"), "kind": "otlp_http", "endpoint": "https://x.example/v1/traces", "headers": {"x-a": secret}})
            }
            "rate_limit_policies" => self.policy(index, seed),
            "claim_mappings" => json!({
                "name": free("c"), "jwt_provider": self.name("oidc_providers", seed, 0),
                "match": [{"claim": "g", "op": "exact", "values": ["v"]}],
                "resolve": {"api_key_id": self.id("api_keys", seed)},
            }),
            other => panic!("{other} has no row by hand"),
        };
        let name = kind(collection).and_then(|kind| kind.name_of(row.as_object()?).ok());
        (row, name.expect("a name"))
    }

    fn model(&self, index: usize, seed: &Seed) -> Value {
        let name = format!("m{index}{}", seed.tail.replace('*', ""));
        let key = self.id("provider_keys", seed);
        let direct = |name: &str| json!({"display_name": name, "provider": "openai", "model_name": "g", "provider_key_id": key});
        // The second one embeds, so that there is one that can be asked for vectors.
        match (index, seed.form % 5) {
            (0, _) => direct(&name),
            (1, _) => {
                let mut row = direct(&name);
                row["embedding"] = json!({"dimensions": 3});
                row
            }
            (_, 0) => {
                json!({"display_name": name, "routing": {"targets": [{"model": self.direct(seed, 0)}, {"model": self.direct(seed, 1), "weight": 2}]}})
            }
            (_, 1) => {
                json!({"display_name": name, "ensemble": {"panel": [{"model": self.direct(seed, 0)}], "judge": {"model": self.direct(seed, 1)}}})
            }
            (_, 2) => json!({"display_name": name, "semantic": {
                "embedding_model": self.names.iter().filter(|(of, _)| *of == "models").nth(1).expect("it is there").1,
                "default": self.direct(seed, 0), "match": {"threshold": 0.5},
                "routes": [{"name": "r", "target": self.direct(seed, 1), "examples": ["e"]}],
                "on_embedding_failure": {"target": self.direct(seed, 1)},
            }}),
            (_, 3) => direct(&format!("w{index}/*")),
            _ => direct(&name),
        }
    }

    fn api_key(&self, index: usize, seed: &Seed) -> Value {
        let mut models = vec![self.name("models", seed, 0)];
        models.push(["*", "zz*", "w9/*"][seed.form % 3].to_owned());
        let mut row = json!({"display_name": format!("k{index}{}", seed.tail), "key_hash": format!("{index:064x}"), "allowed_models": models});
        if self.pick("passthrough_routes", seed, 0).is_some() {
            row["allowed_routes"] = json!([self.name("passthrough_routes", seed, 0)]);
        }
        row
    }

    fn attachment(&self, index: usize, seed: &Seed) -> Value {
        let mut row = json!({
            "name": format!("ga{index}{}", seed.tail), "guardrail_id": self.id("guardrails", seed), "priority": 1,
            "scope_type": "env",
        });
        let scopes = [("model", "models"), ("mcp_server", "mcp_servers"), ("api_key", "api_keys")];
        if let Some((scope, collection)) = scopes.get(seed.form % 4) {
            row["scope_type"] = (*scope).into();
            row["scope_id"] = self.id(collection, seed).into();
        }
        row
    }

    fn cache_policy(&self, index: usize, seed: &Seed) -> Value {
        let mut row = json!({"name": format!("cp{index}{}", seed.tail)});
        match seed.form % 4 {
            0 => row["applies_to"] = format!("model:{}", self.name("models", seed, 0)).into(),
            1 => row["applies_to"] = format!("api_key:{}", self.id("api_keys", seed)).into(),
            2 => row["semantic"] = json!({"embedding_model": self.direct(seed, 1), "threshold": 0.9}),
            _ => {}
        }
        row
    }

    fn policy(&self, index: usize, seed: &Seed) -> Value {
        let name = format!("rl{index}{}", seed.tail);
        let scoped = |scope: &str, id: String| json!({"name": name, "scope": scope, "scope_ref": id, "window": "day", "max_tokens": 9});
        match seed.form % 4 {
            0 => scoped("api_key", self.id("api_keys", seed)),
            1 => scoped("model", self.id("models", seed)),
            2 => scoped("team", "red".to_owned()),
            _ => json!({"name": name, "limits": {"rpm": 1}, "conditions": [
                {"dimension": "api_key", "operator": "in", "value": [self.id("api_keys", seed)]},
                {"logic": "or", "children": [{"dimension": "model", "operator": "==", "value": self.id("models", seed)}]},
            ]}),
        }
    }
}

/// The members a row of a kind may have, with their schemas.
fn members(kind: &Kind, row: &Value) -> Vec<(String, Value)> {
    let schema = kind.schema();
    let of_variant = |variant: &&Value| {
        let constants = variant["properties"].as_object().into_iter().flatten();
        let mut constants = constants.filter_map(|(name, schema)| Some((name, schema.get("const")?)));
        constants.all(|(name, constant)| row.get(name) == Some(constant))
    };
    let variants = schema["oneOf"].as_array();
    let schema = variants
        .and_then(|variants| variants.iter().map(|one| followed(one, schema)).find(|one| of_variant(one)))
        .unwrap_or(schema);
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, schema)| (name.clone(), schema.clone())).collect()
}

/// Choices that follow from a number.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

fn followed<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    match schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        Some(target) => followed(target, root),
        None => schema,
    }
}

/// A value that a schema allows, or nearly.
fn made(schema: &Value, root: &Value, random: &mut Random, depth: usize) -> Value {
    let schema = followed(schema, root);
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[random.below(words.len())].clone();
    }
    for branches in ["anyOf", "oneOf"] {
        if let Some(branches) = schema[branches].as_array() {
            let branches: Vec<&Value> = branches.iter().filter(|one| one["type"] != "null").collect();
            return made(branches[random.below(branches.len())], root, random, depth);
        }
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.as_str(),
    };
    match name {
        Some("boolean") => (random.below(2) == 0).into(),
        Some("integer") => {
            let least = schema["minimum"].as_u64().unwrap_or_default();
            let most = schema["maximum"].as_u64().unwrap_or(least + 1000);
            (least + random.below(usize::try_from(most - least).unwrap_or(1000) + 1) as u64).into()
        }
        Some("number") => ([0.0, 0.25, 1.0, 0.1][random.below(4)]).into(),
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or_default() as usize + random.below(3);
            (0..count).map(|_| made(&schema["items"], root, random, depth + 1)).collect()
        }
        Some("object") if depth < 6 => object(schema, root, random, depth),
        Some("object") => json!({}),
        _ => TEXTS[random.below(TEXTS.len())].into(),
    }
}

fn object(schema: &Value, root: &Value, random: &mut Random, depth: usize) -> Value {
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut members = Map::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if needed.contains(&name.as_str()) || random.below(2) == 0 {
            members.insert(name.clone(), made(schema, root, random, depth + 1));
        }
    }
    if let Some(others @ Value::Object(_)) = schema.get("additionalProperties") {
        for name in TEXTS.iter().filter(|name| !name.is_empty()).take(random.below(4)) {
            members.insert((*name).to_owned(), made(others, root, random, depth + 1));
        }
    }
    Value::Object(members)
}

/// Texts of which one or another suits most members, and some that are awkward to write.
const TEXTS: &[&str] = &[
    "x-1",
    "x",
    "10.0.0.0/8",
    "https://h.example/p",
    "2027-01-31T00:00:00Z",
    "two words",
    "ünï ☕",
    "$x ${Y} $$",
    ": #'\"\\",
    "true",
    "0x10",
    "- a\nb:\n  c\n",
    "*",
    "^a+$",
    "12:30",
    "Europe/Berlin",
    "reasoning_content",
    "delta.thought",
];
