use super::*;
use crate::codec::dictionary::base::*;
use crate::codec::{Header, Writer};

fn check(
    header: impl FnOnce(&mut Header),
    avps: &[(&crate::codec::AvpDef, &str)],
) -> Result<String, ResultCode> {
    let node = NodeConfig::new("hss.home.example", "home.example");
    let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
    let mut head =
        Header { length: 0, flags, command: 318, application: 16_777_251, hop_by_hop: 1, end_to_end: 1 };
    header(&mut head);
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &head);
    w.str(&SESSION_ID, "s");
    w.str(&ORIGIN_HOST, "mme.example");
    for (def, text) in avps {
        w.str(def, text);
    }
    w.finish();
    let message = Message::parse(&out).unwrap();
    request(&node, &message).map(str::to_owned).map_err(|error| error.code)
}

fn destination(avps: &[(&crate::codec::AvpDef, &str)]) -> Result<String, ResultCode> {
    check(|_| (), avps)
}

#[test]
fn the_header_is_checked_first() {
    let e = |h: &mut Header| h.flags = h.flags.with(CommandFlags::ERROR);
    assert_eq!(check(e, &[]), Err(ResultCode::INVALID_HDR_BITS));
    assert_eq!(check(|h| h.application = 4, &[]), Err(ResultCode::APPLICATION_UNSUPPORTED));
    assert_eq!(check(|h| h.application = u32::MAX, &[]), Err(ResultCode::APPLICATION_UNSUPPORTED));
    assert_eq!(check(|h| h.command = 300, &[]), Err(ResultCode::COMMAND_UNSUPPORTED));
    assert_eq!(check(|h| (h.command, h.application) = (274, 0), &[]), Err(ResultCode::COMMAND_UNSUPPORTED));
}

#[test]
fn reserved_header_bits_are_ignored() {
    let reserved = |h: &mut Header| h.flags = h.flags.with(CommandFlags::RESERVED);
    assert_eq!(check(reserved, &[]), Ok("mme.example".to_owned()));
}

#[test]
fn a_request_is_for_this_node_by_host_or_realm() {
    let ok = Ok("mme.example".to_owned());
    assert_eq!(destination(&[]), ok);
    assert_eq!(destination(&[(&DESTINATION_HOST, "HSS.home.example")]), ok);
    assert_eq!(destination(&[(&DESTINATION_REALM, "Home.Example")]), ok);
    // RFC 6733 §6.1.4: the host decides.
    assert_eq!(
        destination(&[(&DESTINATION_REALM, "alias.example"), (&DESTINATION_HOST, "hss.home.example")]),
        ok
    );
}

#[test]
fn a_request_for_others_gets_3002_or_3003() {
    let other = (&DESTINATION_HOST, "hss2.home.example");
    assert_eq!(destination(&[other]), Err(ResultCode::UNABLE_TO_DELIVER));
    assert_eq!(
        destination(&[(&DESTINATION_REALM, "home.example"), other]),
        Err(ResultCode::UNABLE_TO_DELIVER)
    );
    assert_eq!(destination(&[(&DESTINATION_REALM, "x.example")]), Err(ResultCode::REALM_NOT_SERVED));
    assert_eq!(destination(&[(&DESTINATION_REALM, "x.example"), other]), Err(ResultCode::REALM_NOT_SERVED));
}

#[test]
fn a_request_that_was_here_before_gets_3005() {
    let others = [(&ROUTE_RECORD, "dra1.example"), (&ROUTE_RECORD, "dra2.example")];
    assert!(destination(&others).is_ok());
    let here = [(&ROUTE_RECORD, "dra1.example"), (&ROUTE_RECORD, "hss.HOME.example")];
    assert_eq!(destination(&here), Err(ResultCode::LOOP_DETECTED));
}

#[test]
fn avps_that_cannot_be_read_and_a_missing_origin_host_are_told() {
    let node = NodeConfig::new("hss.home.example", "home.example");
    let head = Header {
        length: 0,
        flags: CommandFlags::REQUEST,
        command: 318,
        application: 16_777_251,
        hop_by_hop: 1,
        end_to_end: 1,
    };
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &head);
    w.str(&SESSION_ID, "s");
    w.finish();
    let error = request(&node, &Message::parse(&out).unwrap()).unwrap_err();
    assert_eq!(error.code, ResultCode::MISSING_AVP);
    assert!(!error.failed.is_empty());
    out[27] = 200;
    let error = request(&node, &Message::parse(&out).unwrap()).unwrap_err();
    assert_eq!(error.code, ResultCode::INVALID_AVP_LENGTH);
}

#[test]
fn a_node_that_relays_is_given_what_is_for_others() {
    let mut node = NodeConfig::new("hss.home.example", "home.example");
    let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
    let head =
        Header { length: 0, flags, command: 317, application: 16_777_251, hop_by_hop: 1, end_to_end: 1 };
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &head);
    w.str(&ORIGIN_HOST, "hss2.example");
    w.str(&DESTINATION_HOST, "mme.example");
    w.str(&DESTINATION_REALM, "example");
    w.finish();
    let message = Message::parse(&out).unwrap();
    assert_eq!(request(&node, &message).unwrap_err().code, ResultCode::REALM_NOT_SERVED);
    node.applications.push(super::super::ApplicationId { vendor: 0, id: RELAY, commands: &[] });
    assert_eq!(request(&node, &message).unwrap(), "hss2.example");
}
