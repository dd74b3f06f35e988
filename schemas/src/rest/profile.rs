//! Profile templates.

pub use crate::subscription::{Ambr, Apn, Arp, NetworkAccessMode, PdnType, Profile};
