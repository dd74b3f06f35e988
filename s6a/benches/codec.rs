//! What an AIR costs to read and an AIA to write, with the crate `diameter` beside it as the baseline.
//!
//! `cargo bench -p s6a --bench codec`

#![allow(clippy::unwrap_used, reason = "a benchmark ends where it fails")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::{hint::black_box, io::Cursor, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use diameter::{
    ApplicationId, CommandCode, DiameterMessage,
    avp::{
        Avp, AvpValue, enumerated::Enumerated, group::Grouped, identity::Identity, octetstring::OctetString,
        unsigned32::Unsigned32, utf8string::UTF8String,
    },
    dictionary::Dictionary,
};
use s6a::{
    app::*,
    base::Outcome,
    codec::{
        Header, Message,
        dictionary::{base, s6a as dictionary},
    },
};

const SESSION: &str = "mme.epc.mnc071.mcc999.3gppnetwork.org;1712345678;1;app_s6a";
const DICTIONARY: &str = include_str!("../../schemas/dictionary/s6a.xml");

/// The AIR that an MME of Open5GS sends.
fn air() -> Vec<u8> {
    let mut out = Vec::new();
    AuthenticationInformationRequest {
        session_id: SESSION,
        vendor_specific_application_id: Some(APPLICATION_ID),
        origin_host: "mme.epc.mnc071.mcc999.3gppnetwork.org",
        origin_realm: "epc.mnc071.mcc999.3gppnetwork.org",
        destination_realm: "callhome.example",
        user_name: "999710000000001",
        requested_eutran_authentication_info: Some(RequestedVectors {
            number_of_requested_vectors: Some(1),
            immediate_response_preferred: Some(1),
            re_synchronization_info: None,
        }),
        visited_plmn_id: [0x99, 0xf9, 0x17],
        ..Default::default()
    }
    .encode(&mut out, 1, 2);
    out
}

fn ours(c: &mut Criterion) {
    let octets = air();
    c.bench_function("decode AIR", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&octets)).unwrap();
            black_box(AuthenticationInformationRequest::decode(&message).unwrap());
        });
    });

    let header = Header::decode(&octets).unwrap();
    let mut out = Vec::with_capacity(4096);
    let xres = [3; 8];
    c.bench_function("encode AIA", |b| {
        b.iter(|| {
            out.clear();
            let vectors = [EutranVector {
                item_number: None,
                rand: [1; 16],
                xres: &xres,
                autn: [2; 16],
                kasme: [4; 32],
            }];
            black_box(AuthenticationInformationAnswer {
                session_id: SESSION,
                vendor_specific_application_id: Some(APPLICATION_ID),
                outcome: Outcome::SUCCESS,
                origin_host: "icf.callhome.example",
                origin_realm: "callhome.example",
                authentication_info: Some(AuthenticationInfo {
                    eutran_vector: (&vectors).into(),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .encode(&mut out, &header);
            black_box(&out);
        });
    });
}

fn theirs(c: &mut Criterion) {
    // Their application ids and command codes are closed: ours go by those of Credit-Control.
    let known = Arc::new(Dictionary::new(&[&DICTIONARY.replace("16777251", "4")]));
    let mut octets = air();
    octets[5..8].copy_from_slice(&[0, 1, 16]);
    octets[8..12].copy_from_slice(&[0, 0, 0, 4]);
    c.bench_function("decode AIR, diameter-rs", |b| {
        b.iter(|| {
            let mut cursor = Cursor::new(black_box(&octets));
            black_box(DiameterMessage::decode_from(&mut cursor, Arc::clone(&known)).unwrap());
        });
    });

    let (m, tgpp) = (0x40, Some(10415));
    let mut out = Vec::with_capacity(4096);
    c.bench_function("encode AIA, diameter-rs", |b| {
        b.iter(|| {
            let vm = |code, octets: &[u8]| {
                Avp::new(code, tgpp, 0xc0, OctetString::new(octets.to_vec()).into(), Arc::clone(&known))
            };
            let vector = vec![
                vm(dictionary::RAND.code, &[1; 16]),
                vm(dictionary::XRES.code, &[3; 8]),
                vm(dictionary::AUTN.code, &[2; 16]),
                vm(dictionary::KASME.code, &[4; 32]),
            ];
            let group = |avps| AvpValue::from(Grouped::new(avps, Arc::clone(&known)));
            let vector =
                Avp::new(dictionary::E_UTRAN_VECTOR.code, tgpp, 0xc0, group(vector), Arc::clone(&known));
            let number =
                |code, value| Avp::new(code, None, m, Unsigned32::new(value).into(), Arc::clone(&known));
            let application =
                vec![number(base::VENDOR_ID.code, 10415), number(base::AUTH_APPLICATION_ID.code, S6A)];
            let (command, id) = (CommandCode::CreditControl, ApplicationId::CreditControl);
            let mut answer = DiameterMessage::new(command, id, 0x40, 1, 2, Arc::clone(&known));
            answer.add_avp(base::SESSION_ID.code, None, m, UTF8String::new(SESSION).into());
            answer.add_avp(base::VENDOR_SPECIFIC_APPLICATION_ID.code, None, m, group(application));
            answer.add_avp(base::RESULT_CODE.code, None, m, Unsigned32::new(2001).into());
            answer.add_avp(base::AUTH_SESSION_STATE.code, None, m, Enumerated::new(1).into());
            answer.add_avp(base::ORIGIN_HOST.code, None, m, Identity::new("icf.callhome.example").into());
            answer.add_avp(base::ORIGIN_REALM.code, None, m, Identity::new("callhome.example").into());
            answer.add_avp(dictionary::AUTHENTICATION_INFO.code, tgpp, 0xc0, group(vec![vector]));
            out.clear();
            answer.encode_to(&mut out).unwrap();
            black_box(&out);
        });
    });
}

criterion_group!(codec, ours, theirs);
criterion_main!(codec);
