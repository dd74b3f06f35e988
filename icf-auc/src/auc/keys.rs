//! The keys that the AuC keeps for a subscriber: K and OPc (TS 35.206 §2.3, §4.1).

use schemas::secret::Key128;

use super::functions::{self, PreparedKeys};

/// The long-term secrets of one subscriber. Neither prints, both are wiped when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberKeys {
    k: Key128,
    opc: Key128,
}

impl SubscriberKeys {
    /// From K and OPc, as credentials are stored.
    #[must_use]
    pub fn from_opc(k: Key128, opc: Key128) -> Self {
        Self { k, opc }
    }

    /// From K and the operator's OP: OPc = OP ⊕ E\[OP\]K (TS 35.206 §4.1). Only OPc is kept.
    #[must_use]
    pub fn from_op(k: Key128, op: &Key128) -> Self {
        let opc = functions::opc(&k, op);
        Self { k, opc }
    }

    /// K, 128 bits.
    #[must_use]
    pub fn k(&self) -> &Key128 {
        &self.k
    }

    /// OPc, 128 bits.
    #[must_use]
    pub fn opc(&self) -> &Key128 {
        &self.opc
    }

    /// Expands K into AES round keys, so that a vector need not.
    #[must_use]
    pub fn prepare(&self) -> PreparedKeys {
        PreparedKeys::new(&self.k, &self.opc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_keys_shows_no_secret() {
        let keys = SubscriberKeys::from_opc(Key128::new([0xab; 16]), Key128::new([0xcd; 16]));
        for text in [format!("{keys:?}"), format!("{:?}", keys.prepare())] {
            for digits in ["ab", "cd", "171", "205"] {
                assert!(!text.contains(&digits.repeat(2)), "{text}");
            }
        }
        assert_eq!(format!("{keys:?}"), "SubscriberKeys { k: Key128(…), opc: Key128(…) }");
        assert_eq!(format!("{:?}", keys.prepare()), "PreparedKeys(…)");
    }
}
