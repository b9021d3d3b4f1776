//! The insides of a value as serde walks them: items, members, variants.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde_json::Value;

use super::{Failure, Node, Place};

/// The items of a list that are not left out.
pub(super) struct Items<'a> {
    pub parent: &'a Node<'a>,
    pub items: &'a [Value],
    pub next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        while let Some(value) = self.items.get(self.next) {
            let place = Place::Item(&self.parent.place, self.next);
            self.next += 1;
            if !self.parent.is_left_out(place) {
                let child = self.parent.child(value, place);
                return seed.deserialize(child).map(Some).map_err(|failure| failure.at(place));
            }
        }
        Ok(None)
    }
}

/// Members, in the order they were written.
pub(super) struct Members<'a> {
    parent: &'a Node<'a>,
    members: std::slice::Iter<'a, (&'a String, &'a Value)>,
    value: Option<(&'a str, &'a Value)>,
}

impl<'a> Members<'a> {
    pub fn of(parent: &'a Node<'a>, members: &'a [(&'a String, &'a Value)]) -> Self {
        Members { parent, members: members.iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Members<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((name, value)) = self.value.take() else {
            return Err(de::Error::custom("has a value without a key"));
        };
        let place = Place::Member(&self.parent.place, name);
        seed.deserialize(self.parent.child(value, place)).map_err(|failure| failure.at(place))
    }
}

/// A variant by name, with its content if it has one.
pub(super) struct Choice<'a> {
    pub parent: &'a Node<'a>,
    pub name: &'static str,
    pub body: Option<&'a Value>,
}

impl<'de> de::EnumAccess<'de> for Choice<'_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        let name: de::value::StrDeserializer<'_, Failure> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Choice<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.body {
            None => Ok(()),
            Some(_) => self.parent.fail(format_args!("must be the text {:?} alone", self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        let Some(body) = self.body else {
            return self.parent.fail(format_args!("must be a mapping with the key {:?}", self.name));
        };
        let place = Place::Member(&self.parent.place, self.name);
        seed.deserialize(self.parent.child(body, place)).map_err(|failure| failure.at(place))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Failure> {
        self.parent.fail("is of a shape that cannot be read")
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Failure> {
        self.parent.fail("is of a shape that cannot be read")
    }
}

/// A variant that a member of the mapping names; its content is the mapping itself.
pub(super) struct Tagged<'a> {
    pub whole: Node<'a>,
    pub name: &'static str,
}

impl<'de> de::EnumAccess<'de> for Tagged<'_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        let name: de::value::StrDeserializer<'_, Failure> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Tagged<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        self.whole.report_unknown(self.whole.object()?, &[]);
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self.whole)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Failure> {
        self.whole.fail("is of a shape that cannot be read")
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        de::Deserializer::deserialize_struct(self.whole, self.name, fields, visitor)
    }
}
