//! What is remembered. Every function that takes a connection works in its caller's transaction.

pub mod contracts;
pub mod numbers;
pub mod parts;
pub mod sessions;
pub mod subscriptions;

use std::sync::Arc;

use schemas::identity::OperatorId;
use service::{
    database::{Database, DatabaseError, Schema, SealedColumn},
    sealed::{Keyring, SealError},
};
use sqlx::{Row, sqlite::SqliteRow};

/// An SHO's database.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4361_6c03,
    migrations: &[
        ("sho", include_str!("../../../schemas/migrations/sho/0001_sho.sql")),
        ("at-rest keys", service::database::AT_REST_KEY),
        ("outbox", service::outbox::MIGRATION),
        ("audit", service::api::AUDIT_MIGRATION),
        (
            "numbers and suppliers",
            include_str!("../../../schemas/migrations/sho/0002_numbers_and_suppliers.sql"),
        ),
    ],
    example: "sqlite:///var/lib/callhome/sho.db",
};

/// What of it is sealed.
pub const SEALED: &[SealedColumn] = &[
    SealedColumn {
        table: "session",
        key: "id",
        column: "sealed",
        place: crate::keys::COLUMN,
        sealed: "true",
    },
    SealedColumn { table: "part", key: "name", column: "content", place: parts::COLUMN, sealed: "sensitive" },
];

/// Something cannot be remembered.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A row is not what this program writes.
    #[error("the database is damaged, or of another callhome: {0}")]
    Damaged(String),
    /// The database is another operator's.
    #[error(
        "{path} is the database of the operator {found}, and the configuration says {wanted}: each operator has its own"
    )]
    OtherOperator {
        /// Which file.
        path: String,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: OperatorId,
    },
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        Self::Database(error.into())
    }
}

/// The database of one operator, and the keys that its secrets are sealed with.
#[derive(Debug, Clone)]
pub struct Store {
    /// The file.
    pub db: Database,
    /// At-rest keys.
    pub keyring: Arc<Keyring>,
}

impl Store {
    /// Opens the database, or creates it for this operator.
    ///
    /// # Errors
    /// Naming the file and what to do.
    pub async fn open(url: &str, keyring: Keyring, operator: &OperatorId) -> Result<Self, StoreError> {
        let db = Database::open(url, &SCHEMA).await?;
        db.check_keys(&keyring).await?;
        let mut tx = db.write().await?;
        sqlx::query("INSERT INTO operator (one, id) VALUES (1, ?1) ON CONFLICT DO NOTHING")
            .bind(operator.as_str())
            .execute(&mut *tx)
            .await?;
        let (found,): (String,) = sqlx::query_as("SELECT id FROM operator").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        if found != operator.as_str() {
            return Err(StoreError::OtherOperator {
                path: db.path().to_owned(),
                found,
                wanted: operator.clone(),
            });
        }
        Ok(Self { db, keyring: Arc::new(keyring) })
    }
}

/// A column of text that was written by this program.
fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| StoreError::Damaged(format!("{column} {text:?}")))
}

/// As [`parsed`], where there may be none.
fn parsed_or_null<T: std::str::FromStr>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    match text {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| StoreError::Damaged(format!("{column} {text:?}"))),
    }
}

/// A column of JSON that was written by this program.
fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| {
        serde_json::from_str(&text).map_err(|error| StoreError::Damaged(format!("{column}: {error}")))
    })
    .transpose()
}

/// As JSON, for a column.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// A text such as `initial`, as serde writes and reads an enumeration.
fn word<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        _ => Err(StoreError::Damaged("not a word".to_owned())),
    }
}

/// The enumeration that was written as this word.
fn of_word<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    serde_json::from_value(serde_json::Value::String(text))
        .map_err(|error| StoreError::Damaged(format!("{column}: {error}")))
}
