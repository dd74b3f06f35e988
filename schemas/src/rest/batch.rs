//! Batches of credentials (R1).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::identity::Imsi;

/// How a credential came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IssuingMode {
    /// a: the CHTIF generated it and handed it to the supplier to embed.
    Generated,
    /// b: the supplier generated and embedded it, and sent it afterwards.
    Supplier,
    /// c: as b, but it came through the subscriber.
    Subscriber,
}

/// A batch of issued or imported credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// How its credentials came to be.
    pub mode: IssuingMode,
    /// First IMSI, where they were generated.
    pub first: Option<Imsi>,
    /// How many there are to be; for an import, how many there are so far.
    pub count: u64,
    /// How many are stored.
    pub done: u64,
    /// Profile of them all.
    pub profile: String,
    /// Supplier or subscriber.
    pub party: Option<String>,
    /// When it was begun.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A batch to be issued: `count` credentials from `first` upwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// Id of the batch. Sent again with the same body, the batch goes on where it stopped.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    pub id: String,
    /// First IMSI.
    pub first: Imsi,
    /// How many.
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub count: u64,
    /// Profile of them all.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", examples("default"))]
    pub profile: String,
    /// Supplier, free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub party: Option<String>,
    /// Call-home URL, https: with it, every credential gets a call-home triple of URL, user name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, pattern = "^https://")]
    pub triple_url: Option<String>,
    /// age public keys of the recipients, to whom the answer is encrypted, with blanks between them.
    #[schema(
        max_length = 16_384,
        pattern = "^age1[0-9a-z]{58}",
        examples("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
    )]
    pub recipient: String,
}
