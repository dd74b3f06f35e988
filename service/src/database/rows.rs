//! Many rows at a time.

use std::fmt::Display;

/// Those of many rows that can be read. One that cannot is logged and left out: it must not keep the others from being
/// served, sent or swept. `what` names such a row, as "a registration".
pub fn readable<T, E: Display>(what: &str, rows: impl IntoIterator<Item = Result<T, E>>) -> Vec<T> {
    let read = rows.into_iter().filter_map(|row| {
        row.map_err(|error| tracing::error!(%error, "{what} cannot be read, and is left out")).ok()
    });
    read.collect()
}
