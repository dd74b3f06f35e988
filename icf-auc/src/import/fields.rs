//! The named values of a record, from JSON or CSV. Values may be keys, so that no error repeats one.

use std::{borrow::Cow, fmt};

use schemas::subscription::MAX_APNS;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    names::{Field, Meaning, OUR_NAMES, is_left_alone, meaning},
    wrong::{Wrong, shown},
};

/// Names that an error lists at most.
const LISTED: usize = 20;
/// Elements of a JSON array that are looked at.
const ELEMENTS: usize = 4;
/// JSON values may be nested so deep.
const DEPTH: usize = 16;

/// A plain value.
#[derive(Clone)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    /// `true` or `false`.
    Truth(bool),
    /// JSON null, or an empty CSV field.
    Nothing,
    /// Another type, or a number that is negative or not whole: which no field has.
    Other,
}

impl Scalar<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text(text) => text.is_empty() || text == "[]" || text == "{}",
            _ => false,
        }
    }
}

/// A value with the name that the file has for it.
struct Named<'a> {
    value: Scalar<'a>,
    /// `None` where it is the field's own name.
    name: Option<Box<str>>,
}

/// What a record holds.
pub(super) struct Fields<'a> {
    values: [Option<Named<'a>>; Field::COUNT],
    /// APNs and rates as Open5GS has them.
    document: Vec<(Field, Value)>,
    /// What has no effect here, by its first name.
    pub(super) not_taken: Vec<String>,
    unknown: Vec<String>,
    twice: Option<String>,
    encrypted: Option<String>,
    /// Some name in it is not one of ours.
    foreign: bool,
    /// It notes a serving node.
    serving_node: bool,
    /// Its SQN is hexadecimal whatever it looks like.
    pub(super) sqn_is_hexadecimal: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new() -> Self {
        Self {
            values: [const { None }; Field::COUNT],
            document: Vec::new(),
            not_taken: Vec::new(),
            unknown: Vec::new(),
            twice: None,
            encrypted: None,
            foreign: false,
            serving_node: false,
            sqn_is_hexadecimal: false,
        }
    }

    /// The value of a field, if it has one.
    pub(super) fn get(&self, field: Field) -> Option<&Scalar<'a>> {
        let named = self.values.get(field as usize)?.as_ref()?;
        Some(&named.value).filter(|value| !value.is_empty())
    }

    /// What the file calls a field.
    pub(super) fn label(&self, field: Field) -> &str {
        let named = self.values.get(field as usize).and_then(Option::as_ref);
        named.and_then(|named| named.name.as_deref()).unwrap_or(field.name())
    }

    /// The fields that go by another name than ours, with that name.
    pub(super) fn renamed(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let fields = [Field::Imsi, Field::K, Field::Opc, Field::Op, Field::OpOrOpc, Field::Amf, Field::Sqn];
        fields
            .into_iter()
            .filter(|field| self.is_renamed(*field) && self.get(*field).is_some())
            .map(|field| (self.label(field), field.name()))
            .filter(|(name, _)| matches!(meaning(name), Meaning::Theirs(_)))
    }

    /// Whether a field goes by another name than ours.
    pub(super) fn is_renamed(&self, field: Field) -> bool {
        self.values.get(field as usize).and_then(Option::as_ref).is_some_and(|named| named.name.is_some())
    }

    /// Whether the names are somebody else's.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Whether it is what Open5GS's HSS writes by itself about an IMSI: the serving node, and no key (docs/ICF.md).
    pub(super) fn is_fragment(&self) -> bool {
        let empty = [Field::K, Field::Opc, Field::Op, Field::OpOrOpc, Field::Amf, Field::Sqn];
        let empty = empty.iter().chain(&Field::OF_SUBSCRIPTION).all(|field| self.get(*field).is_none());
        self.serving_node && self.not_taken.is_empty() && self.document.is_empty() && empty
    }

    /// The names of what says something of a subscription.
    pub(super) fn of_subscription(&self) -> Vec<String> {
        let numbers = Field::OF_SUBSCRIPTION.into_iter().filter(|field| self.get(*field).is_some());
        let document = self.document.iter().map(|(field, _)| *field);
        document.chain(numbers).map(|field| first_name(field.name())).collect()
    }

    /// `slice`, `pdn` and `ambr`, of CSV read from their texts.
    ///
    /// # Errors
    /// A text that is not JSON.
    pub(super) fn document(&self) -> Result<Vec<(Field, Cow<'_, Value>)>, Wrong> {
        let mut all = Vec::with_capacity(self.document.len());
        for (field, value) in &self.document {
            let value = match value {
                Value::String(text) => Cow::Owned(serde_json::from_str(text).map_err(|_| {
                    let what =
                        "is to be JSON, as mongoexport writes it into a column; or leave the column out";
                    Wrong::of(*field, format!("{}: {what}", field.name()))
                })?),
                value => Cow::Borrowed(value),
            };
            all.push((*field, value));
        }
        Ok(all)
    }

    /// Puts a value where its name says.
    pub(super) fn put(&mut self, name: &str, value: Scalar<'a>) {
        self.put_as(meaning(name), name, value);
    }

    /// As [`Fields::put`], where it is known what the name stands for.
    pub(super) fn put_as(&mut self, meaning: Meaning, name: &str, value: Scalar<'a>) {
        match meaning {
            Meaning::Ours(field) => self.set(field, name, value),
            Meaning::Theirs(field) => {
                self.foreign = true;
                self.set(field, name, value);
            }
            Meaning::Bookkeeping => self.foreign = true,
            Meaning::ServingNode => {
                self.foreign = true;
                // A document of a subscriber has empty ones too.
                self.serving_node |= !value.is_empty();
            }
            Meaning::Document(field) => {
                let value = match value {
                    Scalar::Text(text) if text.is_empty() => Value::Null,
                    Scalar::Text(text) => Value::String(text.into_owned()),
                    Scalar::Number(number) => number.into(),
                    Scalar::Truth(truth) => truth.into(),
                    Scalar::Nothing => Value::Null,
                    // Neither a number nor a text: refused where it is read.
                    Scalar::Other => false.into(),
                };
                self.put_document(field, name, value);
            }
            Meaning::Known => {
                self.foreign = true;
                if !value.is_empty() {
                    self.not_taken(name);
                }
            }
            Meaning::EncryptedKey => {
                if !value.is_empty() && self.encrypted.is_none() {
                    self.encrypted = Some(shown(name));
                }
            }
            Meaning::Unknown => {
                let name = shown(name);
                if self.unknown.len() < LISTED && !self.unknown.contains(&name) {
                    self.unknown.push(name);
                }
            }
        }
    }

    /// Puts a value into `slice`, `pdn` or `ambr`, or into what its name says of it (`slice.0.session.1.name`).
    fn put_document(&mut self, field: Field, name: &str, value: Value) {
        self.foreign = true;
        if value.is_null() {
            return;
        }
        let place = match self.document.iter().position(|(it, _)| *it == field) {
            Some(place) => place,
            None => {
                self.document.push((field, Value::Null));
                self.document.len() - 1
            }
        };
        let steps: Vec<&str> = name.split('.').skip(1).take(DEPTH).collect();
        let Some((_, root)) = self.document.get_mut(place) else { return };
        if steps.len() == DEPTH || !insert(root, &steps, value) {
            self.twice = Some(format!("{} is there twice, or in two ways", shown(name)));
        }
    }

    fn not_taken(&mut self, name: &str) {
        // Of an object of keys (security, permanentKey) the member; of other objects the object.
        let name = if name.starts_with("security.") { shown(name) } else { first_name(name) };
        if self.not_taken.len() < LISTED && !self.not_taken.contains(&name) {
            self.not_taken.push(name);
        }
    }

    fn set(&mut self, field: Field, name: &str, value: Scalar<'a>) {
        let own = name == field.name() || (field == Field::Msisdn && name == "msisdn.0");
        let Some(place) = self.values.get_mut(field as usize) else { return };
        match place {
            // One of two that mean the same may be empty: opc.encryptionAlgorithm beside that of K.
            Some(there) if field == Field::Encryption => {
                if matches!(there.value, Scalar::Number(0)) || there.value.is_empty() {
                    there.value = value;
                }
            }
            Some(_) => {
                let both = [self.label(field).to_owned(), name.to_owned()];
                self.twice = Some(if both[0] == both[1] {
                    format!("field {} is there twice", shown(name))
                } else {
                    format!(
                        "{} and {} are the same field: leave one of them out",
                        shown(&both[0]),
                        shown(name)
                    )
                });
            }
            None => *place = Some(Named { value, name: (!own).then(|| shown(name).into_boxed_str()) }),
        }
    }

    /// What keeps the record from being read, if anything does.
    ///
    /// # Errors
    /// Names that are unknown among ours, a name that is there twice, a key that is encrypted.
    pub(super) fn check(mut self) -> Result<Self, Wrong> {
        if let Some(twice) = self.twice {
            return Err(Wrong::new(twice));
        }
        if let Some(name) = self.encrypted {
            return Err(Wrong::new(format!(
                "{name}: is encrypted with a transport key; decrypt it and name the column k or opc"
            )));
        }
        if self.unknown.is_empty() {
            return Ok(self);
        }
        if !self.foreign {
            return Err(Wrong::new(unknown(&self.unknown)));
        }
        for name in std::mem::take(&mut self.unknown) {
            let name = first_name(&name);
            if self.not_taken.len() < LISTED && !self.not_taken.contains(&name) {
                self.not_taken.push(name);
            }
        }
        Ok(self)
    }

    /// From a JSON object. Objects in it are flattened: `{"security":{"k":…}}` is `security.k`.
    ///
    /// # Errors
    /// That it is none, and where.
    pub(super) fn from_json(text: &'a [u8]) -> Result<Self, Wrong> {
        let mut fields = Self::new();
        let mut path = String::new();
        let mut json = serde_json::Deserializer::from_slice(text);
        let seed = Member { fields: &mut fields, path: &mut path, depth: 0 };
        seed.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| not_json(text, &error))?;
        fields.check()
    }
}

/// Puts a value where no other is; whether there was none. A number is a place of a list.
fn insert(target: &mut Value, steps: &[&str], value: Value) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        let free = target.is_null();
        if free {
            *target = value;
        }
        return free;
    };
    match step.parse::<usize>() {
        Ok(place) if place <= MAX_APNS => {
            if target.is_null() {
                *target = Value::Array(Vec::new());
            }
            let Value::Array(list) = target else { return false };
            if list.len() <= place {
                list.resize(place + 1, Value::Null);
            }
            list.get_mut(place).is_some_and(|item| insert(item, rest, value))
        }
        _ => {
            if target.is_null() {
                *target = Value::Object(Map::new());
            }
            let Value::Object(object) = target else { return false };
            insert(object.entry((*step).to_owned()).or_insert(Value::Null), rest, value)
        }
    }
}

/// That names are none of ours, all at once.
pub(super) fn unknown(names: &[String]) -> String {
    let plural = if names.len() == 1 { "unknown field" } else { "unknown fields" };
    format!("{plural} {}; there are {OUR_NAMES}", names.join(", "))
}

fn first_name(name: &str) -> String {
    shown(name.split('.').next().unwrap_or_default())
}

fn not_json(text: &[u8], error: &serde_json::Error) -> Wrong {
    let place = if error.line() > 1 {
        format!("line {} of it, column {}", error.line(), error.column())
    } else {
        format!("column {}", error.column())
    };
    let shell = text.trim_ascii_start().strip_prefix(b"{").is_some_and(|rest| {
        rest.trim_ascii_start().first().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, b'_' | b'\''))
    });
    Wrong::new(match error.classify() {
        _ if shell => {
            "is what a MongoDB shell prints, not JSON; export it with mongoexport, or print it with \
                       EJSON.stringify(…)"
                .to_owned()
        }
        serde_json::error::Category::Eof => "the JSON object is cut short".to_owned(),
        _ => format!("not a JSON object ({place})"),
    })
}

/// A JSON value and all that is in it, put into the fields by its path.
struct Member<'s, 'a> {
    fields: &'s mut Fields<'a>,
    path: &'s mut String,
    depth: usize,
}

impl<'a> Member<'_, 'a> {
    fn put(self, value: Scalar<'a>) {
        self.fields.put(self.path, value);
    }

    fn within(&mut self, name: &str) -> (Member<'_, 'a>, usize) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        (Member { fields: self.fields, path: self.path, depth: self.depth + 1 }, length)
    }
}

impl<'de> DeserializeSeed<'de> for Member<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth == 0 { deserializer.deserialize_map(self) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Member<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.put(Scalar::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.put(Scalar::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.put(Scalar::Number(number));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.put(u64::try_from(number).map_or(Scalar::Other, Scalar::Number));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.put(whole(number).map_or(Scalar::Other, Scalar::Number));
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.put(Scalar::Truth(truth));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Scalar::Nothing);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.depth >= DEPTH {
            return Err(de::Error::custom("nested too deeply"));
        }
        let mut any = false;
        while let Some(name) = map.next_key::<String>()? {
            // MongoDB's extended JSON: {"$numberLong":"97"}.
            if !any && self.depth > 0 && name.starts_with('$') {
                let text: Scalar<'de> = map.next_value_seed(Plain)?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                self.put(extended(&name, text));
                return Ok(());
            }
            any = true;
            if self.depth == 0
                && !name.contains('.')
                && let Meaning::Document(field) = meaning(&name)
            {
                let value = map.next_value()?;
                self.fields.put_document(field, &name, value);
                continue;
            }
            if self.depth == 0 && is_left_alone(&name) {
                let value = map.next_value_seed(Plain)?;
                self.fields.put(&name, value);
                continue;
            }
            let (member, length) = self.within(&name);
            map.next_value_seed(member)?;
            self.path.truncate(length);
        }
        if !any && self.depth > 0 {
            self.put(Scalar::Nothing);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        if self.depth >= DEPTH {
            return Err(de::Error::custom("nested too deeply"));
        }
        let mut at = 0;
        loop {
            if at == ELEMENTS {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
            let (member, length) = self.within(&at.to_string());
            let more = seq.next_element_seed(member)?.is_some();
            self.path.truncate(length);
            match (more, at) {
                (true, _) => at += 1,
                (false, 0) => {
                    self.put(Scalar::Nothing);
                    return Ok(());
                }
                (false, _) => return Ok(()),
            }
        }
    }
}

/// A value of MongoDB's extended JSON, by its type.
fn extended<'a>(kind: &str, value: Scalar<'a>) -> Scalar<'a> {
    match (kind, value) {
        ("$numberLong" | "$numberInt" | "$numberDecimal" | "$numberDouble", Scalar::Text(text)) => {
            let number = text.parse().ok().or_else(|| text.parse().ok().and_then(whole));
            number.map_or(Scalar::Other, Scalar::Number)
        }
        (_, value @ Scalar::Number(_)) => value,
        _ => Scalar::Other,
    }
}

/// A number that is whole, and small enough for a double to hold exactly (2^53).
pub(super) fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: 0 to 2^53")]
    let rounded = number as u64;
    (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number)).then_some(rounded)
}

/// Reads a plain value; of an object or array only whether there is something in it.
struct Plain;

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(whole(number).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Truth(truth))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut value = Scalar::Nothing;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            value = Scalar::Other;
        }
        Ok(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut value = Scalar::Nothing;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            value = Scalar::Other;
        }
        Ok(value)
    }
}
