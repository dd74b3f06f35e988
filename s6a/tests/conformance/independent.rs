//! Every AVP that we write, read alike by the crate `diameter`, whose authors never saw this one.

use std::{io::Cursor, sync::Arc};

use diameter::{
    DiameterMessage,
    avp::{Avp as Theirs, AvpValue},
    dictionary::Dictionary,
};
use s6a::codec::{AvpFlags, Avps, Kind, Message, dictionary};

use super::samples;

/// Their dictionary with our definitions. Applications and commands are closed enumerations there, so
/// ours go by the number of Credit-Control.
pub fn theirs() -> Arc<Dictionary> {
    let xml = super::dictionary::xml();
    Arc::new(Dictionary::new(&[&xml.replace("16777251", "4")]))
}

/// The message with a command code and application that they know: 272 and 4. Its AVPs are unchanged.
pub fn under_their_header(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[5..8].copy_from_slice(&[0, 1, 16]);
    octets[8..12].copy_from_slice(&[0, 0, 0, 4]);
    octets
}

/// Both readings of the same AVPs, down into groups; gives how many there were.
pub fn compare(name: &str, ours: Avps<'_>, theirs: &[Theirs]) -> usize {
    let ours: Vec<_> = ours.map(Result::unwrap).collect();
    assert_eq!(ours.len(), theirs.len(), "{name}: number of AVPs");
    let mut compared = ours.len();
    for (ours, theirs) in ours.iter().zip(theirs) {
        let def = dictionary::find(ours.code, ours.vendor).unwrap();
        let at = format!("{name}: {}", def.name);
        assert_eq!(ours.code, theirs.get_code(), "{at}");
        assert_eq!((ours.vendor != 0).then_some(ours.vendor), theirs.get_vendor_id(), "{at}");
        assert_eq!(ours.flags.has(AvpFlags::VENDOR), theirs.get_flags().vendor, "{at}");
        assert_eq!(ours.flags.has(AvpFlags::MANDATORY), theirs.get_flags().mandatory, "{at}");
        assert_eq!(ours.flags.has(AvpFlags::PROTECTED), theirs.get_flags().private, "{at}");
        match (def.kind, theirs.get_value()) {
            (Kind::Grouped, AvpValue::Grouped(group)) => {
                compared += compare(&at, ours.group(8).unwrap(), group.avps());
            }
            (Kind::Octets, AvpValue::OctetString(value)) => assert_eq!(ours.data, value.value(), "{at}"),
            (Kind::Utf8, AvpValue::UTF8String(value)) => {
                assert_eq!(ours.str().unwrap(), value.value(), "{at}")
            }
            (Kind::Identity, AvpValue::Identity(value)) => {
                assert_eq!(ours.str().unwrap(), value.value(), "{at}")
            }
            (Kind::U32, AvpValue::Unsigned32(value)) => {
                assert_eq!(ours.u32().unwrap(), value.value(), "{at}")
            }
            (Kind::I32, AvpValue::Integer32(value)) => {
                assert_eq!(ours.i32().unwrap(), value.value(), "{at}")
            }
            (Kind::U64, AvpValue::Unsigned64(value)) => {
                assert_eq!(ours.u64().unwrap(), value.value(), "{at}")
            }
            (Kind::Enumerated, AvpValue::Enumerated(value)) => {
                assert_eq!(ours.u32().unwrap(), value.value() as u32, "{at}");
            }
            (Kind::Address, AvpValue::Address(value)) => {
                assert_eq!(ours.address().unwrap().to_string(), value.to_string(), "{at}");
            }
            (Kind::Time, AvpValue::Time(value)) => {
                // Seconds since 1900 (RFC 6733 §4.3.1) against seconds since 1970.
                assert_eq!(i64::from(ours.u32().unwrap()) - 2_208_988_800, value.value().timestamp(), "{at}");
            }
            (kind, value) => panic!("{at}: {kind:?} here, {} there", value.get_type_name()),
        }
    }
    compared
}

#[test]
fn every_avp_is_read_alike() {
    let dictionary = theirs();
    let mut compared = 0;
    for (name, octets) in samples::all() {
        let message = Message::parse(&octets).unwrap();
        let theirs = DiameterMessage::decode_from(
            &mut Cursor::new(under_their_header(&octets)),
            Arc::clone(&dictionary),
        )
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        compared += compare(name, message.avps(), theirs.get_avps());
    }
    assert!(compared > 600, "only {compared} AVPs were compared");
}
