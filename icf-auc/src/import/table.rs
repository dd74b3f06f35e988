//! CSV: a header of names, then one record a line; and srsEPC's `user_db.csv`, which has no header.

use std::borrow::Cow;

use super::{
    fields::{Fields, Scalar},
    names::{Field, Meaning, meaning},
    wrong::{Wrong, shown},
};

/// The columns of a file.
pub(super) struct Header {
    columns: Vec<Column>,
    delimiter: u8,
    /// Of srsEPC: SQN is hexadecimal.
    srs: bool,
}

struct Column {
    name: String,
    meaning: Meaning,
}

/// srsEPC's columns; before release 20 there was no `Auth`.
const SRS: [&str; 10] = ["Name", "Auth", "IMSI", "Key", "OP_Type", "OP/OPc", "AMF", "SQN", "QCI", "IP_alloc"];

impl Header {
    /// From the first line.
    ///
    /// # Errors
    /// Names that are unknown, twice, or missing, all at once.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let delimiter = delimiter(line);
        let names = split(line, delimiter).map_err(|e| e.reason)?;
        if let Some(srs) = Self::of_srs(&names, delimiter) {
            return Ok(srs);
        }
        if names.iter().any(is_imsi) && names.iter().any(is_key) {
            return Err(
                "has values where a header is expected; put a line of names above, as imsi,k,opc,amf".into(),
            );
        }
        let header = Self::named(names.iter(), delimiter);
        let mut fields = Fields::new();
        for column in &header.columns {
            fields.put_as(column.meaning, &column.name, Scalar::Truth(true));
        }
        let has = |field| fields.get(field).is_some();
        if !has(Field::Imsi) {
            let names: Vec<String> = names.iter().map(shown).collect();
            return Err(format!(
                "is neither JSON nor a header of CSV with a column imsi ({}); say how the file is written by --format \
                 csv, ndjson or open5gs",
                names.join(", ")
            ));
        }
        let (k, opc) = (has(Field::K), has(Field::Opc) || has(Field::Op) || has(Field::OpOrOpc));
        fields.check().map_err(|e| e.reason)?;
        match (k, opc) {
            (true, true) => Ok(header),
            (false, _) => Err("there is no column of K, which is called k, ki, key or security.k".into()),
            (true, false) => {
                Err("there is no column of OPc or OP, called opc, op, security.opc or security.op".into())
            }
        }
    }

    fn named<'a>(names: impl Iterator<Item = &'a str>, delimiter: u8) -> Self {
        let column = |name: &str| Column { name: name.trim().to_owned(), meaning: meaning(name) };
        Self { columns: names.map(column).collect(), delimiter, srs: false }
    }

    fn of_srs(values: &csv::StringRecord, delimiter: u8) -> Option<Self> {
        let is = |at: usize, one_of: [&str; 2]| {
            values.get(at).is_some_and(|value| one_of.iter().any(|one| value.eq_ignore_ascii_case(one)))
        };
        let without_auth = || [&SRS[..1], &SRS[2..]].concat();
        let names = match values.len() {
            8..=10 if values.get(2).is_some_and(is_imsi) && is(1, ["mil", "xor"]) && is(4, ["op", "opc"]) => {
                SRS.to_vec()
            }
            7..=9 if values.get(1).is_some_and(is_imsi) && is(3, ["op", "opc"]) => without_auth(),
            _ => return None,
        };
        let header = Self::named(names.into_iter().take(values.len()), delimiter);
        Some(Self { srs: true, ..header })
    }

    /// Whether the line that it was made from is a record.
    pub(super) fn is_implied(&self) -> bool {
        self.srs
    }

    /// The number of a field's column, from 1.
    pub(super) fn column(&self, field: Field) -> Option<u64> {
        let is = |column: &Column| matches!(column.meaning, Meaning::Ours(f) | Meaning::Theirs(f) | Meaning::Document(f) if f == field);
        self.columns.iter().position(is).map(|at| at as u64 + 1)
    }

    /// A line's values.
    ///
    /// # Errors
    /// That it is no CSV.
    pub(super) fn split(&self, line: &[u8]) -> Result<csv::StringRecord, Wrong> {
        split(line, self.delimiter)
    }

    /// Values by field.
    ///
    /// # Errors
    /// There are more or fewer than columns.
    pub(super) fn fields<'a>(&self, record: &'a csv::StringRecord) -> Result<Fields<'a>, Wrong> {
        if record.len() != self.columns.len() {
            return Err(Wrong::new(format!(
                "has {} values, the header has {} columns",
                record.len(),
                self.columns.len()
            )));
        }
        let mut fields = Fields::new();
        fields.sqn_is_hexadecimal = self.srs;
        for (value, column) in record.iter().zip(&self.columns) {
            let value = if value.is_empty() { Scalar::Nothing } else { Scalar::Text(Cow::Borrowed(value)) };
            fields.put_as(column.meaning, &column.name, value);
        }
        fields.check()
    }
}

/// What stands between values: of comma, semicolon, tab and bar the one that the header has most of.
fn delimiter(line: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for c in line {
        quoted ^= *c == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| !quoted && delimiter == c) {
            *count += 1;
        }
    }
    // The first of equals.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

fn split(line: &[u8], delimiter: u8) -> Result<csv::StringRecord, Wrong> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
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

fn is_imsi(value: &str) -> bool {
    let digits = value.strip_prefix("imsi-").unwrap_or(value);
    (10..=15).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
}

fn is_key(value: &str) -> bool {
    value.len() == 32 && value.bytes().all(|c| c.is_ascii_hexdigit())
}
