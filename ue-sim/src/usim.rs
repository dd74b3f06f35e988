//! The USIM, TS 33.102: the network proves itself with AUTN, the device answers with RES, or with AUTS when
//! the sequence number is not fresh. No IO except in [`state`], no clock.
//!
//! Its cryptography is another implementation than the authentication centre's, so that a success means that
//! two agree and not that both err alike.

mod authenticate;
pub mod sqn;
pub mod state;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod vectors;

pub use authenticate::{Accepted, Authentication, Challenge, Checked};
pub use sqn::{NotFresh, Sqn, SqnArray};

use oxirush_security::milenage::{K, Milenage, Op, Opc};
use schemas::secret::Key128;

/// A USIM: K and OPc (TS 35.206 §2.3), and the sequence numbers it has accepted (TS 33.102 annex C.2).
///
/// Debug shows neither key.
#[derive(Clone, Debug)]
pub struct Usim {
    milenage: Milenage,
    sqn: SqnArray,
}

impl Usim {
    /// A USIM as it leaves its manufacturer: it has not accepted any sequence number yet.
    #[must_use]
    pub fn new(k: &Key128, opc: &Key128) -> Self {
        Self {
            milenage: Milenage::new(&K::new(k.expose()), &Opc::new(opc.expose())),
            sqn: SqnArray::default(),
        }
    }

    /// As [`Usim::new`], from OP in place of OPc (TS 35.206 §4.1).
    #[must_use]
    pub fn from_op(k: &Key128, op: &Key128) -> Self {
        let k = K::new(k.expose());
        Self {
            milenage: Milenage::new(&k, &Opc::from_op(&k, &Op::new(op.expose()))),
            sqn: SqnArray::default(),
        }
    }

    /// Goes on from sequence numbers accepted earlier, or under other limits.
    #[must_use]
    pub fn with_sqn(mut self, sqn: SqnArray) -> Self {
        self.sqn = sqn;
        self
    }

    /// The sequence numbers accepted so far.
    #[must_use]
    pub fn sqn(&self) -> &SqnArray {
        &self.sqn
    }
}
