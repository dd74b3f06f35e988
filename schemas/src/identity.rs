//! Identities of TS 23.003 as parsed values: one that exists is valid.

mod imsi;
mod names;
mod plmn;

pub use imsi::{Imsi, ImsiError};
pub use names::{DeviceId, NameError, OperatorId, SupplierId, TreId};
pub use plmn::{Plmn, PlmnError};

/// Provisional Connectivity ID. In 3GPP access it has the form of an IMSI, whose MCC and MNC
/// route the visited network to the ICF (seed, section 5 step 1).
pub type Pcid = Imsi;
