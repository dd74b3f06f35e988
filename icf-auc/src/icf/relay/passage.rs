//! A request as it goes on: what changes of it, and that nothing else does.

use s6a::codec::{
    Header, Message, Writer,
    dictionary::base::{DESTINATION_HOST, DESTINATION_REALM, ROUTE_RECORD},
};

/// Where a request goes on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Destination-Host.
    pub host: String,
    /// Destination-Realm.
    pub realm: String,
    /// Whether these take the place of the request's own destination.
    pub rewrite: bool,
}

/// Appends a request as it goes on: another Hop-by-Hop id, one more Route-Record (the peer that it came from, RFC 6733
/// §6.1.9), and on the way up another destination. Header bits, End-to-End id and all other AVPs stay, octet by octet
/// and in their order, also those that nobody here knows.
pub fn passed_on(request: &Message<'_>, from: &str, next: &Next, hop_by_hop: u32, out: &mut Vec<u8>) {
    let mut w = Writer::new(out, &Header { hop_by_hop, ..request.header });
    let mut named = (false, false);
    // What cannot be read was refused before.
    for avp in request.avps().flatten() {
        if next.rewrite && avp.is(&DESTINATION_HOST) {
            w.str(&DESTINATION_HOST, &next.host);
            named.0 = true;
        } else if next.rewrite && avp.is(&DESTINATION_REALM) {
            w.str(&DESTINATION_REALM, &next.realm);
            named.1 = true;
        } else {
            w.raw(avp.raw);
        }
    }
    if next.rewrite && !named.1 {
        w.str(&DESTINATION_REALM, &next.realm);
    }
    if next.rewrite && !named.0 {
        w.str(&DESTINATION_HOST, &next.host);
    }
    w.str(&ROUTE_RECORD, from);
    w.finish();
}

#[cfg(test)]
mod tests {
    use s6a::codec::{
        CommandFlags,
        dictionary::base::{ORIGIN_HOST, SESSION_ID},
    };

    use super::*;

    fn request() -> Vec<u8> {
        let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE).with(CommandFlags::RETRANSMITTED);
        let head =
            Header { length: 0, flags, command: 318, application: 16_777_251, hop_by_hop: 7, end_to_end: 99 };
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, &head);
        w.str(&SESSION_ID, "s");
        w.str(&ORIGIN_HOST, "mme.localdomain");
        w.str(&DESTINATION_HOST, "icf.example");
        w.str(&DESTINATION_REALM, "example");
        w.str(&ROUTE_RECORD, "far.example");
        w.finish();
        out
    }

    fn avps(octets: &[u8]) -> Vec<(u32, String)> {
        let message = Message::parse(octets).unwrap();
        message.avps().map(|avp| avp.unwrap()).map(|avp| (avp.code, avp.str().unwrap().to_owned())).collect()
    }

    #[test]
    fn on_the_way_up_the_destination_is_the_hss_and_everything_else_stays() {
        let next = Next { host: "hss.localdomain".into(), realm: "localdomain".into(), rewrite: true };
        let (octets, mut out) = (request(), Vec::new());
        passed_on(&Message::parse(&octets).unwrap(), "mme.localdomain", &next, 1234, &mut out);
        let header = Header::decode(&out).unwrap();
        assert_eq!((header.hop_by_hop, header.end_to_end), (1234, 99));
        assert!(header.flags.has(CommandFlags::RETRANSMITTED), "T stays (RFC 6733 §3)");
        let expected = [
            (SESSION_ID.code, "s"),
            (ORIGIN_HOST.code, "mme.localdomain"),
            (DESTINATION_HOST.code, "hss.localdomain"),
            (DESTINATION_REALM.code, "localdomain"),
            (ROUTE_RECORD.code, "far.example"),
            (ROUTE_RECORD.code, "mme.localdomain"),
        ];
        assert_eq!(avps(&out), expected.map(|(code, text)| (code, text.to_owned())));
    }

    #[test]
    fn on_the_way_down_only_route_record_grows() {
        let next = Next { host: "icf.example".into(), realm: "example".into(), rewrite: false };
        let (octets, mut out) = (request(), Vec::new());
        passed_on(&Message::parse(&octets).unwrap(), "hss.localdomain", &next, 1, &mut out);
        let mut expected = avps(&octets);
        expected.push((ROUTE_RECORD.code, "hss.localdomain".to_owned()));
        assert_eq!(avps(&out), expected);
    }

    #[test]
    fn avps_that_nobody_knows_stay_octet_by_octet_with_their_flags_and_padding() {
        let next = Next { host: "hss.localdomain".into(), realm: "localdomain".into(), rewrite: true };
        let (mut octets, mut out) = (request(), Vec::new());
        // Code 4711 of vendor 99999 with all flags; code 1 of an AVP that would be known without its vendor; padding
        // that is not zero.
        let strange = [
            &[0, 0, 0x12, 0x67, 0xff, 0, 0, 13, 0, 1, 0x86, 0x9f, 7, 1, 2, 3][..],
            &[0, 0, 1, 0x25, 0x80, 0, 0, 15, 0, 0, 0x28, 0xaf, b'x', b'.', b'y', 9],
        ]
        .concat();
        octets.extend_from_slice(&strange);
        let length = octets.len() as u32;
        octets[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
        passed_on(&Message::parse(&octets).unwrap(), "mme.localdomain", &next, 1, &mut out);
        assert!(out.windows(strange.len()).any(|window| window == strange), "{out:02x?}");
        assert_eq!(Header::decode(&out).unwrap().length as usize, out.len());
    }
}
