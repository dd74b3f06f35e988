//! Inputs of somebody who means harm: nesting, lying lengths, cut ends. None may panic, loop or recurse.

use s6a::{
    app::{Answer, Request, S6A},
    base::{Routing, error_answer},
    codec::{Frame, Header, Message, ResultCode, avp::MAX_DEPTH, dictionary::base::PROXY_INFO, frame},
};

use super::samples;

/// Everything that reads a message, on these octets.
fn read_all(octets: &[u8]) {
    let _ = frame::next(octets, 65_536);
    let Ok(message) = Message::parse(octets) else { return };
    let request = Request::decode(&message);
    let _ = Answer::decode(&message);
    let _ = Routing::read(&message);
    let mut out = Vec::new();
    if let Err(error) = &request {
        error_answer(&message, "icf", "callhome", error, &mut out);
        let answer = Message::parse(&out).unwrap();
        assert!(answer.avps().all(|avp| avp.is_ok()), "our own answer is well-formed");
    }
}

/// A message of this body, with the header of an AIR.
fn air(body: &[u8]) -> Vec<u8> {
    let mut octets = samples::all().into_iter().find(|(name, _)| *name == "AIR").unwrap().1;
    octets.truncate(20);
    octets.extend_from_slice(body);
    let length = (octets.len() as u32).to_be_bytes();
    octets[1..4].copy_from_slice(&length[1..]);
    octets
}

#[test]
fn groups_nested_ten_thousand_deep() {
    let mut body = Vec::new();
    for level in (1..=10_000u32).rev() {
        body.extend_from_slice(&PROXY_INFO.code.to_be_bytes());
        body.extend_from_slice(&(0x4000_0000 | (level * 8)).to_be_bytes());
    }
    let octets = air(&body);
    read_all(&octets);
    let message = Message::parse(&octets).unwrap();
    let mut avps = message.avps();
    let mut depth = MAX_DEPTH;
    let error = loop {
        let avp = avps.next().unwrap().unwrap();
        match avp.group(depth) {
            Ok(inside) => avps = inside,
            Err(error) => break error,
        }
        depth -= 1;
    };
    assert_eq!(error.code, ResultCode::INVALID_AVP_VALUE);
}

#[test]
fn lengths_that_lie() {
    for (_, octets) in samples::all() {
        for at in (20..octets.len()).step_by(4) {
            for lie in [0u8, 1, 7, 8, 11, 12, 0x7f, 0xff] {
                let mut changed = octets.clone();
                changed[at + 3] = lie;
                read_all(&changed);
                changed[at + 1] = lie;
                read_all(&changed);
            }
        }
    }
}

#[test]
fn messages_cut_anywhere() {
    for (name, octets) in samples::all() {
        for end in 0..octets.len() {
            read_all(&octets[..end]);
            assert!(Message::parse(&octets[..end]).is_err(), "{name} cut at {end}");
            match frame::next(&octets[..end], 65_536).unwrap() {
                Frame::Partial(more) => assert!(more <= octets.len() - end && more > 0),
                Frame::Whole(length) => panic!("{name} cut at {end} taken for a message of {length}"),
            }
            // And with a length field that goes with the cut.
            if end >= 20 && end % 4 == 0 {
                let mut cut = octets[..end].to_vec();
                let length = (end as u32).to_be_bytes();
                cut[1..4].copy_from_slice(&length[1..]);
                read_all(&cut);
            }
        }
    }
}

#[test]
fn message_larger_than_accepted_is_refused_from_its_header_on() {
    let mut octets = air(&[]);
    octets[1..4].copy_from_slice(&[0xff, 0xff, 0xfc]);
    assert_eq!(frame::next(&octets, 65_536).unwrap_err().code, ResultCode::INVALID_MESSAGE_LENGTH);
    assert_eq!(frame::next(b"\x16\x03\x01", 65_536).unwrap_err().code, ResultCode::UNSUPPORTED_VERSION);
}

#[test]
fn huge_unknown_avp_does_not_come_back_in_full() {
    let mut body = vec![0, 0, 0xff, 0xff, 0x40, 0, 0x80, 0];
    body.resize(0x8000, 0);
    let octets = air(&body);
    let message = Message::parse(&octets).unwrap();
    let error = Request::decode(&message).unwrap_err();
    assert_eq!(error.code, ResultCode::AVP_UNSUPPORTED);
    let mut out = Vec::new();
    error_answer(&message, "icf", "callhome", &error, &mut out);
    assert!(out.len() < 512, "{} octets", out.len());
    assert_eq!(Header::decode(&out).unwrap().application, S6A);
}
