//! Tests of the room: the three languages, strict decoding, known keys.

use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

fn yaml(text: &str) -> Result<Document, Problems> {
    Document::read(text, Format::Yaml, Path::new("f.yaml"))
}

fn yaml_value(text: &str) -> Value {
    yaml(text).unwrap_or_else(|problems| panic!("{text:?}: {problems}")).value
}

#[test]
fn unquoted_scalars_follow_the_core_schema() {
    let table = [
        ("null", Value::Null),
        ("~", Value::Null),
        ("", Value::Null),
        ("true", json!(true)),
        ("FALSE", json!(false)),
        ("yes", json!("yes")),
        ("12", json!(12)),
        ("+12", json!(12)),
        ("-7", json!(-7)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!("18446744073709551616")),
        ("1.5", json!(1.5)),
        ("-.5", json!(-0.5)),
        ("1.", json!(1.0)),
        ("1e3", json!(1000.0)),
        ("1e", json!("1e")),
        (".", json!(".")),
        ("-", json!([null])),
        ("1.2.3", json!("1.2.3")),
        ("127.0.0.1:3000", json!("127.0.0.1:3000")),
        ("\"12\"", json!("12")),
        ("'true'", json!("true")),
        ("!!str 12", json!("12")),
        ("|\n  a\n  b\n", json!("a\nb\n")),
    ];
    for (text, expected) in table {
        assert_eq!(yaml_value(text), expected, "{text:?}");
    }
}

#[test]
fn each_place_knows_its_line_and_unknown_places_that_of_their_parent() {
    let text = "\na:\n  b: 1\n  list:\n    - x\n    - y: 2\n      z: 3\n";
    let document = yaml(text).expect("it is sound");
    let table = [("a", 2), ("a.b", 3), ("a.list", 4), ("a.list[0]", 5), ("a.list[1]", 6), ("a.list[1].z", 7)];
    for (path, line) in table {
        assert_eq!(document.line(path), Some(line), "{path}");
    }
    assert_eq!(document.line("a.list[1].missing"), Some(6));
    assert_eq!(document.line("a.nothing.at.all"), Some(2));
    assert_eq!(document.line("elsewhere"), None);
    assert_eq!(document.line(""), Some(2));
}

#[test]
fn anchors_are_copied_and_their_lines_are_those_of_the_alias() {
    let document = yaml("a: &x {k: 1}\nb: *x\n").expect("it is sound");
    assert_eq!(document.value, json!({"a": {"k": 1}, "b": {"k": 1}}));
    assert_eq!(document.line("b.k"), Some(2));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line() {
    let laughs =
        (0..12).fold("l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned(), |text, n| {
            let aliases = format!("*l{n}, ").repeat(10);
            format!("{text}l{}: &l{} [{aliases}]\n", n + 1, n + 1)
        });
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    let table = [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: appears twice (first in line 1)"),
        ("a: {b: 1,\n  b: 2}\n", "f.yaml:2: a.b: appears twice (first in line 1)"),
        ("a: 1\n---\nb: 1\n", "f.yaml:2: (file): holds several YAML documents; one is allowed"),
        ("a: [1\n", "f.yaml:2: (file): is not YAML: "),
        ("a: !env X\n", "f.yaml:1: (file): has the tag !env, which is not supported"),
        ("a: &x {b: *x}\n", "f.yaml:1: (file): has an alias to something that is not complete before it"),
        ("a: *x\n", "f.yaml:1: (file): is not YAML: "),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3: (file): merge keys (<<) are not supported"),
        ("? [a]\n: 1\n", "f.yaml:1: (file): has a key that is not a text"),
        ("a: .inf\n", "f.yaml:1: (file): has a number that is not finite"),
        ("a: 1e999\n", "f.yaml:1: (file): has a number that is not finite"),
        (deep.as_str(), "f.yaml:1: (file): is nested more than 64 levels deep"),
        (laughs.as_str(), "f.yaml:6: (file): has aliases that expand beyond all bounds"),
    ];
    for (text, expected) in table {
        let problems = yaml(text).expect_err(text).to_string();
        assert!(problems.starts_with(expected), "{text:?}\n{problems}\n{expected}");
    }
}

#[test]
fn every_repeated_key_is_reported_at_once() {
    let problems = yaml("a: 1\na: 2\nb: 1\nb: 2\n").expect_err("keys are repeated");
    assert_eq!(problems.len(), 2, "{problems}");
}

#[test]
fn json_and_toml_say_the_same_as_yaml_with_their_own_lines() {
    let expected = json!({"a": {"b": 1, "c": [true, "x", {"d": 1.5}]}});
    let json_text = "{\n \"a\": {\n  \"b\": 1,\n\t\"c\": [true, \"x\", {\"d\": 1.5}]\n }\n}\n";
    let toml_text = "[a]\nb = 1\n# note\nc = [true, 'x', { d = 1.5 }]\n";
    for (format, text, b, c) in [(Format::Json, json_text, 3, 4), (Format::Toml, toml_text, 2, 4)] {
        let document = Document::read(text, format, Path::new("f")).expect("it is sound");
        assert_eq!(document.value, expected, "{format:?}");
        assert_eq!(document.line("a.b"), Some(b), "{format:?}");
        assert_eq!(document.line("a.c[2].d"), Some(c), "{format:?}");
    }
}

#[test]
fn faulty_json_and_toml_name_the_line() {
    let table = [
        (Format::Json, "{\n \"a\": }", "f:2: (file): is not JSON"),
        (Format::Json, "{\"a\": 1,\n \"a\": 2}", "f:2: a: appears twice"),
        (Format::Toml, "a = 1\nb =\n", "f:2: (file): is not TOML"),
        (Format::Toml, "a = 1\na = 2\n", "f:2: (file): is not TOML"),
        (Format::Toml, "a = inf\n", "f:1: (file): has a number that is not finite"),
        (Format::Toml, "\na = 99999999999999999999\n", "f:2: (file): has a number of more than 64 bits"),
    ];
    for (format, text, expected) in table {
        let problems = Document::read(text, format, Path::new("f")).expect_err(text).to_string();
        assert!(problems.starts_with(expected), "{text:?}: {problems}");
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Top {
    flag: bool,
    count: u32,
    offset: i32,
    share: f64,
    label: Option<String>,
    mode: Mode,
    inner: Inner,
    list: Vec<Item>,
    names: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Inner {
    some_name: u8,
    other: Option<Box<Inner>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Item {
    key: String,
    #[serde(alias = "weight")]
    share: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Fast,
    Slow,
    To(String),
}

fn faults(value: &Value) -> Vec<String> {
    decode::<Top>(value)
        .strict()
        .faults
        .into_iter()
        .map(|fault| format!("{}: {}", fault.path, fault.message))
        .collect()
}

#[test]
fn every_fault_is_found_in_one_run() {
    let value = json!({
        "flag": "yes", "cuont": 1, "count": -1, "offset": 1.5, "share": "x", "label": 7, "mode": "fats",
        "inner": {"some_name": 1, "some-name": 300, "other": {"some-nam": 1}},
        "list": [{"key": 1}, {}, 7, {"key": "k", "wieght": 1}],
        "names": "a,b",
    });
    let expected = [
        "count: must be a whole number from 0 to 4294967295",
        "cuont: unknown key, did you mean \"count\"?",
        "flag: must be true or false",
        "inner.other.some-nam: unknown key, did you mean \"some-name\"?",
        "inner.some-name: must be a whole number from 0 to 255",
        "inner.some_name: unknown key, did you mean \"some-name\"?",
        "label: must be a text; put it in quotes",
        "list[0].key: must be a text; put it in quotes",
        "list[1].key: is required",
        "list[2]: must be a mapping",
        "list[3].wieght: unknown key, did you mean \"weight\"?",
        "mode: must be one of \"fast\", \"slow\", \"to\", did you mean \"fast\"?",
        "names: must be a list",
        "offset: must be a whole number from -2147483648 to 2147483647",
        "share: must be a number",
    ];
    assert_eq!(faults(&value), expected);
}

#[test]
fn what_is_sound_is_kept_beside_faults() {
    let decoded = decode::<Top>(&json!({"count": 3, "flag": 1, "list": [{"key": 1}, {"key": "b"}]}));
    let top = decoded.value.expect("every field has a default");
    assert_eq!((top.count, top.flag), (3, false));
    assert_eq!(top.list, [Item { key: "b".to_owned(), share: None }]);
    assert_eq!(decoded.faults.len(), 2);
}

#[test]
fn null_members_count_as_absent() {
    let decoded = decode::<Top>(&json!({"count": null, "inner": null, "list": null, "label": null}));
    assert_eq!(decoded.value, Some(Top::default()));
    assert!(decoded.faults.is_empty());
}

#[test]
fn messages_never_repeat_a_value() {
    let secret = "sk-very-secret";
    let value = json!({
        "flag": secret, "count": secret, "offset": secret, "share": secret, "mode": secret,
        "inner": secret, "list": [secret], "names": secret,
    });
    let text = faults(&value).join("\n");
    assert!(text.lines().count() >= 8, "{text}");
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn variants_with_content_are_mappings_of_one() {
    let table = [
        (json!({"mode": {"to": "x"}}), None),
        (json!({"mode": {"to": 1}}), Some("mode.to: must be a text; put it in quotes")),
        (json!({"mode": "to"}), Some("mode: must be a mapping with the key \"to\"")),
        (json!({"mode": {"slow": 1}}), Some("mode: must be the text \"slow\" alone")),
        (json!({"mode": {}}), Some("mode: must be one of \"fast\", \"slow\", \"to\"")),
        (json!({"mode": 3}), Some("mode: must be one of \"fast\", \"slow\", \"to\"")),
    ];
    for (value, expected) in table {
        assert_eq!(faults(&value).first().map(String::as_str), expected, "{value}");
    }
}

#[test]
fn texts_take_the_type_of_their_place() {
    let value = json!({
        "flag": "True", "count": " 7 ", "offset": "-3", "share": "0.5", "label": "12", "mode": "slow",
        "names": "a, b,,c", "list": "[{\"key\": \"k,1\"}]",
    });
    let places = value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let decoded = decode_with_texts::<Top>(&value, &Texts { places, comma_lists: &["names"] });
    assert_eq!(decoded.faults, []);
    let top = decoded.value.expect("it is sound");
    assert_eq!((top.flag, top.count, top.offset, top.share), (true, 7, -3, 0.5));
    assert_eq!((top.label.as_deref(), top.mode), (Some("12"), Mode::Slow));
    assert_eq!(top.names, ["a", "b", "c"]);
    assert_eq!(top.list, [Item { key: "k,1".to_owned(), share: None }]);
}

#[test]
fn a_type_tells_all_its_keys() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Keyed {
        name: String,
        item: Option<Item>,
        items: Vec<Item>,
        #[serde(deserialize_with = "cidr::list")]
        ranges: Vec<ipnet::IpNet>,
        mode: Mode,
        last: f64,
    }
    let expected = [
        "item",
        "item.key",
        "item.share",
        "item.weight",
        "items",
        "items[].key",
        "items[].share",
        "items[].weight",
        "last",
        "mode",
        "name",
        "ranges",
    ];
    assert_eq!(keys::<Keyed>(), expected);
}

#[test]
fn only_a_near_name_is_suggested() {
    let known = ["addr", "admin_keys", "request_body_limit_bytes"];
    let table = [
        ("adrr", Some("addr")),
        ("admin_key", Some("admin_keys")),
        ("ADDR", Some("addr")),
        ("body_limit_bytes", Some("request_body_limit_bytes")),
        ("xyz", None),
        ("", None),
    ];
    for (name, expected) in table {
        assert_eq!(nearest(name, known), expected, "{name}");
    }
    assert_eq!(nearest(&"ä".repeat(100_000), known), None);
}

#[test]
fn a_bare_address_is_a_range_of_one() {
    let table = [
        ("10.0.0.0/8", Some("10.0.0.0/8")),
        (" 10.1.2.3 ", Some("10.1.2.3/32")),
        ("::1", Some("::1/128")),
        ("2001:db8::/32", Some("2001:db8::/32")),
        ("10.0.0.0/33", None),
        ("example.com", None),
        ("", None),
    ];
    for (text, expected) in table {
        assert_eq!(cidr::parse(text).map(|range| range.to_string()).as_deref(), expected, "{text}");
    }
}

#[test]
fn problems_are_sorted_lines_with_file_line_and_path() {
    let problem = |line, path: &str| Problem {
        file: Some("conf/aisix.yaml".into()),
        line,
        path: path.to_owned(),
        message: "is wrong".to_owned(),
    };
    let twice = problem(Some(12), "proxy.adrr");
    let problems = Problems::from(vec![twice.clone(), twice, problem(Some(2), "b"), problem(None, "")]);
    let expected =
        "conf/aisix.yaml: is wrong\nconf/aisix.yaml:2: b: is wrong\nconf/aisix.yaml:12: proxy.adrr: is wrong";
    assert_eq!(problems.to_string(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_a_reader_panic(text in prop_oneof![any::<String>(), "[\\[\\]{}:,\\-?&*!|>'\"%@`# \\n\\ta-c0-9.<~=]{0,80}"]) {
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            if let Ok(document) = Document::read(&text, format, Path::new("f")) {
                let _ = decode::<Top>(&document.value);
            }
        }
    }

    #[test]
    fn json_is_read_the_same_with_and_without_positions(text in "[a-z]{1,8}", number in any::<i64>()) {
        let value = json!({"k": [text, number, {"n": null}]});
        let pretty = serde_json::to_string_pretty(&value).expect("it is a value");
        let document = Document::read(&pretty, Format::Json, Path::new("f")).expect("it is JSON");
        prop_assert_eq!(&document.value, &value);
        prop_assert_eq!(document.line("k[2].n"), Some(6));
    }
}
