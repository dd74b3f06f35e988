//! The tree between text and target: values that remember where they were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PREFIX;
use super::error::{Fault, Origin, Step};

/// A value and where it was written.
#[derive(Debug)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: Value,
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where the key itself was written.
    pub key: Origin,
    pub node: Node,
}

#[derive(Debug)]
pub(super) enum Value {
    /// From an environment variable: not yet of any type.
    Text(String),
    String(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

impl Node {
    /// Keeps what is at `paths` (names with dots between), and removes everything else.
    pub fn keep(&mut self, paths: &[&str]) {
        let Value::Table(table) = &mut self.value else { return };
        table.retain(|key, entry| {
            let rests: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix(key.as_str())).collect();
            if rests.contains(&"") {
                return true;
            }
            let inner: Vec<&str> = rests.iter().filter_map(|rest| rest.strip_prefix('.')).collect();
            entry.node.keep(&inner);
            !inner.is_empty()
        });
    }

    pub fn parse_file(text: &str) -> Result<Self, Fault> {
        let table = DeTable::parse(text).map_err(|error| {
            let fault = Fault::new(format!("not TOML: {}", error.message().replace('\n', ", ")));
            fault.written_at(&Origin::File(error.span().map_or(0, |span| span.start)))
        })?;
        let value = Value::table(table.into_inner(), &Origin::File)?;
        Ok(Self { origin: Origin::File(0), value })
    }

    /// A table or array written out in an environment variable, as TOML or as JSON.
    pub fn parse_text(text: &str, origin: &Origin) -> Result<Self, Fault> {
        if let Ok(value) = DeValue::parse(text) {
            return Self::from_toml(value, &|_| origin.clone());
        }
        let json: serde_json::Value = serde_json::from_str(text)
            .map_err(|_| Fault::new("is neither a TOML nor a JSON value").written_at(origin))?;
        Self::from_json(json, origin)
    }

    fn from_toml(value: Spanned<DeValue<'_>>, origin: &impl Fn(usize) -> Origin) -> Result<Self, Fault> {
        let origin_here = origin(value.span().start);
        let bad = |problem: &str| Fault::new(problem).written_at(&origin_here);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Boolean(value) => Value::Boolean(value),
            // A date is handed on as its RFC 3339 text, which is what time types read.
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Integer(integer) => Value::Integer(
                i128::from_str_radix(integer.as_str(), integer.radix())
                    .map_err(|_| bad("this integer is too large"))?,
            ),
            DeValue::Float(float) => {
                Value::Float(float.as_str().parse().map_err(|_| bad("this number cannot be read"))?)
            }
            DeValue::Array(array) => Value::Array(
                array
                    .into_iter()
                    .map(|element| Self::from_toml(element, origin))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => Value::table(table, origin)?,
        };
        Ok(Self { origin: origin_here, value })
    }

    fn from_json(json: serde_json::Value, origin: &Origin) -> Result<Self, Fault> {
        let value = match json {
            serde_json::Value::Null => return Err(Fault::new("null has no meaning here").written_at(origin)),
            serde_json::Value::Bool(value) => Value::Boolean(value),
            serde_json::Value::Number(number) => match number.as_i128() {
                Some(integer) => Value::Integer(integer),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(array) => Value::Array(
                array
                    .into_iter()
                    .map(|element| Self::from_json(element, origin))
                    .collect::<Result<_, _>>()?,
            ),
            serde_json::Value::Object(object) => {
                let mut table = BTreeMap::new();
                for (key, value) in object {
                    table.insert(key, Entry { key: origin.clone(), node: Self::from_json(value, origin)? });
                }
                Value::Table(table)
            }
        };
        Ok(Self { origin: origin.clone(), value })
    }

    /// Puts the value of one environment variable in its place.
    pub fn overlay(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let origin = Origin::Variable(Arc::from(name));
        let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
        let steps: Vec<&str> = path.split("__").collect();
        if steps.iter().any(|step| step.is_empty()) {
            return Err(Fault::new(
                "names no key; it is CALLHOME_ and the key's path, nested by two underscores",
            )
            .written_at(&origin));
        }
        let value = Self { origin: origin.clone(), value: Value::Text(text.to_owned()) };
        self.place(&steps, value).map_err(|fault| fault.written_at(&origin))
    }

    fn place(&mut self, steps: &[&str], new: Self) -> Result<(), Fault> {
        let Some((step, rest)) = steps.split_first() else {
            *self = new;
            return Ok(());
        };
        if let Value::Text(text) = &self.value {
            *self = Self::parse_text(text, &self.origin)?;
        }
        match &mut self.value {
            Value::Table(table) => {
                let empty = || Entry {
                    key: new.origin.clone(),
                    node: Self { origin: new.origin.clone(), value: Value::Table(BTreeMap::new()) },
                };
                let entry = table.entry((*step).to_owned()).or_insert_with(empty);
                entry.node.place(rest, new).map_err(|fault| fault.inside(Step::Key((*step).to_owned())))
            }
            Value::Array(array) => {
                let length = array.len();
                let index: Option<usize> = step.parse().ok();
                match index.and_then(|index| Some((index, array.get_mut(index)?))) {
                    Some((index, node)) => {
                        node.place(rest, new).map_err(|fault| fault.inside(Step::Index(index)))
                    }
                    None => Err(Fault::new(format!(
                        "this array has {length} elements; name one from 0, or set the whole array"
                    ))),
                }
            }
            _ => Err(Fault::new("is a single value, there are no keys inside it")),
        }
    }
}

impl Value {
    fn table(table: DeTable<'_>, origin: &impl Fn(usize) -> Origin) -> Result<Self, Fault> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            let at = origin(key.span().start);
            let key = key.into_inner().into_owned();
            let node =
                Node::from_toml(value, origin).map_err(|fault| fault.inside(Step::Key(key.clone())))?;
            entries.insert(key, Entry { key: at, node });
        }
        Ok(Self::Table(entries))
    }
}
