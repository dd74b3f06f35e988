//! What the DPF remembers, in its SQLite file. A change is durable when its function returns.

mod parts;
mod room;
mod rows;
mod rules;
mod sessions;
mod updates;

use service::database::{Database, DatabaseError, Schema};

pub use parts::{PIECE, SessionPart};
pub use room::{Full, Most};
pub use rules::{Allocation, RuleError};
pub(crate) use sessions::ToRegistry;
pub use sessions::{Filter, Opening, StepRow, operator_topic};
pub use updates::Update;

/// The topic of messages that tell the DRF how provisioning ended.
pub const REGISTRY: &str = "registry";
/// The topic of messages that ask the DRF to trigger a device.
pub const TRIGGERS: &str = "triggers";

/// The DPF's schema.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4361_6c02,
    migrations: &[
        ("dpf", include_str!("../../schemas/migrations/dpf/0001_dpf.sql")),
        ("audit", service::api::AUDIT_MIGRATION),
        ("outbox", service::outbox::MIGRATION),
        ("sessions of a device", include_str!("../../schemas/migrations/dpf/0002_sessions_of_a_device.sql")),
    ],
    example: "sqlite:///var/lib/callhome/dpf.db",
};

/// The DPF's memory; a clone is another handle to the same.
#[derive(Debug, Clone)]
pub struct Store {
    db: Database,
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A row holds what this program would not have written.
    #[error("the database holds a {0} that cannot be read; restore it from a backup")]
    Damaged(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Store {
    /// Opens the file of a URL, creating it if it is not there.
    ///
    /// # Errors
    /// Which file, what is wrong with it, and what to do.
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        Ok(Self { db: Database::open(url, &SCHEMA).await? })
    }

    /// The file itself.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }
}
