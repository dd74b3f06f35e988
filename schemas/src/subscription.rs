//! Subscription data that profiles hold (TS 29.272 §7.3.2, TS 23.008): the types that REST and the ICF's store share.
//!
//! What a profile leaves out is not sent. Flags and masks are lists of words, so that their JSON can be read.

mod address;
mod apn;
mod check;
mod gateway;
mod options;
mod overrides;
mod profile;

pub use address::StaticAddress;
pub use apn::{
    Ambr, Apn, Arp, DataMode, LipaPermission, NonIp, PdnConnectionContinuity, PdnType, WlanOffload,
};
pub use check::{WrongField, is_msisdn};
pub use gateway::{AllocationType, Gateway, GatewayHost, SpecificApn};
pub use options::{
    AccessRestriction, Barring, CoreNetworkRestriction, Edrx, HplmnBarring, MpsPriority, NetworkAccessMode,
    Sms, V2x, V2xRole,
};
pub use overrides::Overrides;
pub use profile::Profile;

/// APNs that a profile may have: Context-Identifiers of 1 to 50 can be told to MAP (TS 29.272 §7.3.35).
pub const MAX_APNS: usize = 50;
/// APNs that an MME of Open5GS keeps; it ignores the rest.
pub const MAX_APNS_OF_OPEN5GS: usize = 4;
/// The wild card for any APN, as Service-Selection (TS 23.003 §9.2.1, TS 29.272 §7.3.36).
pub const WILDCARD_APN: &str = "*";
