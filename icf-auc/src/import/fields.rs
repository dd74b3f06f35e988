//! The named fields of a record, from JSON or CSV. Values may be keys, so that no error repeats one.

use std::{borrow::Cow, fmt};

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::record::{Wrong, shown};

/// Every field that there is.
pub(super) const NAMES: [&str; 14] = [
    "imsi",
    "k",
    "opc",
    "op",
    "amf",
    "profile",
    "sqn",
    "seq",
    "expires_at",
    "attach_budget",
    "msisdn",
    "ip",
    "ind_bitlen",
    "mode",
];

/// A plain value.
#[derive(Clone)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    /// JSON null, or an empty CSV field.
    Nothing,
    /// Another type, which no field has.
    Other,
}

/// A record's fields, by their place in [`NAMES`].
pub(super) struct Fields<'a>([Option<Scalar<'a>>; NAMES.len()]);

impl<'a> Fields<'a> {
    fn new() -> Self {
        Self([const { None }; NAMES.len()])
    }

    /// The value of a field, if it has one.
    pub(super) fn get(&self, name: &str) -> Option<&Scalar<'a>> {
        let at = NAMES.iter().position(|n| *n == name)?;
        self.0.get(at)?.as_ref().filter(|value| !matches!(value, Scalar::Nothing))
    }

    /// From a JSON object.
    pub(super) fn from_json(text: &'a [u8]) -> Result<Self, Wrong> {
        serde_json::from_slice(text).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => format!("not a record: {error}"),
                serde_json::error::Category::Eof => "the JSON object is cut short".to_owned(),
                _ => format!("not a JSON object: {error}"),
            };
            Wrong::new(what)
        })
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::new();
        while let Some(Name(name)) = map.next_key()? {
            let place = NAMES.iter().position(|n| *n == name).and_then(|at| fields.0.get_mut(at));
            let Some(place) = place else {
                return Err(de::Error::custom(unknown(&name)));
            };
            if place.replace(map.next_value()?).is_some() {
                return Err(de::Error::custom(format_args!("field {name} is there twice")));
            }
        }
        Ok(fields)
    }
}

fn unknown(name: &str) -> String {
    format!("unknown field {}; there are {}", shown(name), NAMES.join(", "))
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Borrowed where it can be.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(ScalarVisitor)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Err(de::Error::custom("a name is a text")),
        }
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// The columns of a CSV file.
pub(super) struct Header {
    columns: Vec<usize>,
    delimiter: u8,
}

impl Header {
    /// From the first line. The delimiter is a comma, or a semicolon where there is one and no comma.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let delimiter = if line.contains(&b';') && !line.contains(&b',') { b';' } else { b',' };
        let mut header = Self { columns: Vec::new(), delimiter };
        let names = header.split(line).map_err(|e| e.reason)?;
        for name in &names {
            let at = NAMES.iter().position(|n| n.eq_ignore_ascii_case(name)).ok_or_else(|| unknown(name))?;
            if header.columns.contains(&at) {
                return Err(format!("column {} is there twice", NAMES[at]));
            }
            header.columns.push(at);
        }
        Ok(header)
    }

    /// A line's values.
    pub(super) fn split(&self, line: &[u8]) -> Result<csv::StringRecord, Wrong> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .trim(csv::Trim::All)
            .buffer_capacity(line.len().max(16))
            .from_reader(line);
        let mut record = csv::StringRecord::new();
        match reader.read_record(&mut record) {
            Ok(true) => Ok(record),
            Ok(false) => Err(Wrong::new("is empty".into())),
            Err(_) => Err(Wrong::new("is not CSV in UTF-8".into())),
        }
    }

    /// Values by field.
    pub(super) fn fields<'a>(&self, record: &'a csv::StringRecord) -> Result<Fields<'a>, Wrong> {
        if record.len() != self.columns.len() {
            return Err(Wrong::new(format!(
                "has {} values, the header has {} columns",
                record.len(),
                self.columns.len()
            )));
        }
        let mut fields = Fields::new();
        for (value, at) in record.iter().zip(&self.columns) {
            let value = if value.is_empty() { Scalar::Nothing } else { Scalar::Text(Cow::Borrowed(value)) };
            fields.0[*at] = Some(value);
        }
        Ok(fields)
    }
}
