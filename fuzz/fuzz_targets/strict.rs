//! The strict scanner takes for JSON objects what serde_json takes for them, and finds the same members.
#![no_main]

use aisix::dialect::skim::strict;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let mut members = Vec::new();
    let judged = strict::members(data, |member| {
        members.push((member.name().into_owned(), member.value.clone()));
    });
    let text = std::str::from_utf8(data).ok().filter(|text| text.trim_start().starts_with('{'));
    let object = text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    assert_eq!(judged.is_ok(), object, "{judged:?}");

    // The tree parser refuses deep nesting, huge numbers and half surrogate pairs, which are none of our business.
    let Ok(tree) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    let value = |place: &std::ops::Range<usize>| serde_json::from_slice::<Value>(&data[place.clone()]);
    let found: Map<String, Value> =
        members.iter().map(|(name, place)| (name.clone(), value(place).expect("a whole value"))).collect();
    assert_eq!(found, tree);
});
