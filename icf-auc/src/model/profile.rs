//! Profile templates: what a provisional credential is good for (R9). REST takes and the store keeps the same.

pub use schemas::{
    rest::{AccessRule, Rat},
    subscription::{Ambr, Apn, Arp, PdnType, Profile},
};
