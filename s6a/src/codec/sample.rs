//! Values of every type that a grammar knows, out of random octets: what the round trips are fed with.

use std::net::IpAddr;

use super::{RawAvp, Repeated, ResultCode, Writer, dictionary::base::*};
use crate::{
    app::{trace::TraceCollectionEntity, vectors::ResynchronizationInfo},
    base::{FailedAvp, Outcome},
};

/// Octets that decide everything; zeros when they run out.
pub(crate) struct Source(pub std::vec::IntoIter<u8>);

impl Source {
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }
}

pub(crate) trait Sample<'a>: Sized {
    fn sample(source: &mut Source) -> Self;
}

macro_rules! sample_field {
    (several $source:ident) => {
        $crate::codec::sample::several($source)
    };
    ($other:ident $source:ident) => {
        $crate::codec::sample::Sample::sample($source)
    };
}
pub(crate) use sample_field;

impl<'a, T: Sample<'a> + 'a> Sample<'a> for Repeated<'a, T> {
    fn sample(source: &mut Source) -> Self {
        let values: Vec<T> = (0..source.below(4)).map(|_| T::sample(source)).collect();
        Self::from(&*values.leak())
    }
}

pub(crate) fn several<'a, T: Sample<'a> + 'a>(source: &mut Source) -> Repeated<'a, T> {
    let values: Vec<T> = (0..=source.below(3)).map(|_| T::sample(source)).collect();
    Repeated::from(&*values.leak())
}

impl<'a, T: Sample<'a>> Sample<'a> for Option<T> {
    fn sample(source: &mut Source) -> Self {
        (source.byte() & 1 == 1).then(|| T::sample(source))
    }
}

impl<const N: usize> Sample<'_> for [u8; N] {
    fn sample(source: &mut Source) -> Self {
        std::array::from_fn(|_| source.byte())
    }
}

impl Sample<'_> for u32 {
    fn sample(source: &mut Source) -> Self {
        Self::from_be_bytes(Sample::sample(source))
    }
}

impl Sample<'_> for i32 {
    fn sample(source: &mut Source) -> Self {
        Self::from_be_bytes(Sample::sample(source))
    }
}

impl Sample<'_> for u64 {
    fn sample(source: &mut Source) -> Self {
        Self::from_be_bytes(Sample::sample(source))
    }
}

impl<'a> Sample<'a> for &'a [u8] {
    fn sample(source: &mut Source) -> Self {
        (0..source.below(40)).map(|_| source.byte()).collect::<Vec<u8>>().leak()
    }
}

impl<'a> Sample<'a> for &'a str {
    fn sample(source: &mut Source) -> Self {
        String::from_utf8_lossy(<&[u8]>::sample(source)).into_owned().leak()
    }
}

impl Sample<'_> for IpAddr {
    fn sample(source: &mut Source) -> Self {
        if source.byte() & 1 == 0 {
            <[u8; 4]>::sample(source).into()
        } else {
            <[u8; 16]>::sample(source).into()
        }
    }
}

impl Sample<'_> for ResultCode {
    fn sample(source: &mut Source) -> Self {
        Self(u32::sample(source))
    }
}

impl Sample<'_> for Outcome {
    fn sample(source: &mut Source) -> Self {
        match source.below(3) {
            0 => Self::SUCCESS,
            1 => Self::Result(ResultCode::sample(source)),
            _ => Self::Experimental { vendor: u32::sample(source), code: u32::sample(source) },
        }
    }
}

impl Sample<'_> for TraceCollectionEntity {
    fn sample(source: &mut Source) -> Self {
        Self(Sample::sample(source))
    }
}

impl Sample<'_> for ResynchronizationInfo {
    fn sample(source: &mut Source) -> Self {
        Self(Sample::sample(source))
    }
}

fn avp(source: &mut Source) -> &'static [u8] {
    let mut octets = Vec::new();
    Writer::avps(&mut octets).group(&PROXY_INFO, |w| {
        w.str(&PROXY_HOST, <&str>::sample(source));
        w.octets(&PROXY_STATE, <&[u8]>::sample(source));
    });
    octets.leak()
}

impl<'a> Sample<'a> for RawAvp<'a> {
    fn sample(source: &mut Source) -> Self {
        RawAvp::new(avp(source)).unwrap()
    }
}

impl<'a> Sample<'a> for FailedAvp<'a> {
    fn sample(source: &mut Source) -> Self {
        FailedAvp { octets: avp(source) }
    }
}

/// Every command of every grammar, written and read again.
mod round_trips {
    use proptest::prelude::*;

    use super::*;
    use crate::{app::*, base::*, codec::Message};

    fn header() -> crate::codec::Header {
        crate::codec::Header {
            length: 0,
            flags: crate::codec::CommandFlags(0xd0),
            command: 0,
            application: 0,
            hop_by_hop: 7,
            end_to_end: 9,
        }
    }

    macro_rules! round_trip {
        ($($test:ident $type:ident $kind:ident;)*) => {
            proptest! {
                $(#[test]
                fn $test(octets in prop::collection::vec(any::<u8>(), 0..1500)) {
                    let value = $type::sample(&mut Source(octets.into_iter()));
                    let mut out = Vec::new();
                    round_trip!(@encode $kind $type value out);
                    let message = Message::parse(&out).unwrap();
                    let read = $type::decode(&message).unwrap();
                    prop_assert_eq!(read, value);
                    let mut again = Vec::new();
                    round_trip!(@encode $kind $type read again);
                    prop_assert_eq!(&out, &again);
                })*
            }
        };
        (@encode request $type:ident $value:ident $out:ident) => { $value.encode(&mut $out, 7, 9) };
        (@encode answer $type:ident $value:ident $out:ident) => {
            $value.encode(&mut $out, &crate::codec::Header {
                flags: $type::FLAGS,
                command: $type::CODE,
                application: $type::APPLICATION,
                ..header()
            })
        };
        (@encode error $type:ident $value:ident $out:ident) => { $value.encode(&mut $out, &header()) };
    }

    round_trip! {
        cer CapabilitiesExchangeRequest request;
        cea CapabilitiesExchangeAnswer answer;
        dwr DeviceWatchdogRequest request;
        dwa DeviceWatchdogAnswer answer;
        dpr DisconnectPeerRequest request;
        dpa DisconnectPeerAnswer answer;
        air AuthenticationInformationRequest request;
        aia AuthenticationInformationAnswer answer;
        ulr UpdateLocationRequest request;
        ula UpdateLocationAnswer answer;
        clr CancelLocationRequest request;
        cla CancelLocationAnswer answer;
        idr InsertSubscriberDataRequest request;
        ida InsertSubscriberDataAnswer answer;
        dsr DeleteSubscriberDataRequest request;
        dsa DeleteSubscriberDataAnswer answer;
        pur PurgeUeRequest request;
        pua PurgeUeAnswer answer;
        rsr ResetRequest request;
        rsa ResetAnswer answer;
        nor NotifyRequest request;
        noa NotifyAnswer answer;
        answer_with_the_e_bit ErrorAnswer error;
    }
}
