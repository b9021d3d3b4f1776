use memchr::memmem::Finder;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn names_and_values(json: &str) -> Vec<(String, &str)> {
    let read = |member: Member<'_>| (member.name().into_owned(), &json[member.value]);
    members(json.as_bytes()).map(read).collect()
}

#[test]
fn members_are_found_with_their_exact_bytes() {
    let json = " {\"a\" :\t1.0e2 ,\n\"b\":{\"x\":[{}, \"]\"]} ,\"c\":\"q\\\"}\\\\\",\"d\":[] , \"e\":null}";
    let expected =
        [("a", "1.0e2"), ("b", "{\"x\":[{}, \"]\"]}"), ("c", "\"q\\\"}\\\\\""), ("d", "[]"), ("e", "null")];
    assert_eq!(names_and_values(json), expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn the_walk_stops_where_json_stops() {
    let cases = [
        ("", 0),
        ("[1]", 0),
        ("\"{\"", 0),
        ("{", 0),
        ("{}", 0),
        ("{\"a\":1", 0),
        ("{\"a\":\"x", 0),
        ("{\"a\":\"x\\", 0),
        ("{\"a\":1,", 1),
        ("{\"a\":1,\"b", 1),
        ("{\"a\":1,\"b\":[1,{\"c\":2}", 1),
        ("{\"a\" 1}", 0),
        ("{\"a\":}", 0),
        ("{\"a\":1 \"b\":2}", 1),
        ("{\"a\":1}{\"b\":2}", 1),
        ("{\"a\":\"x\"{\"b\":2}", 1),
        (",\"a\":1}", 0),
    ];
    for (json, count) in cases {
        assert_eq!(members(json.as_bytes()).count(), count, "{json}");
    }
}

#[test]
fn a_path_leads_to_the_place_of_a_value() {
    let json =
        br#"{"model":"top","m\u0065ssage" : { "x":{"model":"deep"}, "mod\u0065l" : "inner" },"message":{}}"#;
    assert_eq!(value(json, &["message", "model"]), Some(&b"\"inner\""[..]));
    assert_eq!(value(json, &["model"]), Some(&b"\"top\""[..]));
    assert_eq!(value(json, &["message", "absent"]), None);
    assert_eq!(value(json, &["model", "absent"]), None);
    assert_eq!(string(json, &["message", "x", "model"]).as_deref(), Some("deep"));
}

#[test]
fn names_and_strings_count_as_what_they_mean() {
    assert!(string_is(br#""gpt\u002d4o""#, "gpt-4o"));
    assert!(string_is(br#""meta\/llama""#, "meta/llama"));
    assert!(!string_is(br#""gpt-4o-mini""#, "gpt-4o"));
    assert!(!string_is(b"5", "5"));
    let table = [
        (r#""\ud83d\ude00 \n\t\"\\\/\b\f\r\u00e9""#, "😀 \n\t\"\\/\u{8}\u{c}\ré"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}"),
        (r#""\udc00\udc00""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\u12""#, "\u{fffd}12"),
        (r#""\u+123""#, "\u{fffd}+123"),
        (r#""\x""#, "\u{fffd}x"),
    ];
    for (written, meant) in table {
        assert_eq!(text(written.as_bytes()).as_deref(), Some(meant), "{written}");
    }
    assert_eq!(text(b"\"").as_deref(), None);
    assert_eq!(text(b"\"\xff\"").as_deref(), Some("\u{fffd}"));
}

#[test]
fn counts_are_whole_numbers_however_spelled() {
    let table = [
        ("0", Some(0)),
        ("17", Some(17)),
        ("1.0e2", Some(100)),
        ("12.0", Some(12)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("1.5", None),
        ("-1", None),
        ("1e400", None),
        ("\"5\"", None),
        ("null", None),
        ("inf", None),
        ("", None),
    ];
    for (written, number) in table {
        assert_eq!(count(written.as_bytes()), number, "{written}");
    }
}

#[test]
fn a_name_in_text_is_no_member() {
    let usage = Finder::new("\"usage\"");
    let holds = |json: &str| may_hold(json.as_bytes(), &usage, b"{");
    assert!(holds(r#"{"usage" : {"a":1}}"#));
    assert!(holds(r#"{"usage":null,"x":{"usage":{}}}"#));
    assert!(!holds(r#"{"usage":null}"#));
    assert!(!holds(r#"{"text":"the \"usage\":{}"}"#));
    assert!(!holds(r#"{"a":"usage"}"#));
    assert!(!holds(r#"{"usage""#));
    assert!(!holds(r#"{"usage":"#));
}

#[test]
fn arrays_are_looked_into_only_as_far_as_needed() {
    assert_eq!(first_element(b" [ {\"a\":[1]} , 2]"), Some(&b"{\"a\":[1]}"[..]));
    assert_eq!(first_element(b"[]"), None);
    assert_eq!(first_element(b"{}"), None);
    assert!(is_empty_array(b"[ \n]"));
    assert!(!is_empty_array(b"[0]"));
    assert!(!is_empty_array(b"["));
}

#[test]
fn a_hundred_thousand_brackets_cost_no_stack() {
    let deep = format!("{{\"a\":{}{},\"model\":\"m\"}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(value(deep.as_bytes(), &["model"]), Some(&b"\"m\""[..]));
    assert_eq!(members("{\"a\":[".repeat(100_000).as_bytes()).count(), 0);
}

/// Any JSON value, written with random white space.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\\\\"{}\\[\\],: a]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
        ]
    })
}

const LEAVES: &[&str] =
    &["0", "17", "12.0", "1.2e1", "1.5", "-1", "18446744073709551616", "null", "true", "\"{\"", "{}", "[ ]"];
const NAMES: &[&str] = &["a", "b", "\\u0061", "", "a rather long name", "{\\\"}"];

/// Objects as text, with names that come twice, differently written, and numbers in every spelling.
fn any_object() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(3, 24, 4, |inner| {
        let members = prop::collection::vec((prop::sample::select(NAMES), inner.clone()), 0..5);
        let object =
            (members, prop::sample::select(&["", " ", "\n    "][..])).prop_map(|(members, space)| {
                let write = |(name, value): &(&str, String)| {
                    format!("{space}\"{name}\"{space}:{space}{value}{space}")
                };
                format!("{{{}}}", members.iter().map(write).collect::<Vec<_>>().join(","))
            });
        prop_oneof![3 => object, 1 => inner.prop_map(|value| format!("[{value},0]"))]
    })
}

proptest! {
    #[test]
    fn counts_are_those_of_the_members_and_of_their_members(json in any_object()) {
        let mut expected = Vec::new();
        for member in members(json.as_bytes()) {
            let value = &json.as_bytes()[member.value.clone()];
            expected.push((None, member.key(), count(value)));
            for inner in members(value) {
                expected.push((Some(member.key()), inner.key(), count(&value[inner.value.clone()])));
            }
        }
        let mut found = Vec::new();
        counts(json.as_bytes(), |within, name, count| {
            found.push((within.map(|outer| outer.to_vec().into()), name.to_vec().into(), count));
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn every_member_of_any_object_is_found(value in any_json(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let json = json.expect("a value can be written");
        let found: Vec<(String, Value)> = members(json.as_bytes())
            .map(|member| {
                let place = member.value.clone();
                (member.name().into_owned(), serde_json::from_str(&json[place]).expect("a whole value"))
            })
            .collect();
        let expected: Vec<(String, Value)> = match serde_json::from_str(&json).expect("just written") {
            Value::Object(map) => map.into_iter().collect(),
            _ => Vec::new(),
        };
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let walked = members(&bytes).map(|member| member.name().len() + member.value.len()).sum::<usize>();
        let _ = (lookup(&bytes, &["a", "b"]), text(&bytes), count(&bytes), first_element(&bytes));
        counts(&bytes, |_, _, _| {});
        prop_assert!(walked <= bytes.len() * 3);
    }

    #[test]
    fn no_text_that_looks_like_json_makes_it_panic(text in "[\\{\\}\\[\\],:\"\\\\u0-9dDaé ]{0,48}") {
        let walked = members(text.as_bytes()).count();
        counts(text.as_bytes(), |_, _, _| {});
        prop_assert!(walked <= text.len());
    }
}
