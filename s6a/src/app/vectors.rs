//! Authentication vectors and the request for them, TS 29.272 §7.3.11 to §7.3.20.
//!
//! `Debug` leaves out what a vector is secret for: XRES, SRES and the keys.

use std::fmt;

use crate::codec::{dictionary::s6a::*, grammar::group};

group! {
    /// Requested-EUTRAN-Authentication-Info (TS 29.272 §7.3.11) and
    /// Requested-UTRAN-GERAN-Authentication-Info (§7.3.12).
    #[derive(Debug)]
    pub struct RequestedVectors ::=
        [ number_of_requested_vectors: u32 = NUMBER_OF_REQUESTED_VECTORS ]
        [ immediate_response_preferred: u32 = IMMEDIATE_RESPONSE_PREFERRED ]
        [ re_synchronization_info: ResynchronizationInfo = RE_SYNCHRONIZATION_INFO ]
}

/// Re-Synchronization-Info, TS 29.272 §7.3.15: RAND (16 octets) and AUTS (14 octets).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResynchronizationInfo(pub [u8; 30]);

impl ResynchronizationInfo {
    /// From its parts.
    #[must_use]
    pub fn new(rand: [u8; 16], auts: [u8; 14]) -> Self {
        let mut octets = [0; 30];
        octets[..16].copy_from_slice(&rand);
        octets[16..].copy_from_slice(&auts);
        Self(octets)
    }

    /// The RAND of the challenge that failed.
    #[must_use]
    pub fn rand(&self) -> [u8; 16] {
        std::array::from_fn(|at| self.0[at])
    }

    /// AUTS, TS 33.102 §6.3.3.
    #[must_use]
    pub fn auts(&self) -> [u8; 14] {
        std::array::from_fn(|at| self.0[16 + at])
    }
}

impl<'a> crate::codec::Value<'a> for ResynchronizationInfo {
    /// Any length but 30 octets is refused with 5014.
    fn read(avp: &crate::codec::Avp<'a>, _: u8) -> Result<Self, crate::codec::DecodeError> {
        avp.array().map(Self)
    }

    fn write(&self, def: &crate::codec::AvpDef, writer: &mut crate::codec::Writer<'_>) {
        writer.octets(def, &self.0);
    }
}

group! {
    /// Authentication-Info, TS 29.272 §7.3.17.
    #[derive(Debug)]
    pub struct AuthenticationInfo<'a> ::=
        *[ eutran_vector: EutranVector<'a> = E_UTRAN_VECTOR ]
        *[ utran_vector: UtranVector<'a> = UTRAN_VECTOR ]
        *[ geran_vector: GeranVector = GERAN_VECTOR ]
}

group! {
    /// E-UTRAN-Vector, TS 29.272 §7.3.18.
    pub struct EutranVector<'a> ::=
        [ item_number: u32 = ITEM_NUMBER ]
        { rand: [u8; 16] = RAND }
        { xres: &'a [u8] = XRES }
        { autn: [u8; 16] = AUTN }
        { kasme: [u8; 32] = KASME }
}

group! {
    /// UTRAN-Vector, TS 29.272 §7.3.19.
    pub struct UtranVector<'a> ::=
        [ item_number: u32 = ITEM_NUMBER ]
        { rand: [u8; 16] = RAND }
        { xres: &'a [u8] = XRES }
        { autn: [u8; 16] = AUTN }
        { confidentiality_key: [u8; 16] = CONFIDENTIALITY_KEY }
        { integrity_key: [u8; 16] = INTEGRITY_KEY }
}

group! {
    /// GERAN-Vector, TS 29.272 §7.3.20.
    pub struct GeranVector ::=
        [ item_number: u32 = ITEM_NUMBER ]
        { rand: [u8; 16] = RAND }
        { sres: [u8; 4] = SRES }
        { kc: [u8; 8] = KC }
}

impl fmt::Debug for EutranVector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EutranVector").field("item_number", &self.item_number).finish_non_exhaustive()
    }
}

impl fmt::Debug for UtranVector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UtranVector").field("item_number", &self.item_number).finish_non_exhaustive()
    }
}

impl fmt::Debug for GeranVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeranVector").field("item_number", &self.item_number).finish_non_exhaustive()
    }
}
