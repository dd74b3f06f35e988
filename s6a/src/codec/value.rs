//! Rust types as AVP data, RFC 6733 §4.2 to §4.4: what a grammar's fields may be.

use std::{fmt, marker::PhantomData, net::IpAddr};

use super::{Avp, AvpDef, Avps, DecodeError, Member, ResultCode, Writer};

/// The data of one AVP, read by borrowing from the message and written by appending.
pub trait Value<'a>: Sized {
    /// The AVPs inside, of a group; else empty.
    const MEMBERS: &'static [Member] = &[];

    /// Reads the AVP; groups may hold `depth` further levels.
    ///
    /// # Errors
    /// What is wrong, with the AVP (inside the groups that hold it) as Failed-AVP.
    fn read(avp: &Avp<'a>, depth: u8) -> Result<Self, DecodeError>;

    /// Writes the AVP under this definition's code, vendor and flags.
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>);
}

impl<'a> Value<'a> for u32 {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.u32()
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.u32(def, *self);
    }
}

impl<'a> Value<'a> for i32 {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.i32()
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.i32(def, *self);
    }
}

impl<'a> Value<'a> for u64 {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.u64()
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.u64(def, *self);
    }
}

impl<'a> Value<'a> for &'a str {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.str()
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.str(def, self);
    }
}

impl<'a> Value<'a> for &'a [u8] {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        Ok(avp.data)
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.octets(def, self);
    }
}

impl<'a, const N: usize> Value<'a> for [u8; N] {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.array()
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.octets(def, self);
    }
}

impl<'a> Value<'a> for IpAddr {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.address()
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.address(def, *self);
    }
}

impl<'a> Value<'a> for ResultCode {
    #[inline]
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.u32().map(Self)
    }

    #[inline]
    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.u32(def, self.0);
    }
}

/// A whole AVP as it was on the wire, header included: what is echoed unchanged, as Proxy-Info
/// (RFC 6733 §6.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawAvp<'a>(&'a [u8]);

impl<'a> RawAvp<'a> {
    /// Takes the first AVP of `octets`, which is written without being changed.
    ///
    /// # Errors
    /// 5014 if there is no well-formed AVP.
    pub fn new(octets: &'a [u8]) -> Result<Self, DecodeError> {
        match Avps::new(octets).next() {
            Some(avp) => Ok(Self(avp?.raw)),
            None => Err(DecodeError::new(ResultCode::INVALID_AVP_LENGTH, "there is no AVP")),
        }
    }

    /// The AVP, read again.
    ///
    /// # Errors
    /// As its constructor: none for one that exists.
    pub fn avp(&self) -> Result<Avp<'a>, DecodeError> {
        Avps::new(self.0)
            .next()
            .unwrap_or_else(|| Err(DecodeError::new(ResultCode::INVALID_AVP_LENGTH, "there is no AVP")))
    }

    /// Header, data and padding.
    #[must_use]
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for RawAvp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.avp() {
            Ok(avp) => write!(f, "AVP {} of vendor {}, {} octets", avp.code, avp.vendor, avp.data.len()),
            Err(_) => f.write_str("no AVP"),
        }
    }
}

impl<'a> Value<'a> for RawAvp<'a> {
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        Ok(Self(avp.raw))
    }

    fn write(&self, _: &AvpDef, writer: &mut Writer<'_>) {
        writer.raw(self.0);
    }
}

/// An AVP that may occur more than once (`*[ … ]` in a grammar), without an allocation: either where it
/// stands in a message, already checked, or a slice of values to be sent.
pub struct Repeated<'a, T>(Source<'a, T>);

enum Source<'a, T> {
    Wire { octets: &'a [u8], key: u64, count: usize, depth: u8, of: PhantomData<T> },
    Slice(&'a [T]),
}

impl<T> Clone for Repeated<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Repeated<'_, T> {}

impl<T> Clone for Source<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Source<'_, T> {}

impl<T> Default for Repeated<'_, T> {
    fn default() -> Self {
        Self(Source::Slice(&[]))
    }
}

impl<'a, T> From<&'a [T]> for Repeated<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self(Source::Slice(values))
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Repeated<'a, T> {
    fn from(values: &'a [T; N]) -> Self {
        Self(Source::Slice(values))
    }
}

impl<'a, T> From<&'a Vec<T>> for Repeated<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        Self(Source::Slice(values))
    }
}

impl<T> Repeated<'_, T> {
    /// How often it occurs.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Source::Wire { count, .. } => count,
            Source::Slice(values) => values.len(),
        }
    }

    /// Whether it does not occur.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T: Value<'a> + Copy> Repeated<'a, T> {
    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (octets, key, depth, values): (&[u8], _, _, &'a [T]) = match self.0 {
            Source::Wire { octets, key, depth, .. } => (octets, key, depth, &[]),
            Source::Slice(values) => (&[], 0, 0, values),
        };
        Avps::new(octets)
            .map_while(Result::ok)
            .filter(move |avp| avp.key() == key)
            // Checked when it was noted, so nothing is lost here.
            .filter_map(move |avp| T::read(&avp, depth).ok())
            .chain(values.iter().copied())
    }

    /// The first value.
    #[must_use]
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// Checks one more occurrence in the message or group whose AVPs are `octets`.
    pub(crate) fn note(&mut self, octets: &'a [u8], avp: &Avp<'a>, depth: u8) -> Result<(), DecodeError> {
        T::read(avp, depth)?;
        let count = self.len() + 1;
        self.0 = Source::Wire { octets, key: avp.key(), count, depth, of: PhantomData };
        Ok(())
    }
}

impl<'a, T: Value<'a> + Copy + PartialEq> PartialEq for Repeated<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<'a, T: Value<'a> + Copy + Eq> Eq for Repeated<'a, T> {}

impl<'a, T: Value<'a> + Copy + fmt::Debug> fmt::Debug for Repeated<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
