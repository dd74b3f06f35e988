//! What the PVA remembers, in its SQLite file. A change is durable when its function returns.

mod enrolments;
mod platforms;
mod references;
mod rows;
mod suppliers;
mod validations;

use service::database::{Database, DatabaseError, Schema};

pub use enrolments::{Enrol, EnrolError};
pub use platforms::{Change, ChangeError};
pub use suppliers::SupplierError;
pub use validations::{Facts, Inquiry};

/// The PVA's schema.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4361_6c04,
    migrations: &[
        ("pva", include_str!("../../../schemas/migrations/pva/0001_pva.sql")),
        ("audit", service::api::AUDIT_MIGRATION),
        (
            "devices of suppliers",
            include_str!("../../../schemas/migrations/pva/0002_devices_of_suppliers.sql"),
        ),
    ],
    example: "sqlite:///var/lib/callhome/pva.db",
};

/// The PVA's memory; a clone is another handle to the same.
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
