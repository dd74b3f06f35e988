//! Reading the tree into the target type. Text from the environment takes the type that is asked for; unknown
//! keys are refused here, whatever the struct says.

use std::collections::btree_map;
use std::slice;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Fault, Step};
use super::node::{Entry, Node, Value};

/// A serde deserialiser over a [`Node`].
pub(super) struct Reader<'a>(&'a Node);

impl<'a> Reader<'a> {
    pub fn new(node: &'a Node) -> Self {
        Self(node)
    }

    /// Runs `read` on the table or array that an environment variable spells out.
    fn spelled_out<T>(
        self,
        text: &str,
        read: impl FnOnce(Reader<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        read(Reader(&Node::parse_text(text, &self.0.origin)?))
    }
}

fn visit_integer<'de, V: Visitor<'de>>(integer: i128, visitor: V) -> Result<V::Value, Fault> {
    match (i64::try_from(integer), u64::try_from(integer)) {
        (Ok(value), _) => visitor.visit_i64(value),
        (_, Ok(value)) => visitor.visit_u64(value),
        _ => Err(Fault::new("this integer is too large")),
    }
}

fn integer(text: &str) -> Option<i128> {
    text.trim().replace('_', "").parse().ok()
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match &self.0.value {
                Value::Text(text) => match integer(text) {
                    Some(value) => visit_integer(value, visitor),
                    None => Err(Fault::invalid_type(Unexpected::Str(""), &visitor)),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) => match (text.trim(), integer(text)) {
                ("true", _) => visitor.visit_bool(true),
                ("false", _) => visitor.visit_bool(false),
                (_, Some(value)) => visit_integer(value, visitor),
                (trimmed, _) if trimmed.starts_with(['[', '{']) => {
                    self.spelled_out(trimmed, |reader| reader.deserialize_any(visitor))
                }
                _ => visitor.visit_str(text),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(value) => visit_integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Array(array) => visitor.visit_seq(Elements { nodes: array.iter(), index: 0 }),
            Value::Table(table) => visitor.visit_map(Entries { entries: table.iter(), value: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) => match text.trim() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                _ => Err(Fault::new("has to be true or false")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) => match text.trim().parse() {
                Ok(value) => visitor.visit_f64(value),
                Err(_) => Err(Fault::invalid_type(Unexpected::Str(""), &visitor)),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) if text.trim().starts_with('[') => {
                self.spelled_out(text.trim(), |reader| reader.deserialize_seq(visitor))
            }
            Value::Text(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let node =
                    |part: &str| Node { origin: self.0.origin.clone(), value: Value::Text(part.to_owned()) };
                let nodes: Vec<Node> = parts.map(node).collect();
                visitor.visit_seq(Elements { nodes: nodes.iter(), index: 0 })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) if text.trim().starts_with('{') => {
                self.spelled_out(text.trim(), |reader| reader.deserialize_map(visitor))
            }
            Value::Text(_) => Err(Fault::new("has to be a table, such as { key = \"value\" }")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) if text.trim().starts_with('{') => {
                self.spelled_out(text.trim(), |reader| reader.deserialize_struct(name, fields, visitor))
            }
            Value::Table(table) => {
                // Before anything is read: a mistyped key is better news than the missing one it stands for.
                if let Some((key, entry)) = table.iter().find(|(key, _)| !fields.contains(&key.as_str())) {
                    let fault = Fault::unknown_key(key, fields.iter().copied());
                    return Err(fault.written_at(&entry.key).inside(Step::Key(key.clone())));
                }
                self.deserialize_map(visitor)
            }
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) if text.trim().starts_with('{') => {
                self.spelled_out(text.trim(), |reader| reader.deserialize_enum(name, variants, visitor))
            }
            Value::Text(text) | Value::String(text) => {
                let unit: StrDeserializer<'_, Fault> = text.trim().into_deserializer();
                visitor.visit_enum(unit)
            }
            Value::Table(table) if table.len() == 1 => match table.iter().next() {
                Some((key, entry)) => visitor.visit_enum(Variant { key, entry }),
                None => Err(Fault::unknown_variant("", variants)),
            },
            _ => Err(Fault::unknown_variant("", variants)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::new("unknown key; remove it"))
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct }
}

struct Elements<'a> {
    nodes: slice::Iter<'a, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let outward = |fault: Fault| fault.written_at(&node.origin).inside(Step::Index(index));
        seed.deserialize(Reader(node)).map(Some).map_err(outward)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len())
    }
}

struct Entries<'a> {
    entries: btree_map::Iter<'a, String, Entry>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, entry)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, &entry.node));
        let name: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| fault.written_at(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.value.take() else {
            return Err(Fault::new("a value was asked for before its key"));
        };
        let outward = |fault: Fault| fault.written_at(&node.origin).inside(Step::Key(key.to_owned()));
        seed.deserialize(Reader(node)).map_err(outward)
    }
}

/// An externally tagged enum: `{ variant = … }`.
struct Variant<'a> {
    key: &'a str,
    entry: &'a Entry,
}

impl<'a> Variant<'a> {
    fn outward(&self) -> impl Fn(Fault) -> Fault + use<'a> {
        let (key, entry) = (self.key, self.entry);
        move |fault| fault.written_at(&entry.node.origin).inside(Step::Key(key.to_owned()))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StringDeserializer<Fault> = self.key.to_owned().into_deserializer();
        let variant = seed.deserialize(name).map_err(|fault| fault.written_at(&self.entry.key))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Err(self.outward()(Fault::new(format!("takes no value; write \"{}\"", self.key))))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(Reader(&self.entry.node)).map_err(self.outward())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Fault> {
        Reader(&self.entry.node).deserialize_seq(visitor).map_err(self.outward())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        Reader(&self.entry.node).deserialize_struct("", fields, visitor).map_err(self.outward())
    }
}
