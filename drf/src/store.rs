//! The registry's tables: rows in, values out. Every function works in its caller's transaction.

mod devices;
mod directory;
mod notices;
mod triggers;

use std::str::FromStr;

use service::{api, database::Schema, outbox};
use sqlx::{Row, sqlite::SqliteRow};

pub use devices::{
    Device, clear_failures, delete_device, device, device_by_identity, devices, failures, insert_device,
    note_failure, set_claim, set_contract, set_current, update_device,
};
pub use directory::{
    Operator, deciding_rules, delete_operator, delete_rule, operator, operators, put_operator, put_rule,
    rule, rules,
};
pub use notices::{
    NoticeRow, NoticeState, Place, forget_notices, forget_old, forget_own_waiting, insert_notice,
    known_notice, place, provisioned, put_provisioned, set_notice_state, set_place, supersede_waiting,
    waiting, waiting_pcids,
};
pub use triggers::{
    attempted, close_open, end, insert_trigger, latest, next_sequence, open_trigger, trigger,
    trigger_by_request, triggers,
};

/// The schema of `drf.db`.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4361_6c01,
    migrations: &[
        ("registry", include_str!("../../schemas/migrations/drf/0001_registry.sql")),
        ("at-rest-key", service::database::AT_REST_KEY),
        ("outbox", outbox::MIGRATION),
        ("audit", api::AUDIT_MIGRATION),
        ("ended notices", include_str!("../../schemas/migrations/drf/0002_ended_notices.sql")),
    ],
    example: "sqlite:///var/lib/callhome/drf.db",
};

/// A text column as what it stands for.
fn parsed<T: FromStr>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    decoded(column, row.try_get::<&str, _>(column)?.parse())
}

/// A text column that may be NULL.
fn optional<T: FromStr>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match row.try_get::<Option<&str>, _>(column)? {
        None => Ok(None),
        Some(text) => decoded(column, text.parse()).map(Some),
    }
}

fn decoded<T, E>(column: &str, read: Result<T, E>) -> Result<T, sqlx::Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    read.map_err(|error| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) })
}

/// A word that is none of those that are written there.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not known: the database is damaged, or is of a newer callhome")]
struct Unknown(String);

fn word<T>(row: &SqliteRow, column: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    decoded(column, read(text).ok_or_else(|| Unknown(text.to_owned())))
}
