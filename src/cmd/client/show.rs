//! Tables for people, JSON for scripts.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use time::OffsetDateTime;

use crate::out::Out;

/// Something that has a row in a table.
pub trait Shown: Serialize {
    /// Names of the columns.
    const HEADERS: &'static [&'static str];
    /// The columns.
    fn row(&self) -> Vec<String>;
}

/// Rows kept back to measure the columns; a longer table keeps the widths of the first.
const MEASURED: usize = 500;

/// A table being written, or lines of JSON.
pub struct Table {
    headers: &'static [&'static str],
    json: bool,
    rows: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    more: bool,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(headers: &'static [&'static str], json: bool) -> Self {
        Self { headers, json, rows: Vec::new(), widths: None, more: false }
    }

    /// One more row.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn add<T: Shown>(&mut self, item: &T) -> anyhow::Result<()> {
        if self.json {
            return write_json(item);
        }
        self.rows.push(item.row());
        if self.rows.len() >= MEASURED { self.flush() } else { Ok(()) }
    }

    /// There is more than was asked for.
    pub fn more(&mut self) {
        self.more = true;
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn end(mut self) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        if self.rows.is_empty() && self.widths.is_none() {
            eprintln!("nothing to show");
            return Ok(());
        }
        self.flush()?;
        if self.more && io::stdout().is_terminal() {
            eprintln!("… there are more: --limit 0 shows all");
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let mut out = Out::lock();
        let first = self.widths.is_none();
        let widths = self.widths.get_or_insert_with(|| {
            let mut widths: Vec<usize> = self.headers.iter().map(|header| header.len()).collect();
            for row in &self.rows {
                for (width, cell) in widths.iter_mut().zip(row) {
                    *width = (*width).max(cell.chars().count());
                }
            }
            widths
        });
        if first {
            let headers: Vec<String> = self.headers.iter().map(|header| header.to_uppercase()).collect();
            line(&mut out, &headers, widths)?;
        }
        for row in self.rows.drain(..) {
            line(&mut out, &row, widths)?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, row: &[String], widths: &[usize]) -> io::Result<()> {
    let cells: Vec<String> =
        row.iter().zip(widths).map(|(cell, width)| format!("{:width$}", clean(cell))).collect();
    writeln!(out, "{}", cells.join("  ").trim_end())
}

/// Control characters are for terminals to obey; what a server sends is not.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// One thing: JSON on one line, or a column of fields.
pub(super) fn one<T: Shown>(item: &T, json: bool) -> anyhow::Result<()> {
    if json {
        return write_json(item);
    }
    let mut out = Out::lock();
    let value = serde_json::to_value(item)?;
    let Some(fields) = value.as_object() else {
        return Ok(writeln!(out, "{value:#}")?);
    };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in fields {
        let text = match value {
            serde_json::Value::Null => "-".to_owned(),
            serde_json::Value::String(text) => clean(text),
            other => other.to_string(),
        };
        writeln!(out, "{name:width$}  {text}")?;
    }
    Ok(())
}

fn write_json<T: Serialize>(item: &T) -> anyhow::Result<()> {
    let mut out = Out::lock();
    serde_json::to_writer(&mut out, item)?;
    Ok(writeln!(out)?)
}

/// What there is, or a dash.
pub fn or_dash<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A point in time, to the second.
#[must_use]
pub fn day(at: OffsetDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    format!("{date} {:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second())
}
