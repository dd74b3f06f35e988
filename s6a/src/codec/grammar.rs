//! Commands and groups written as their specification writes them, RFC 6733 §3.2 and §4.4.
//!
//! | here | there | field |
//! |---|---|---|
//! | `< f: T = AVP >` | `< AVP >` | `T`, written at its place; accepted anywhere |
//! | `{ f: T = AVP }` | `{ AVP }` | `T`, 5005 if missing |
//! | `[ f: T = AVP ]` | `[ AVP ]` | `Option<T>` |
//! | `*[ f: T = AVP ]` | `*[ AVP ]` | `Repeated<T>` |
//! | `1*{ f: T = AVP }` | `1*{ AVP }` | `Repeated<T>`, 5005 if there is none |
//! | `[ outcome: Outcome = RESULT_CODE \| EXPERIMENTAL_RESULT ]` | `[ Result-Code ] [ Experimental-Result ]` | `Outcome`, 5005 if both are missing |
//!
//! `*[ AVP ]` is understood: an AVP that the grammar does not name is skipped, unless it has the M bit and
//! no specification known here defines it (5001).

use super::{Avp, AvpDef, AvpFlags, DecodeError, ResultCode, Value, dictionary};

impl Avp<'_> {
    /// RFC 6733 §4.1: "an unrecognized bit SHOULD be considered an error", and §4.1.1: Vendor-Id zero
    /// must not be used; both are 3009 (§7.1.3).
    #[inline]
    pub(crate) fn check_bits(&self) -> Result<(), DecodeError> {
        const RESERVED: u8 = 0x1f;
        let vendor_zero = self.flags.has(AvpFlags::VENDOR) && self.vendor == 0;
        if self.flags.0 & RESERVED != 0 || vendor_zero { Err(self.wrong_bits()) } else { Ok(()) }
    }

    #[cold]
    fn wrong_bits(&self) -> DecodeError {
        self.error(ResultCode::INVALID_AVP_BITS, "an AVP has a reserved bit, or V with Vendor-Id 0")
    }

    /// Skips an AVP that a grammar does not name, RFC 6733 §4.1 on the M bit.
    #[inline]
    pub(crate) fn skip(&self) -> Result<(), DecodeError> {
        if self.mandatory() && dictionary::find(self.code, self.vendor).is_none() {
            return Err(self.error(ResultCode::AVP_UNSUPPORTED, "an AVP with the M bit is not known here"));
        }
        Ok(())
    }
}

/// Takes an AVP that occurs at most once; 5009 with the second one (RFC 6733 §7.1.5).
#[inline]
pub(crate) fn take_one<'a, T: Value<'a>>(
    slot: &mut Option<T>,
    avp: &Avp<'a>,
    depth: u8,
) -> Result<(), DecodeError> {
    if slot.is_some() {
        return Err(avp.error(ResultCode::AVP_OCCURS_TOO_MANY_TIMES, "an AVP occurs more than once"));
    }
    *slot = Some(T::read(avp, depth)?);
    Ok(())
}

/// As [`take_one`] for a number that may be repeated as long as it stays the same: 5009 for two different ones.
pub(crate) fn take_one_value(slot: &mut Option<u32>, avp: &Avp<'_>) -> Result<(), DecodeError> {
    let value = avp.u32()?;
    if slot.is_some_and(|before| before != value) {
        let what = "an AVP occurs more than once, with different values";
        return Err(avp.error(ResultCode::AVP_OCCURS_TOO_MANY_TIMES, what));
    }
    *slot = Some(value);
    Ok(())
}

/// 5005 with an example of what is missing (RFC 6733 §7.5).
#[cold]
pub(crate) fn missing(def: &AvpDef) -> DecodeError {
    let zeros = [0; 8];
    let mut failed = Vec::with_capacity(20);
    super::Writer::avps(&mut failed).octets(def, &zeros[..def.kind.min_len()]);
    DecodeError::new(ResultCode::MISSING_AVP, "a required AVP is missing").with_failed(&failed)
}

/// Sorts the entries of a grammar into `(occurrence field (Type) AVP second-AVP)` for `fields!`.
macro_rules! entries {
    ([$($prefix:tt)*] [$($done:tt)*]) => { $crate::codec::grammar::fields! { $($prefix)* { $($done)* } } };
    ([$($prefix:tt)*] [$($done:tt)*] < $f:ident: $t:ty = $d:ident > $($rest:tt)*) => {
        $crate::codec::grammar::entries! { [$($prefix)*] [$($done)* (required $f ($t) $d $d)] $($rest)* }
    };
    ([$($prefix:tt)*] [$($done:tt)*] { $f:ident: $t:ty = $d:ident } $($rest:tt)*) => {
        $crate::codec::grammar::entries! { [$($prefix)*] [$($done)* (required $f ($t) $d $d)] $($rest)* }
    };
    ([$($prefix:tt)*] [$($done:tt)*] [ $f:ident: $t:ty = $d:ident ] $($rest:tt)*) => {
        $crate::codec::grammar::entries! { [$($prefix)*] [$($done)* (optional $f ($t) $d $d)] $($rest)* }
    };
    ([$($prefix:tt)*] [$($done:tt)*] [ $f:ident: $t:ty = $d:ident | $e:ident ] $($rest:tt)*) => {
        $crate::codec::grammar::entries! { [$($prefix)*] [$($done)* (outcome $f ($t) $d $e)] $($rest)* }
    };
    ([$($prefix:tt)*] [$($done:tt)*] *[ $f:ident: $t:ty = $d:ident ] $($rest:tt)*) => {
        $crate::codec::grammar::entries! { [$($prefix)*] [$($done)* (repeated $f ($t) $d $d)] $($rest)* }
    };
    ([$($prefix:tt)*] [$($done:tt)*] 1 * { $f:ident: $t:ty = $d:ident } $($rest:tt)*) => {
        $crate::codec::grammar::entries! { [$($prefix)*] [$($done)* (several $f ($t) $d $d)] $($rest)* }
    };
}

macro_rules! field_type {
    (required $t:ty) => { $t };
    (outcome $t:ty) => { $t };
    (optional $t:ty) => { Option<$t> };
    (repeated $t:ty) => { $crate::codec::Repeated<'a, $t> };
    (several $t:ty) => { $crate::codec::Repeated<'a, $t> };
}

macro_rules! slot_type {
    (required $t:ty) => { Option<$t> };
    (outcome $t:ty) => { Option<$t> };
    (optional $t:ty) => { Option<$t> };
    (repeated $t:ty) => { $crate::codec::Repeated<'a, $t> };
    (several $t:ty) => { $crate::codec::Repeated<'a, $t> };
}

macro_rules! take {
    (repeated $slot:ident $avp:ident $octets:ident $depth:ident) => {
        $slot.note($octets, &$avp, $depth)?
    };
    (several $slot:ident $avp:ident $octets:ident $depth:ident) => {
        $slot.note($octets, &$avp, $depth)?
    };
    (outcome $slot:ident $avp:ident $octets:ident $depth:ident) => {
        $crate::base::Outcome::take(&mut $slot, &$avp, $depth)?
    };
    ($other:ident $slot:ident $avp:ident $octets:ident $depth:ident) => {
        $crate::codec::grammar::take_one(&mut $slot, &$avp, $depth)?
    };
}

macro_rules! fill {
    (optional $slot:ident $d:ident) => {
        $slot
    };
    (repeated $slot:ident $d:ident) => {
        $slot
    };
    (several $slot:ident $d:ident) => {
        if $slot.is_empty() { return Err($crate::codec::grammar::missing(&$d)) } else { $slot }
    };
    ($required:ident $slot:ident $d:ident) => {
        match $slot {
            Some(value) => value,
            None => return Err($crate::codec::grammar::missing(&$d)),
        }
    };
}

macro_rules! put {
    (optional $value:expr, $d:ident, $w:ident) => {
        if let Some(value) = &$value {
            $crate::codec::Value::write(value, &$d, $w)
        }
    };
    (repeated $value:expr, $d:ident, $w:ident) => {
        for value in $value.iter() {
            $crate::codec::Value::write(&value, &$d, $w)
        }
    };
    (several $value:expr, $d:ident, $w:ident) => {
        for value in $value.iter() {
            $crate::codec::Value::write(&value, &$d, $w)
        }
    };
    ($required:ident $value:expr, $d:ident, $w:ident) => {
        $crate::codec::Value::write(&$value, &$d, $w)
    };
}

/// The table of a grammar's AVPs; an outcome stands for two.
macro_rules! members {
    ([$($done:tt)*]) => { &[$($done)*] };
    ([$($done:tt)*] (outcome ($t:ty) $d:ident $alt:ident) $($rest:tt)*) => {
        $crate::codec::grammar::members! {
            [$($done)*
                $crate::codec::Member { def: &$d, occurs: $crate::codec::Occurs::Either, members: &[] },
                $crate::codec::Member {
                    def: &$alt,
                    occurs: $crate::codec::Occurs::Either,
                    members: <$t as $crate::codec::Value<'a>>::MEMBERS,
                },
            ] $($rest)*
        }
    };
    ([$($done:tt)*] ($occ:ident ($t:ty) $d:ident $alt:ident) $($rest:tt)*) => {
        $crate::codec::grammar::members! {
            [$($done)*
                $crate::codec::Member {
                    def: &$d,
                    occurs: $crate::codec::grammar::occurs!($occ),
                    members: <$t as $crate::codec::Value<'a>>::MEMBERS,
                },
            ] $($rest)*
        }
    };
}

macro_rules! occurs {
    (required) => {
        $crate::codec::Occurs::Once
    };
    (optional) => {
        $crate::codec::Occurs::AtMostOnce
    };
    (repeated) => {
        $crate::codec::Occurs::Any
    };
    (several) => {
        $crate::codec::Occurs::AtLeastOnce
    };
}

/// The struct and its two directions, from sorted entries.
macro_rules! fields {
    ($(#[$meta:meta])* [$name:ident $($lt:lifetime)?]
     { $(($occ:ident $f:ident ($t:ty) $d:ident $alt:ident))* }) => {
        $(#[$meta])*
        pub struct $name $(<$lt>)? {
            $(
                #[doc = concat!("AVP `", stringify!($d), "` of the dictionary, ", stringify!($occ), ".")]
                pub $f: $crate::codec::grammar::field_type!($occ $t),
            )*
        }

        impl<'a> $name $(<$lt>)? {
            /// What its specification names, in the order in which it is written.
            pub const MEMBERS: &'static [$crate::codec::Member] =
                $crate::codec::grammar::members! { [] $(($occ ($t) $d $alt))* };

            /// One pass over the AVPs of a message or group.
            fn read_avps(octets: &'a [u8], depth: u8) -> Result<Self, $crate::codec::DecodeError> {
                struct Key;
                struct Alt;
                #[allow(non_upper_case_globals)]
                impl Key { $(const $f: u64 = $d.key();)* }
                // Only an outcome has a second AVP.
                #[allow(non_upper_case_globals)]
                impl Alt { $(const $f: u64 = $alt.key();)* }

                $(let mut $f = <$crate::codec::grammar::slot_type!($occ $t)>::default();)*
                for avp in $crate::codec::Avps::new(octets) {
                    let avp = avp?;
                    avp.check_bits()?;
                    #[allow(unreachable_patterns)]
                    match avp.key() {
                        $(Key::$f | Alt::$f => $crate::codec::grammar::take!($occ $f avp octets depth),)*
                        _ => avp.skip()?,
                    }
                }
                Ok(Self { $($f: $crate::codec::grammar::fill!($occ $f $d),)* })
            }

            fn write_avps(&self, writer: &mut $crate::codec::Writer<'_>) {
                $($crate::codec::grammar::put!($occ self.$f, $d, writer);)*
            }
        }

        #[cfg(test)]
        impl<'a> $crate::codec::sample::Sample<'a> for $name $(<$lt>)? {
            fn sample(source: &mut $crate::codec::sample::Source) -> Self {
                Self { $($f: $crate::codec::sample::sample_field!($occ source)),* }
            }
        }
    };
}

/// A grouped AVP (RFC 6733 §4.4): `Name ::= entries`.
macro_rules! group {
    ($(#[$meta:meta])* pub struct $name:ident $(<$lt:lifetime>)? ::= $($entries:tt)*) => {
        $crate::codec::grammar::entries! {
            [$(#[$meta])* #[derive(Clone, Copy, PartialEq, Eq, Default)] [$name $($lt)?]] []
            $($entries)*
        }

        impl<'a> $crate::codec::Value<'a> for $name $(<$lt>)? {
            const MEMBERS: &'static [$crate::codec::Member] = Self::MEMBERS;

            fn read(avp: &$crate::codec::Avp<'a>, depth: u8) -> Result<Self, $crate::codec::DecodeError> {
                avp.enter(depth)?;
                Self::read_avps(avp.data, depth - 1).map_err(|error| error.inside(avp))
            }

            fn write(&self, def: &$crate::codec::AvpDef, writer: &mut $crate::codec::Writer<'_>) {
                writer.group(def, |writer| self.write_avps(writer));
            }
        }
    };
}

/// A command (RFC 6733 §3.2): `Name ::= < Diameter Header: code, REQ, PXY, application > entries`.
///
/// A request has `encode(out, hop_by_hop, end_to_end)`; an answer, marked `by` the field that says how it
/// went, `encode(out, request header)`. Both have `decode(message)`.
macro_rules! command {
    ($(#[$meta:meta])* pub struct $name:ident<$lt:lifetime> $(by $result:ident)? ::=
     < Diameter Header: $code:literal $(, $flag:tt)* > $($entries:tt)*) => {
        $crate::codec::grammar::entries! {
            [$(#[$meta])* #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)] [$name $lt]] []
            $($entries)*
        }

        impl<'a> $name<'a> {
            /// Command code.
            pub const CODE: u32 = $code;
            /// Application id, 0 for the base protocol.
            pub const APPLICATION: u32 = $crate::codec::grammar::application!($($flag)*);
            /// The bits R and P of the command's definition (RFC 6733 §3).
            pub const FLAGS: $crate::codec::CommandFlags =
                $crate::codec::CommandFlags(0)$(.with($crate::codec::grammar::flag!($flag)))*;

            /// Reads the command from a message.
            ///
            /// # Errors
            /// 3001, 3007, 3008 if the header is that of another command, 5001, 5004, 5005, 5009, 5014 or
            /// 3009 with Failed-AVP for its AVPs (RFC 6733 §7.1.3, §7.1.5).
            pub fn decode(message: &$crate::codec::Message<'a>) -> Result<Self, $crate::codec::DecodeError> {
                message.header.expect(Self::CODE, Self::APPLICATION, Self::FLAGS)?;
                Self::read_avps(message.body(), $crate::codec::avp::MAX_DEPTH)
            }
        }

        $crate::codec::grammar::encode! { $name $($result)? }
    };
}

macro_rules! encode {
    ($name:ident) => {
        impl $name<'_> {
            /// Appends the request to `out`.
            pub fn encode(&self, out: &mut Vec<u8>, hop_by_hop: u32, end_to_end: u32) {
                let header = $crate::codec::Header {
                    length: 0,
                    flags: Self::FLAGS,
                    command: Self::CODE,
                    application: Self::APPLICATION,
                    hop_by_hop,
                    end_to_end,
                };
                let mut writer = $crate::codec::Writer::new(out, &header);
                self.write_avps(&mut writer);
                writer.finish();
            }
        }
    };
    ($name:ident $result:ident) => {
        impl $name<'_> {
            /// Appends the answer to the request with this header to `out`; the E bit is set for a
            /// protocol error (RFC 6733 §7.1.3).
            pub fn encode(&self, out: &mut Vec<u8>, request: &$crate::codec::Header) {
                let mut header = request.answer();
                if self.$result.is_protocol_error() {
                    header.flags = header.flags.with($crate::codec::CommandFlags::ERROR);
                }
                let mut writer = $crate::codec::Writer::new(out, &header);
                self.write_avps(&mut writer);
                writer.finish();
            }
        }
    };
}

macro_rules! flag {
    (REQ) => {
        $crate::codec::CommandFlags::REQUEST
    };
    (PXY) => {
        $crate::codec::CommandFlags::PROXIABLE
    };
    ($application:literal) => {
        $crate::codec::CommandFlags(0)
    };
}

macro_rules! application {
    () => { 0 };
    (REQ $($rest:tt)*) => { $crate::codec::grammar::application!($($rest)*) };
    (PXY $($rest:tt)*) => { $crate::codec::grammar::application!($($rest)*) };
    ($application:literal) => { $application };
}

/// An Enumerated (RFC 6733 §4.3.1) whose other values are refused with 5004.
macro_rules! enumerated {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $variant = $value,)* }

        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        #[cfg(test)]
        impl $crate::codec::sample::Sample<'_> for $name {
            fn sample(source: &mut $crate::codec::sample::Source) -> Self {
                Self::ALL[source.below(Self::ALL.len())]
            }
        }

        impl<'a> $crate::codec::Value<'a> for $name {
            fn read(avp: &$crate::codec::Avp<'a>, _: u8) -> Result<Self, $crate::codec::DecodeError> {
                match avp.u32()? {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(avp.error(
                        $crate::codec::ResultCode::INVALID_AVP_VALUE,
                        concat!("the value is none of ", stringify!($name)),
                    )),
                }
            }

            fn write(&self, def: &$crate::codec::AvpDef, writer: &mut $crate::codec::Writer<'_>) {
                writer.u32(def, *self as u32);
            }
        }
    };
}

/// An Unsigned32 that is a bit mask (`bits`); bits that are not named are kept. Or (`values`) an Enumerated
/// that others extend, where a value without a name is kept.
macro_rules! named {
    ($(#[$meta:meta])* pub struct $name:ident $kind:ident { $($(#[$doc:meta])* $const:ident = $value:expr,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            $($(#[$doc])* pub const $const: Self = Self($crate::codec::grammar::named!(@$kind $value));)*
        }

        $crate::codec::grammar::named! { @impl $kind $name }

        #[cfg(test)]
        impl $crate::codec::sample::Sample<'_> for $name {
            fn sample(source: &mut $crate::codec::sample::Source) -> Self {
                Self($crate::codec::sample::Sample::sample(source))
            }
        }

        impl<'a> $crate::codec::Value<'a> for $name {
            #[inline]
            fn read(avp: &$crate::codec::Avp<'a>, _: u8) -> Result<Self, $crate::codec::DecodeError> {
                avp.u32().map(Self)
            }

            #[inline]
            fn write(&self, def: &$crate::codec::AvpDef, writer: &mut $crate::codec::Writer<'_>) {
                writer.u32(def, self.0);
            }
        }
    };
    (@bits $value:expr) => { 1 << $value };
    (@values $value:expr) => { $value };
    (@impl values $name:ident) => {};
    (@impl bits $name:ident) => {
        impl $name {
            /// Whether all bits of `other` are set.
            #[must_use]
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Both sets of bits.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

pub(crate) use {
    application, command, encode, entries, enumerated, field_type, fields, fill, flag, group, members, named,
    occurs, put, slot_type, take,
};
