//! Authentication vectors: E-UTRAN (TS 33.401 §6.1.2, annex A.2), UTRAN (TS 33.102 §6.3.2) and the GERAN
//! triplet converted from it (§6.8.1.2).
//!
//! None of them prints its secrets. They are not wiped, unlike K and OPc: they live for one answer and go into
//! it in the clear; wiping them would cost a quarter of the vector's time.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use schemas::identity::Plmn;
use sha2::Sha256;

use super::{
    amf::Amf,
    functions::{Outputs, PreparedKeys},
    sqn::Sqn,
};

/// What an MME gets: RAND, XRES, AUTN, KASME (TS 33.401 §6.1.2). KASME is bound to the serving network; CK
/// and IK never leave the AuC.
#[derive(Clone, PartialEq, Eq)]
pub struct EutranVector {
    /// Challenge, 128 bits.
    pub rand: [u8; 16],
    /// Expected response, 64 bits (f2).
    pub xres: [u8; 8],
    /// SQN ⊕ AK ‖ AMF ‖ MAC-A, 128 bits.
    pub autn: [u8; 16],
    /// Key of the access security management entity, 256 bits.
    pub kasme: [u8; 32],
}

/// What an SGSN gets, the quintet: RAND, XRES, AUTN, CK, IK (TS 33.102 §6.3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct UtranVector {
    /// Challenge, 128 bits.
    pub rand: [u8; 16],
    /// Expected response, 64 bits (f2).
    pub xres: [u8; 8],
    /// SQN ⊕ AK ‖ AMF ‖ MAC-A, 128 bits.
    pub autn: [u8; 16],
    /// Cipher key, 128 bits (f3).
    pub ck: [u8; 16],
    /// Integrity key, 128 bits (f4).
    pub ik: [u8; 16],
}

/// What an SGSN without UMTS AKA gets (TS 33.102 §6.8.1.2).
#[derive(Clone, PartialEq, Eq)]
pub struct GeranTriplet {
    /// Challenge, 128 bits.
    pub rand: [u8; 16],
    /// Expected response, 32 bits.
    pub sres: [u8; 4],
    /// Cipher key, 64 bits.
    pub kc: [u8; 8],
}

impl EutranVector {
    /// The vector of `rand` and `sqn` for a UE that `serving_network`, the Visited-PLMN-Id, authenticates.
    /// The AMF separation bit is set whatever `amf` says: a UE rejects an AUTN without it over E-UTRAN
    /// (TS 33.401 §6.1.1).
    #[must_use]
    pub fn generate(keys: &PreparedKeys, rand: [u8; 16], sqn: Sqn, amf: Amf, serving_network: Plmn) -> Self {
        let amf = amf.with_separation_bit(true);
        let out = keys.outputs(&rand, sqn, amf);
        let autn = autn(&out, sqn, amf);
        let [a, b, c, d, e, f, ..] = autn;
        let kasme = kasme(&out.ck, &out.ik, serving_network, [a, b, c, d, e, f]);
        Self { rand, xres: out.xres, autn, kasme }
    }
}

impl UtranVector {
    /// The vector of `rand` and `sqn`. The AMF separation bit is clear whatever `amf` says: a vector with
    /// it set is for EPS alone (TS 33.401 §6.1.1, TS 33.102 annex H).
    #[must_use]
    pub fn generate(keys: &PreparedKeys, rand: [u8; 16], sqn: Sqn, amf: Amf) -> Self {
        let amf = amf.with_separation_bit(false);
        let out = keys.outputs(&rand, sqn, amf);
        Self { rand, xres: out.xres, autn: autn(&out, sqn, amf), ck: out.ck, ik: out.ik }
    }

    /// The triplet of this quintet by conversion functions c2 and c3 (TS 33.102 §6.8.1.2).
    #[must_use]
    pub fn geran(&self) -> GeranTriplet {
        // c2: SRES = XRES*1 ⊕ XRES*2 ⊕ XRES*3 ⊕ XRES*4, where XRES* is XRES with zeros up to 128 bits.
        let xres = u64::from_be_bytes(self.xres);
        let sres = ((xres >> 32) ^ xres) as u32;
        // c3: Kc = CK1 ⊕ CK2 ⊕ IK1 ⊕ IK2, 64 bits each.
        let both = u128::from_be_bytes(self.ck) ^ u128::from_be_bytes(self.ik);
        let kc = ((both >> 64) ^ both) as u64;
        GeranTriplet { rand: self.rand, sres: sres.to_be_bytes(), kc: kc.to_be_bytes() }
    }
}

/// KASME of CK, IK, serving network and SQN ⊕ AK: HMAC-SHA-256 with key CK ‖ IK over FC ‖ P0 ‖ L0 ‖ P1 ‖ L1
/// (TS 33.401 annex A.2, TS 33.220 annex B.2).
#[must_use]
pub fn kasme(ck: &[u8; 16], ik: &[u8; 16], serving_network: Plmn, sqn_xor_ak: [u8; 6]) -> [u8; 32] {
    /// FC of KASME (TS 33.401 annex A.2).
    const FC: u8 = 0x10;
    // HMAC fills a key shorter than a block with zeros; done here, it takes the key without a length check.
    let mut key = [0; 64];
    key[..16].copy_from_slice(ck);
    key[16..32].copy_from_slice(ik);
    let mut s = [0; 14];
    s[0] = FC;
    s[1..4].copy_from_slice(&serving_network.octets());
    s[4..6].copy_from_slice(&3u16.to_be_bytes());
    s[6..12].copy_from_slice(&sqn_xor_ak);
    s[12..].copy_from_slice(&6u16.to_be_bytes());
    Hmac::<Sha256>::new(&key.into()).chain_update(s).finalize().into_bytes().into()
}

/// AUTN = SQN ⊕ AK ‖ AMF ‖ MAC-A (TS 33.102 §6.3.2).
fn autn(out: &Outputs, sqn: Sqn, amf: Amf) -> [u8; 16] {
    let mut autn = [0; 16];
    for (slot, (sqn, ak)) in autn.iter_mut().zip(sqn.octets().iter().zip(&out.ak)) {
        *slot = sqn ^ ak;
    }
    autn[6..8].copy_from_slice(&amf.octets());
    autn[8..].copy_from_slice(&out.mac_a);
    autn
}

impl fmt::Debug for EutranVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("EutranVector", &self.rand, f)
    }
}

impl fmt::Debug for UtranVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("UtranVector", &self.rand, f)
    }
}

impl fmt::Debug for GeranTriplet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("GeranTriplet", &self.rand, f)
    }
}

/// RAND alone, by which a trace finds the vector: it goes over the air in the clear, the rest is secret.
fn show(name: &str, rand: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(RAND {:032x}, …)", u128::from_be_bytes(*rand))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_vector_shows_rand_alone() {
        let vector = EutranVector { rand: [0x23; 16], xres: [0xab; 8], autn: [0xcd; 16], kasme: [0xef; 32] };
        assert_eq!(format!("{vector:?}"), format!("EutranVector(RAND {}, …)", "23".repeat(16)));
    }
}
