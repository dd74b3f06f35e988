//! The Authentication Centre: authentication vectors, sequence numbers and resynchronisation
//! (TS 33.102 §6.3 and annex C, TS 33.401 §6.1 and annex A.2).
//!
//! Pure: no IO, no clock. What is random comes through [`random::RandSource`]; what must be durable is a
//! [`lease::Lease`] that the caller has written down before it grants it. The path of one vector:
//!
//! ```
//! use icf_auc::auc::{amf::Amf, keys::SubscriberKeys, lease::SeqAllocator, random::{OsRand, RandSource},
//!                    sqn::Layout, vector::EutranVector};
//! use schemas::{identity::Plmn, secret::Key128};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layout = Layout::default();
//! let keys = SubscriberKeys::from_op(Key128::new([1; 16]), &Key128::new([2; 16])).prepare();
//! let mut numbers = SeqAllocator::new(layout);
//! // seq_reserved was 0 in the store; 4 are reserved there, durably, before they are granted here.
//! numbers.grant(layout.lease_after(0, 4)?)?;
//! let serving_network: Plmn = "999-71".parse()?;
//! for seq in numbers.take(2).ok_or("no lease")? {
//!     let sqn = layout.sqn(seq, 7).ok_or("IND or SEQ too wide")?;
//!     let vector = EutranVector::generate(&keys, OsRand.rand()?, sqn, Amf::EUTRAN, serving_network);
//!     assert_eq!(vector.autn[6] & 0x80, 0x80);
//! }
//! # Ok(()) }
//! ```

pub mod amf;
pub mod clock;
pub mod functions;
pub mod keys;
pub mod lease;
pub mod random;
pub mod resync;
pub mod sqn;
pub mod vector;
