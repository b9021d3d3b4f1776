//! Mappings kept as lists of pairs, in the order they were written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A mapping of texts, for `deserialize_with`.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    deserializer.deserialize_map(Pairs(PhantomData))
}

/// A mapping of header names, put in lower case, to texts, for `deserialize_with`.
pub(crate) fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let pairs = texts(deserializer)?;
    Ok(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
}

/// A list of names, put in lower case, for `deserialize_with`.
pub(crate) fn lower_case_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
}

/// A mapping of anything, each value kept as JSON text, for `deserialize_with`.
pub(crate) fn json<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, Box<RawValue>)>, D::Error> {
    let pairs: Vec<(String, serde_json::Value)> = deserializer.deserialize_map(Pairs(PhantomData))?;
    pairs
        .into_iter()
        .map(|(name, value)| match serde_json::value::to_raw_value(&value) {
            Ok(raw) => Ok((name, raw)),
            Err(_) => Err(D::Error::custom("cannot be written as JSON")),
        })
        .collect()
}

struct Pairs<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
    type Value = Vec<(String, V)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}
