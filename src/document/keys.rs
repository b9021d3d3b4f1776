//! The keys a type knows, found by letting it read itself.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::member;

/// Every key of `T` at every depth, sorted: `proxy`, `proxy.addr`, `proxy.url_rewrites[].match`.
///
/// The type is read from a source that has every field; texts that a field refuses are left out.
pub fn keys<T: DeserializeOwned>() -> Vec<String> {
    let mut tour = Tour::default();
    let mut rounds = 0;
    while let Err(Refused(path)) = T::deserialize(Stop { tour: &mut tour, path: String::new() }) {
        rounds += 1;
        if !tour.refused.insert(path) || rounds > MOST_REFUSALS {
            break;
        }
    }
    tour.keys.into_iter().collect()
}

#[derive(Default)]
struct Tour {
    keys: BTreeSet<String>,
    /// Places whose type took nothing we offered.
    refused: BTreeSet<String>,
}

/// One place of the tour.
struct Stop<'t> {
    tour: &'t mut Tour,
    path: String,
}

/// The place that was refused.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refused(String::new())
    }
}

impl Refused {
    fn at(self, path: &str) -> Self {
        if self.0.is_empty() { Refused(path.to_owned()) } else { self }
    }
}

impl<'de> de::Deserializer<'de> for Stop<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit().map_err(|refused: Refused| refused.at(&self.path))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(true)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(1).map_err(|refused: Refused| refused.at(&self.path))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f64(1.0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str("").map_err(|refused: Refused| refused.at(&self.path))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let path = self.path.clone();
        visitor
            .visit_seq(Once { tour: Some(self.tour), path: self.path })
            .map_err(|refused| refused.at(&path))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let fields = Fields { tour: self.tour, path: &self.path, names: [].iter(), name: "" };
        visitor.visit_map(fields).map_err(|refused: Refused| refused.at(&self.path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.tour.keys.extend(names.iter().map(|name| member(&self.path, name)));
        let fields = Fields { tour: self.tour, path: &self.path, names: names.iter(), name: "" };
        visitor.visit_map(fields).map_err(|refused: Refused| refused.at(&self.path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let first = variants.first().copied().unwrap_or_default();
        visitor.visit_enum(first.into_deserializer()).map_err(|refused: Refused| refused.at(&self.path))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i64 i128 u8 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

/// A list with one item.
struct Once<'t> {
    tour: Option<&'t mut Tour>,
    path: String,
}

impl<'de> de::SeqAccess<'de> for Once<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let path = format!("{}[]", self.path);
        match self.tour.take() {
            Some(tour) if !tour.refused.contains(&path) => seed.deserialize(Stop { tour, path }).map(Some),
            _ => Ok(None),
        }
    }
}

/// A mapping with every field that was not refused.
struct Fields<'t> {
    tour: &'t mut Tour,
    path: &'t str,
    names: std::slice::Iter<'static, &'static str>,
    name: &'static str,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        let refused = &self.tour.refused;
        let Some(name) = self.names.find(|name| !refused.contains(&member(self.path, name))) else {
            return Ok(None);
        };
        self.name = name;
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let path = member(self.path, self.name);
        seed.deserialize(Stop { tour: self.tour, path: path.clone() }).map_err(|refused| refused.at(&path))
    }
}

/// Refusals after which the tour ends.
const MOST_REFUSALS: usize = 100;
