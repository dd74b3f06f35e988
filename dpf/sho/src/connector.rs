//! The HSS that our subscribers live in: one trait, one file for each kind. What a connector says in an error is
//! logged and stored; no key is ever in it.

pub mod callhome;
pub mod http;
mod limits;
pub mod open5gs;
pub mod pyhss;

use std::sync::Arc;

use async_trait::async_trait;
use schemas::identity::Imsi;

use crate::{
    config::ConnectorConfig,
    keys::SubscriberKeys,
    model::{Ambr, PdnType},
};

/// A subscription as an HSS needs it. Debug shows no key.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// IMSI.
    pub imsi: Imsi,
    /// MSISDN, digits.
    pub msisdn: Option<String>,
    /// K, OPc, AMF.
    pub keys: SubscriberKeys,
    /// APN of its service.
    pub apn: String,
    /// Bit rates.
    pub ambr: Ambr,
    /// Addresses.
    pub pdn_type: PdnType,
    /// It may attach; else it is barred until [`Connector::set_usable`].
    pub usable: bool,
}

/// An HSS did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// Not reached, or unwell: try again later.
    #[error("{0}")]
    Away(String),
    /// It says no, and will say so again.
    #[error("{0}")]
    Refused(String),
}

impl ConnectorError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

/// An HSS. Every call can be repeated, also after a crash in the midst of it.
///
/// The caller asks [`exists`](Self::exists) before it first publishes an IMSI and notes durably that it is about to:
/// what is there afterwards is its own.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// Its name in the configuration, the database and the metrics.
    fn name(&self) -> &str;

    /// Whether the IMSI is known there.
    ///
    /// # Errors
    /// If it cannot be asked.
    async fn exists(&self, imsi: Imsi) -> Result<bool, ConnectorError>;

    /// Makes way for new keys where [`publish`](Self::publish) cannot change them. Nothing there is fine.
    ///
    /// # Errors
    /// If it cannot be done.
    async fn clear(&self, imsi: Imsi) -> Result<(), ConnectorError>;

    /// Stores the subscription, or brings what is there of it up to date.
    ///
    /// # Errors
    /// If it cannot be done.
    async fn publish(&self, subscriber: &Subscriber) -> Result<(), ConnectorError>;

    /// Lets it attach.
    ///
    /// # Errors
    /// If it cannot be done.
    async fn set_usable(&self, imsi: Imsi) -> Result<(), ConnectorError>;

    /// Takes it away. Nothing there is fine.
    ///
    /// # Errors
    /// If it cannot be done.
    async fn withdraw(&self, imsi: Imsi) -> Result<(), ConnectorError>;
}

/// The configured HSSs. Names are unique: the database knows them by it.
///
/// # Errors
/// Which entry cannot be used.
pub fn all(configured: &[ConnectorConfig]) -> anyhow::Result<Vec<Arc<dyn Connector>>> {
    let mut connectors: Vec<Arc<dyn Connector>> = Vec::new();
    for config in configured {
        let connector: Arc<dyn Connector> = match config {
            ConnectorConfig::Callhome(config) => Arc::new(callhome::Callhome::new(config)?),
            ConnectorConfig::Open5gs(config) => Arc::new(open5gs::Open5gs::new(config)?),
            ConnectorConfig::Pyhss(config) => Arc::new(pyhss::PyHss::new(config)?),
        };
        connectors.push(connector);
    }
    Ok(connectors)
}
