//! What is wrong with a message gets the Result-Code and Failed-AVP of RFC 6733 §7.1 and §7.5.

use s6a::{
    app::*,
    base::*,
    codec::{
        AvpFlags, CommandFlags, DecodeError, Header, Message, ResultCode, Writer,
        dictionary::{base::*, s6a::*},
    },
};

/// An AIR whose AVPs are written by `write`.
fn air(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    request(AuthenticationInformationRequest::CODE, write)
}

fn request(command: u32, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
    let header = Header { length: 0, flags, command, application: S6A, hop_by_hop: 1, end_to_end: 2 };
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &header);
    write(&mut writer);
    writer.finish();
    out
}

/// What every AIR needs, but Visited-PLMN-Id.
fn envelope(w: &mut Writer<'_>) {
    w.str(&SESSION_ID, "s;1;2");
    w.u32(&AUTH_SESSION_STATE, 1);
    w.str(&ORIGIN_HOST, "mme");
    w.str(&ORIGIN_REALM, "epc");
    w.str(&DESTINATION_REALM, "hss");
    w.str(&USER_NAME, "999710000000001");
}

fn refused(octets: &[u8]) -> DecodeError {
    AuthenticationInformationRequest::decode(&Message::parse(octets).unwrap()).unwrap_err()
}

fn accepted(octets: &[u8]) {
    AuthenticationInformationRequest::decode(&Message::parse(octets).unwrap()).unwrap();
}

#[test]
fn unknown_avp_with_the_m_bit_gets_5001_and_comes_back() {
    let unknown = [0, 0, 0xff, 0xff, 0x40, 0, 0, 9, 7, 0, 0, 0];
    let error = refused(&air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9, 0x17]);
        w.raw(&unknown);
    }));
    assert_eq!(error.code, ResultCode::AVP_UNSUPPORTED);
    assert_eq!(error.failed, unknown);
}

#[test]
fn unknown_avp_without_the_m_bit_is_skipped() {
    accepted(&air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9, 0x17]);
        w.raw(&[0, 0, 0xff, 0xff, 0, 0, 0, 9, 7, 0, 0, 0]);
        // Known, but nothing an AIR is about: `*[ AVP ]`.
        w.u32(&SESSION_TIMEOUT, 5);
    }));
}

#[test]
fn missing_avp_gets_5005_with_an_example() {
    let error = refused(&air(envelope));
    assert_eq!(error.code, ResultCode::MISSING_AVP);
    assert_eq!(
        error.failed,
        [0, 0, 5, 0x7f, 0xc0, 0, 0, 12, 0, 0, 0x28, 0xaf],
        "Visited-PLMN-Id of no octets"
    );

    let dpr = request(DisconnectPeerRequest::CODE, |w| {
        w.str(&ORIGIN_HOST, "mme");
        w.str(&ORIGIN_REALM, "epc");
    });
    let mut dpr = dpr;
    dpr[4] = 0x80;
    dpr[8..12].fill(0);
    let error = DisconnectPeerRequest::decode(&Message::parse(&dpr).unwrap()).unwrap_err();
    assert_eq!(error.failed, [0, 0, 1, 0x11, 0x40, 0, 0, 12, 0, 0, 0, 0], "Disconnect-Cause of four zeros");
}

#[test]
fn wrong_length_gets_5014() {
    let error = refused(&air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9]);
    }));
    assert_eq!(error.code, ResultCode::INVALID_AVP_LENGTH);
    assert_eq!(error.failed, [0, 0, 5, 0x7f, 0xc0, 0, 0, 14, 0, 0, 0x28, 0xaf, 0x99, 0xf9, 0, 0]);
}

#[test]
fn re_synchronization_info_of_another_length_than_30_gets_5014_inside_its_group() {
    let error = refused(&air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9, 0x17]);
        w.group(&REQUESTED_EUTRAN_AUTHENTICATION_INFO, |w| {
            w.u32(&NUMBER_OF_REQUESTED_VECTORS, 1);
            w.octets(&RE_SYNCHRONIZATION_INFO, &[0; 14]);
        });
    }));
    assert_eq!(error.code, ResultCode::INVALID_AVP_LENGTH);
    // RFC 6733 §7.5: the group, which "in turn contains the single offending AVP".
    assert_eq!(error.failed[..12], [0, 0, 5, 0x80, 0xc0, 0, 0, 40, 0, 0, 0x28, 0xaf]);
    assert_eq!(error.failed[12..24], [0, 0, 5, 0x83, 0xc0, 0, 0, 26, 0, 0, 0x28, 0xaf]);
    assert_eq!(error.failed.len(), 40);
}

#[test]
fn second_user_name_gets_5009_with_the_second() {
    let error = refused(&air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9, 0x17]);
        w.str(&USER_NAME, "2");
    }));
    assert_eq!(error.code, ResultCode::AVP_OCCURS_TOO_MANY_TIMES);
    assert_eq!(error.failed, [0, 0, 0, 1, 0x40, 0, 0, 9, b'2', 0, 0, 0]);
}

#[test]
fn auth_session_state_of_no_meaning_gets_5004() {
    let error = refused(&air(|w| {
        w.u32(&AUTH_SESSION_STATE, 2);
        w.str(&SESSION_ID, "s;1;2");
    }));
    assert_eq!(error.code, ResultCode::INVALID_AVP_VALUE);
    assert_eq!(error.failed, [0, 0, 1, 0x15, 0x40, 0, 0, 12, 0, 0, 0, 2]);
}

#[test]
fn user_name_that_is_not_utf8_gets_5004() {
    let error = refused(&air(|w| w.octets(&USER_NAME, &[0xff, 0xfe])));
    assert_eq!(error.code, ResultCode::INVALID_AVP_VALUE);
}

#[test]
fn reserved_avp_bit_and_vendor_zero_get_3009() {
    for avp in
        [&[0, 0, 0xff, 0xff, 0x10, 0, 0, 9, 7, 0, 0, 0][..], &[0, 0, 0xff, 0xff, 0x80, 0, 0, 12, 0, 0, 0, 0]]
    {
        let error = refused(&air(|w| w.raw(avp)));
        assert_eq!(error.code, ResultCode::INVALID_AVP_BITS);
        assert_eq!(error.failed, avp);
    }
}

#[test]
fn known_avp_is_accepted_whatever_its_m_bit() {
    let mut octets = air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9, 0x17]);
    });
    octets[20 + 4] &= !AvpFlags::MANDATORY.0;
    accepted(&octets);
}

#[test]
fn another_command_gets_3001_another_application_3007_other_bits_3008() {
    let octets = air(|w| {
        envelope(w);
        w.octets(&VISITED_PLMN_ID, &[0x99, 0xf9, 0x17]);
    });
    for (at, octet, code) in [
        (7, 0xff, ResultCode::COMMAND_UNSUPPORTED),
        (11, 0xff, ResultCode::APPLICATION_UNSUPPORTED),
        (4, 0x80, ResultCode::INVALID_HDR_BITS),
        (4, 0xe0, ResultCode::INVALID_HDR_BITS),
    ] {
        let mut changed = octets.clone();
        changed[at] = octet;
        let message = Message::parse(&changed).unwrap();
        assert_eq!(Request::decode(&message).unwrap_err().code, code, "octet {at}");
    }
    // T is allowed: a request that may have been sent before (RFC 6733 §3).
    let mut again = octets;
    again[4] |= CommandFlags::RETRANSMITTED.0;
    accepted(&again);
}

fn answer_to(octets: &[u8], refusal: &DecodeError) -> Vec<u8> {
    let mut out = Vec::new();
    error_answer(&Message::parse(octets).unwrap(), "icf", "callhome", refusal, &mut out);
    out
}

fn codes(message: &Message<'_>) -> Vec<u32> {
    message.avps().map(|avp| avp.unwrap().code).collect()
}

#[test]
fn refused_air_is_answered_so_that_an_mme_of_open5gs_accepts_it() {
    let request = air(envelope);
    let octets = answer_to(&request, &refused(&request));
    let message = Message::parse(&octets).unwrap();
    assert_eq!(codes(&message), [263, 260, 268, 277, 264, 296, 281, 279]);
    assert_eq!(message.header.flags, CommandFlags::PROXIABLE, "5005 has no E bit");
    let answer = AuthenticationInformationAnswer::decode(&message).unwrap();
    assert_eq!(answer.session_id, "s;1;2");
    assert_eq!(answer.outcome, ResultCode::MISSING_AVP.into());
    assert_eq!(answer.failed_avp.unwrap().avps().next().unwrap().unwrap().code, VISITED_PLMN_ID.code);
}

#[test]
fn refused_ulr_has_ula_flags() {
    let octets = request(UpdateLocationRequest::CODE, envelope);
    let octets = answer_to(&octets, &DecodeError::new(ResultCode::MISSING_AVP, "RAT-Type"));
    let answer = UpdateLocationAnswer::decode(&Message::parse(&octets).unwrap()).unwrap();
    assert_eq!(answer.ula_flags, Some(UlaFlags(0)));
}

#[test]
fn proxy_info_comes_back_in_order_and_unchanged() {
    let request = air(|w| {
        envelope(w);
        for (host, state) in [("dra1", &[1, 2, 3][..]), ("dra2", &[4]), ("dra1", &[])] {
            w.group(&PROXY_INFO, |w| {
                w.str(&PROXY_HOST, host);
                w.octets(&PROXY_STATE, state);
            });
        }
    });
    let octets = answer_to(&request, &refused(&request));
    let raw = |octets| {
        let message = Message::parse(octets).unwrap();
        let avps = message.avps().map(Result::unwrap).filter(|avp| avp.is(&PROXY_INFO));
        avps.map(|avp| avp.raw.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(raw(&request), raw(&octets));
    assert_eq!(raw(&octets).len(), 3);
}

#[test]
fn protocol_error_has_the_e_bit_and_reads_as_one() {
    let request = air(envelope);
    let mut octets = Vec::new();
    error_answer(&Message::parse(&request).unwrap(), "icf", "callhome", ResultCode::TOO_BUSY, &mut octets);
    let message = Message::parse(&octets).unwrap();
    assert!(message.header.flags.has(CommandFlags::ERROR));
    let Answer::Error(answer) = Answer::decode(&message).unwrap() else { panic!("an answer with the E bit") };
    assert_eq!(answer.outcome, ResultCode::TOO_BUSY.into());
    assert_eq!(answer.session_id, Some("s;1;2"));
}

#[test]
fn request_that_is_broken_behind_its_header_is_answered() {
    let broken = air(|w| w.raw(&[0, 0, 1, 7, 0x40, 0xff, 0xff, 0xff]));
    let error = refused(&broken);
    assert_eq!(error.code, ResultCode::INVALID_AVP_LENGTH);
    let octets = answer_to(&broken, &error);
    let message = Message::parse(&octets).unwrap();
    assert_eq!(codes(&message), [260, 268, 277, 264, 296, 281, 279]);
    let failed = message.find(&FAILED_AVP).unwrap().group(8).unwrap().next().unwrap().unwrap();
    assert_eq!((failed.code, failed.data), (263, &[][..]), "a well-formed Session-Id of no octets");
}

#[test]
fn answer_with_both_results_counts_the_experimental_one() {
    for experimental_first in [true, false] {
        let mut octets = request(AuthenticationInformationAnswer::CODE, |w| {
            w.str(&SESSION_ID, "s;1;2");
            let experimental = |w: &mut Writer<'_>| {
                w.group(&EXPERIMENTAL_RESULT, |w| {
                    w.u32(&VENDOR_ID, 10415);
                    w.u32(&EXPERIMENTAL_RESULT_CODE, 5001);
                });
            };
            if experimental_first {
                experimental(w);
            }
            w.u32(&RESULT_CODE, 2001);
            if !experimental_first {
                experimental(w);
            }
            w.u32(&AUTH_SESSION_STATE, 1);
            w.str(&ORIGIN_HOST, "icf");
            w.str(&ORIGIN_REALM, "callhome");
        });
        octets[4] = 0x40;
        let answer = AuthenticationInformationAnswer::decode(&Message::parse(&octets).unwrap()).unwrap();
        assert_eq!(answer.outcome, Outcome::Experimental { vendor: 10415, code: 5001 });
    }
}

#[test]
fn experimental_result_without_its_code_gets_5005() {
    let mut octets = request(AuthenticationInformationAnswer::CODE, |w| {
        w.group(&EXPERIMENTAL_RESULT, |w| w.u32(&VENDOR_ID, 10415));
    });
    octets[4] = 0x40;
    let error = AuthenticationInformationAnswer::decode(&Message::parse(&octets).unwrap()).unwrap_err();
    assert_eq!(error.code, ResultCode::MISSING_AVP);
}

#[test]
fn what_was_forgotten_is_no_success() {
    let answer = AuthenticationInformationAnswer::default();
    assert_eq!(answer.outcome, ResultCode::UNABLE_TO_COMPLY.into());
}

#[test]
fn vector_shows_no_key() {
    let vector = EutranVector {
        rand: [0xaa; 16],
        xres: &[0xbb; 8],
        autn: [0xcc; 16],
        kasme: [0xdd; 32],
        ..Default::default()
    };
    let text = format!("{vector:?}");
    assert!(!text.contains("221") && !text.contains("187"), "{text}");
}
