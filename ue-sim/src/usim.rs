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
use schemas::identity::Plmn;
use schemas::secret::Key128;

/// A USIM: K and OPc (TS 35.206 §2.3), and the sequence numbers it has accepted (TS 33.102 annex C.2).
///
/// Debug shows neither key.
#[derive(Clone, Debug)]
pub struct Usim {
    milenage: Milenage,
    sqn: SqnArray,
    /// EF FPLMN, the oldest first.
    forbidden_plmns: Vec<Plmn>,
}

/// Networks that EF FPLMN has room for: four are the least (TS 31.102 §4.2.16).
const FORBIDDEN_PLMNS: usize = 4;

impl Usim {
    /// A USIM as it leaves its manufacturer: it has not accepted any sequence number yet.
    #[must_use]
    pub fn new(k: &Key128, opc: &Key128) -> Self {
        Self {
            milenage: Milenage::new(&K::new(k.expose()), &Opc::new(opc.expose())),
            sqn: SqnArray::default(),
            forbidden_plmns: Vec::new(),
        }
    }

    /// As [`Usim::new`], from OP in place of OPc (TS 35.206 §4.1).
    #[must_use]
    pub fn from_op(k: &Key128, op: &Key128) -> Self {
        let k = K::new(k.expose());
        Self {
            milenage: Milenage::new(&k, &Opc::from_op(&k, &Op::new(op.expose()))),
            sqn: SqnArray::default(),
            forbidden_plmns: Vec::new(),
        }
    }

    /// Goes on from sequence numbers accepted earlier, or under other limits.
    #[must_use]
    pub fn with_sqn(mut self, sqn: SqnArray) -> Self {
        self.sqn = sqn;
        self
    }

    /// Goes on from what it remembered earlier. What does not fit into EF FPLMN, the oldest, is left out.
    #[must_use]
    pub fn with_state(mut self, state: &state::UsimState) -> Self {
        if let Some(array) = state.array() {
            self.sqn = array;
        }
        self.forbidden_plmns.clear();
        for plmn in &state.forbidden_plmns {
            self.forbid(*plmn);
        }
        self
    }

    /// The list of forbidden PLMNs, EF FPLMN (TS 31.102 §4.2.16), the oldest first.
    #[must_use]
    pub fn forbidden_plmns(&self) -> &[Plmn] {
        &self.forbidden_plmns
    }

    /// Puts a network on the list of forbidden PLMNs; where there is no room, the oldest goes (TS 23.122 §3.1).
    pub(crate) fn forbid(&mut self, plmn: Plmn) {
        self.permit(plmn);
        if self.forbidden_plmns.len() == FORBIDDEN_PLMNS {
            self.forbidden_plmns.remove(0);
        }
        self.forbidden_plmns.push(plmn);
    }

    /// Takes a network off the list of forbidden PLMNs; whether it was there.
    pub(crate) fn permit(&mut self, plmn: Plmn) -> bool {
        let before = self.forbidden_plmns.len();
        self.forbidden_plmns.retain(|there| *there != plmn);
        self.forbidden_plmns.len() < before
    }

    /// The sequence numbers accepted so far.
    #[must_use]
    pub fn sqn(&self) -> &SqnArray {
        &self.sqn
    }
}
