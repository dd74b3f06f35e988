//! Milenage: f1, f1*, f2, f3, f4, f5, f5* (TS 35.206 §4.1) on expanded keys.
//!
//! Crate `milenage` computes the same, but expands K for each of the six AES blocks of a vector and
//! encrypts them one after the other; here K is expanded once a subscriber and OUT1 to OUT4, which do not
//! depend on one another, run side by side. `benches/vector.rs` has the numbers; the tests hold this
//! against that crate, `oxirush-security`, `osmo-auc-gen` and TS 35.208.

use std::fmt;

use aes::{
    Aes128Enc, Block,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use schemas::secret::Key128;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{amf::Amf, sqn::Sqn};

/// Rotations r1 to r5 in bits (TS 35.206 §4.1).
const R: [u32; 5] = [64, 0, 32, 64, 96];
/// Constants c1 to c5 (TS 35.206 §4.1).
const C: [u128; 5] = [0, 1, 2, 4, 8];

/// K expanded into its AES round keys, and OPc, so that several vectors cost one key schedule. Wiped when
/// dropped; shows nothing.
///
/// It takes 192 octets on x86-64, where expanding K takes some 30 ns of a vector's 300 (benchmark
/// `parts/prepare`). Where so many subscribers are in memory that this counts, keep
/// [`SubscriberKeys`](super::keys::SubscriberKeys), 32 octets, and prepare them for each request.
#[derive(Clone)]
pub struct PreparedKeys {
    cipher: Aes128Enc,
    opc: u128,
}

/// What f1 to f5 make of one RAND, SQN and AMF.
pub(super) struct Outputs {
    pub(super) mac_a: [u8; 8],
    pub(super) xres: [u8; 8],
    pub(super) ck: [u8; 16],
    pub(super) ik: [u8; 16],
    pub(super) ak: [u8; 6],
}

impl PreparedKeys {
    pub(super) fn new(k: &Key128, opc: &Key128) -> Self {
        Self { cipher: Aes128Enc::new(k.expose().into()), opc: u128::from_be_bytes(*opc.expose()) }
    }

    fn encrypt(&self, input: u128) -> u128 {
        let mut block = Block::from(input.to_be_bytes());
        self.cipher.encrypt_block(&mut block);
        u128::from_be_bytes(block.into())
    }

    /// TEMP = E\[RAND ⊕ OPc\]K.
    fn temp(&self, rand: &[u8; 16]) -> u128 {
        self.encrypt(u128::from_be_bytes(*rand) ^ self.opc)
    }

    /// The AES input of OUT1: TEMP ⊕ rot(IN1 ⊕ OPc, r1) ⊕ c1, where IN1 = SQN ‖ AMF ‖ SQN ‖ AMF.
    fn input_1(&self, temp: u128, sqn: Sqn, amf: Amf) -> u128 {
        let half = sqn.value() << 16 | u64::from(u16::from_be_bytes(amf.octets()));
        let in1 = u128::from(half) << 64 | u128::from(half);
        temp ^ (in1 ^ self.opc).rotate_left(R[0]) ^ C[0]
    }

    /// The AES input of OUTi+1, i = 1 to 4: rot(TEMP ⊕ OPc, r) ⊕ c.
    fn input(&self, temp: u128, i: usize) -> u128 {
        (temp ^ self.opc).rotate_left(R[i]) ^ C[i]
    }

    /// f1 to f5 at once.
    pub(super) fn outputs(&self, rand: &[u8; 16], sqn: Sqn, amf: Amf) -> Outputs {
        let temp = self.temp(rand);
        let inputs =
            [self.input_1(temp, sqn, amf), self.input(temp, 1), self.input(temp, 2), self.input(temp, 3)];
        let mut blocks = inputs.map(|input| Block::from(input.to_be_bytes()));
        self.cipher.encrypt_blocks(&mut blocks);
        let [out1, out2, out3, out4] = blocks.map(|block| u128::from_be_bytes(block.into()) ^ self.opc);
        Outputs {
            mac_a: high_64(out1),
            xres: low_64(out2),
            ck: out3.to_be_bytes(),
            ik: out4.to_be_bytes(),
            ak: high_48(out2),
        }
    }

    /// OUT1: f1 in its first half, f1* in its second.
    fn out_1(&self, rand: &[u8; 16], sqn: Sqn, amf: Amf) -> u128 {
        self.encrypt(self.input_1(self.temp(rand), sqn, amf)) ^ self.opc
    }

    /// f1: MAC-A, 64 bits, of the network authentication.
    #[must_use]
    pub fn f1(&self, rand: &[u8; 16], sqn: Sqn, amf: Amf) -> [u8; 8] {
        high_64(self.out_1(rand, sqn, amf))
    }

    /// f1*: MAC-S, 64 bits, of the resynchronisation.
    #[must_use]
    pub fn f1_star(&self, rand: &[u8; 16], sqn: Sqn, amf: Amf) -> [u8; 8] {
        low_64(self.out_1(rand, sqn, amf))
    }

    /// f5*: AK, 48 bits, that conceals SQN_MS in an AUTS.
    #[must_use]
    pub fn f5_star(&self, rand: &[u8; 16]) -> [u8; 6] {
        high_48(self.encrypt(self.input(self.temp(rand), 4)) ^ self.opc)
    }
}

impl Drop for PreparedKeys {
    fn drop(&mut self) {
        // The cipher wipes its round keys itself (feature `zeroize` of crate aes).
        self.opc.zeroize();
    }
}

impl ZeroizeOnDrop for PreparedKeys {}

impl fmt::Debug for PreparedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedKeys(…)")
    }
}

/// OPc = OP ⊕ E\[OP\]K (TS 35.206 §4.1).
pub(super) fn opc(k: &Key128, op: &Key128) -> Key128 {
    let mut block = Block::from(*op.expose());
    Aes128Enc::new(k.expose().into()).encrypt_block(&mut block);
    let mut opc: [u8; 16] = block.into();
    for (octet, op) in opc.iter_mut().zip(op.expose()) {
        *octet ^= op;
    }
    let key = Key128::new(opc);
    opc.zeroize();
    key
}

fn high_64(out: u128) -> [u8; 8] {
    ((out >> 64) as u64).to_be_bytes()
}

fn low_64(out: u128) -> [u8; 8] {
    (out as u64).to_be_bytes()
}

fn high_48(out: u128) -> [u8; 6] {
    let [a, b, c, d, e, f, ..] = out.to_be_bytes();
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auc::keys::SubscriberKeys;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn prepared_keys_take_192_octets() {
        assert_eq!((size_of::<PreparedKeys>(), size_of::<SubscriberKeys>()), (192, 32));
    }

    /// Found at run time, without compiler flags.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn aes_instructions_are_used_where_the_processor_has_them() {
        assert_eq!(aes::hardware_accelerated(), std::arch::is_x86_feature_detected!("aes"));
    }
}
