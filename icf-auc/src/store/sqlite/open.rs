//! The ICF's database file.

use service::database::{Database, Schema};

use super::rotate;
use crate::store::{StoreError, sealed::Keyring};

/// The migrations, in order; append-only.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4361_6c6c,
    migrations: &[
        ("request path", include_str!("../../../../schemas/migrations/sqlite/0001_request_path.sql")),
        ("administration", include_str!("../../../../schemas/migrations/sqlite/0002_administration.sql")),
        ("batch terms", include_str!("../../../../schemas/migrations/sqlite/0003_batch_terms.sql")),
        ("outbox", service::outbox::MIGRATION),
        (
            "network access mode",
            include_str!("../../../../schemas/migrations/sqlite/0004_network_access_mode.sql"),
        ),
        ("node report", include_str!("../../../../schemas/migrations/sqlite/0005_node_report.sql")),
        ("instance", include_str!("../../../../schemas/migrations/sqlite/0006_instance.sql")),
        ("sequence clock", include_str!("../../../../schemas/migrations/sqlite/0007_sequence_clock.sql")),
        ("overrides", include_str!("../../../../schemas/migrations/sqlite/0008_overrides.sql")),
        ("outgoing why", include_str!("../../../../schemas/migrations/sqlite/0009_outgoing_why.sql")),
    ],
    example: "sqlite:///var/lib/callhome/icf.db",
};

/// The newest schema version that this program knows.
#[must_use]
pub fn schema_version() -> i64 {
    SCHEMA.version()
}

/// Opens or creates the database, brings its schema up to date, and sees that `keys` are those it is sealed with.
pub(super) async fn open(url: &str, max_bytes: Option<u64>, keys: &Keyring) -> Result<Database, StoreError> {
    let database = Database::open_limited(url, &SCHEMA, max_bytes).await?;
    database.check_keys(keys).await?;
    rotate::open_samples(&database.readers, keys).await?;
    Ok(database)
}
