//! What changes in a device, in one file that is replaced as one.

use std::collections::BTreeMap;

use schemas::{cbor, octets::Octets, rnct::Rnct};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Measured, TreError};
use crate::rncp::Registry;

/// Version of the file.
const VERSION: u32 = 1;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceState {
    version: u32,
    /// What was measured at the last start.
    pub(crate) measured: Measured,
    /// Starts so far.
    pub(crate) boot_count: u64,
    /// The platform certificate and what leads to it, DER, leaf first.
    pub(crate) platform: Vec<Octets>,
    /// RNCPs.
    pub(crate) registry: Registry,
    /// SEQ_MS(i) by IND that the provisional credential's USIM has accepted (TS 33.102 annex C.2.2).
    pub(crate) provisional_seq_ms: BTreeMap<u8, u64>,
    /// `sequence` of the newest RNCT that was taken; an older one is a replay.
    pub(crate) sequence: Option<u64>,
    /// `id` of that RNCT.
    pub(crate) newest: Option<Uuid>,
    /// The provisioning that is under way.
    pub(crate) conversation: Option<Conversation>,
    /// The RNCT to follow when that has ended.
    pub(crate) waiting: Option<Rnct>,
}

/// A provisioning under way: from the RNCT until its report is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conversation {
    /// What it follows.
    pub(crate) rnct: Rnct,
    /// The DPF's session, once it is opened.
    pub(crate) session: Option<Uuid>,
    /// How it ended, once it has; what is left to do is to report it.
    pub(crate) ended: Option<Ended>,
}

/// How a provisioning ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    /// The RNCP; nil if that could not be told.
    pub(crate) rncp: Uuid,
    /// Why it failed: a word; none if it is installed.
    pub(crate) reason: Option<String>,
    /// The same as a sentence.
    pub(crate) detail: String,
    /// The signed report.
    pub(crate) report: Octets,
}

impl DeviceState {
    pub(super) fn new(measured: Measured, chain: &[Vec<u8>]) -> Self {
        Self {
            version: VERSION,
            measured,
            boot_count: 1,
            platform: chain.iter().cloned().map(Octets).collect(),
            registry: Registry::default(),
            provisional_seq_ms: BTreeMap::new(),
            sequence: None,
            newest: None,
            conversation: None,
            waiting: None,
        }
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TreError> {
        Ok(Zeroizing::new(cbor::encode(self)?))
    }

    pub(super) fn decode(octets: &[u8]) -> Result<Self, TreError> {
        cbor::decode_versioned(octets, VERSION).map_err(|_| TreError::Damaged("the device's state"))
    }
}
