//! Procedures from the octets of a request to the octets of its answer, with a USIM that is not ours at the end:
//! decode, decide, compute, encode, decode again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use icf_auc::{
    auc::{amf::Amf, keys::SubscriberKeys},
    auc::{
        lease::SeqAllocator,
        resync::{self, Resync},
        sqn::Layout,
        vector::EutranVector,
    },
    model::{AuthMaterial, Credential, CredentialState, IssuingMode, Profile, Snapshot, Timestamp},
    procedure::{self, Causes, Refused, air, subscription, ulr},
};
use oxirush_security::milenage as usim;
use s6a::{
    app::{
        AuthenticationInformationAnswer, AuthenticationInformationRequest, RequestedVectors, UlrFlags,
        UpdateLocationAnswer, UpdateLocationRequest, vectors::ResynchronizationInfo,
    },
    base::error_answer,
    codec::{
        Experimental, Header, Message, ResultCode, Writer,
        dictionary::{base::*, s6a::*},
    },
};
use schemas::secret::Key128;

const NOW: Timestamp = Timestamp(1_800_000_000);
const PLMN: [u8; 3] = [0x99, 0xf9, 0x17];
const K: [u8; 16] = [0x46; 16];
const OPC: [u8; 16] = [0xcd; 16];

fn subscriber() -> Snapshot {
    let credential = Credential {
        imsi: "999710000000001".parse().unwrap(),
        auth: AuthMaterial::Keys { k: Key128::new(K), opc: Key128::new(OPC) },
        amf: [0, 0],
        ind_bitlen: 5,
        state: CredentialState::Active,
        profile: "default".into(),
        expires_at: None,
        attach_budget: None,
        attaches: 0,
        address: Some([10, 45, 0, 2].into()),
        triple: None,
        msisdn: None,
        overrides: Default::default(),
        mode: IssuingMode::Generated,
        batch: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    };
    let profile = Profile::provisioning("default", None);
    Snapshot { credential: Arc::new(credential), profile: Arc::new(profile), registration: None, sgsn: None }
}

/// An AIR as octets, with Re-Synchronization-Info as given, whatever its length.
fn air_octets(vectors: u32, resync: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header {
        length: 0,
        flags: AuthenticationInformationRequest::FLAGS,
        command: AuthenticationInformationRequest::CODE,
        application: AuthenticationInformationRequest::APPLICATION,
        hop_by_hop: 1,
        end_to_end: 2,
    };
    let mut w = Writer::new(&mut out, &header);
    w.str(&SESSION_ID, "mme.example;1;2");
    w.u32(&AUTH_SESSION_STATE, 1);
    w.str(&ORIGIN_HOST, "mme.example");
    w.str(&ORIGIN_REALM, "example");
    w.str(&DESTINATION_REALM, "home.example");
    w.str(&USER_NAME, "999710000000001");
    w.group(&REQUESTED_EUTRAN_AUTHENTICATION_INFO, |w| {
        w.u32(&NUMBER_OF_REQUESTED_VECTORS, vectors);
        w.u32(&IMMEDIATE_RESPONSE_PREFERRED, 1);
        if let Some(info) = resync {
            w.octets(&RE_SYNCHRONIZATION_INFO, info);
        }
    });
    w.octets(&VISITED_PLMN_ID, &PLMN);
    w.finish();
    out
}

/// What the ICF does with an AIR, its vectors' RANDs being 1, 2, 3 …
fn serve(octets: &[u8], numbers: &mut SeqAllocator) -> Result<Vec<u8>, Refused> {
    let message = Message::parse(octets).unwrap();
    let request = AuthenticationInformationRequest::decode(&message)?;
    let subscriber = subscriber();
    let plan = air::decide(&request, Some(&subscriber), 5, NOW, &Causes::default())?;
    let keys = SubscriberKeys::from_opc(Key128::new(K), Key128::new(OPC)).prepare();
    let layout = Layout::default();
    if let Some(info) = plan.resync {
        let failed = |_| Causes::default().refuse(procedure::Cause::ResyncFailed);
        let sqn_ms = resync::verify(&keys, &info).map_err(failed)?;
        if let Resync::Raise { seq_ms } = resync::decide(layout, sqn_ms, numbers.peek().unwrap()) {
            numbers.void_through(seq_ms);
            numbers.grant(layout.lease_after(seq_ms, 10).unwrap()).unwrap();
        }
    }
    let vectors: Vec<_> = numbers
        .take(plan.seqs())
        .unwrap()
        .zip(1..)
        .map(|(seq, octet)| {
            let sqn = layout.sqn(seq, 3).unwrap();
            EutranVector::generate(&keys, [octet; 16], sqn, Amf::new([0, 0]), plan.visited_plmn)
        })
        .collect();
    let mut out = Vec::new();
    let made = air::Vectors::computed(&vectors, &[]);
    AuthenticationInformationAnswer {
        session_id: request.session_id,
        origin_host: "icf.example",
        origin_realm: "home.example",
        proxy_info: request.proxy_info,
        ..made.answer()
    }
    .encode(&mut out, &message.header);
    Ok(out)
}

fn numbers() -> SeqAllocator {
    let layout = Layout::default();
    let mut numbers = SeqAllocator::new(layout);
    numbers.grant(layout.lease_after(0, 10).unwrap()).unwrap();
    numbers
}

/// The SQNs that a USIM reads in the answer's vectors, each verified.
fn usim_reads(octets: &[u8]) -> Vec<u64> {
    let message = Message::parse(octets).unwrap();
    let answer = AuthenticationInformationAnswer::decode(&message).unwrap();
    assert!(answer.outcome.is_success());
    let usim = usim::Milenage::new(&usim::K::new(&K), &usim::Opc::new(&OPC));
    let vectors = answer.authentication_info.unwrap().eutran_vector;
    vectors
        .iter()
        .map(|vector| {
            let rand = oxirush_security::Rand::new(&vector.rand);
            let autn = oxirush_security::Autn::new(&vector.autn);
            let response = usim.check_autn(&rand, &autn).unwrap();
            assert_eq!(response.res().as_octets()[..], *vector.xres);
            assert!(response.amf().separation_bit());
            let network = oxirush_security::Plmn::new("999", "71").unwrap();
            let (ck, ik) = (response.ck(), response.ik());
            let kasme = oxirush_security::nas_eps::derive_kasme(ck, ik, network, &autn);
            assert_eq!(kasme.as_octets(), &vector.kasme);
            response.sqn().get()
        })
        .collect()
}

#[test]
fn n_vectors_of_an_aia_satisfy_an_independent_usim_in_order() {
    let mut numbers = numbers();
    let sqn = |seq: u64| seq << 5 | 3;
    assert_eq!(usim_reads(&serve(&air_octets(3, None), &mut numbers).unwrap()), [sqn(1), sqn(2), sqn(3)]);
    assert_eq!(usim_reads(&serve(&air_octets(1, None), &mut numbers).unwrap()), [sqn(4)]);
}

#[test]
fn a_true_auts_is_repaired_and_a_forged_one_changes_nothing() {
    let mut numbers = numbers();
    let usim = usim::Milenage::new(&usim::K::new(&K), &usim::Opc::new(&OPC));
    let sqn_ms = usim::Sqn::try_from(5000 << 5 | 9).unwrap();
    let rand = [0x23; 16];
    let auts = *usim.auts(&oxirush_security::Rand::new(&rand), &sqn_ms).as_octets();
    let mut forged = auts;
    forged[13] ^= 1;

    let info = |auts| ResynchronizationInfo::new(rand, auts).0;
    let refused = serve(&air_octets(1, Some(&info(forged))), &mut numbers).unwrap_err();
    assert_eq!(refused.outcome, Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into());
    assert_eq!(numbers.peek(), Some(1));

    let answer = serve(&air_octets(1, Some(&info(auts))), &mut numbers).unwrap();
    assert_eq!(usim_reads(&answer), [5001 << 5 | 3]);
    // The same AUTS again finds nothing to repair: the next SEQ is higher already.
    let again = serve(&air_octets(1, Some(&info(auts))), &mut numbers).unwrap();
    assert_eq!(usim_reads(&again), [5002 << 5 | 3]);
}

/// Open5GS never looks at the length.
#[test]
fn open5gs_re_synchronization_info_length_unchecked() {
    for length in [0, 1, 14, 16, 29, 31, 60] {
        let info = vec![7; length];
        let refused = serve(&air_octets(1, Some(&info)), &mut numbers()).unwrap_err();
        assert_eq!(refused.outcome, ResultCode::INVALID_AVP_LENGTH.into(), "{length} octets");
        // Failed-AVP shows it inside the group that held it: AVP 1408, then 1411.
        assert_eq!(refused.failed[..4], 1408u32.to_be_bytes(), "{length} octets");
        assert!(refused.failed.windows(4).any(|w| w == 1411u32.to_be_bytes()), "{length} octets");
    }
}

fn ulr(rat: u32) -> Vec<u8> {
    let mut out = Vec::new();
    UpdateLocationRequest {
        session_id: "mme.example;1;3",
        origin_host: "mme.example",
        origin_realm: "example",
        destination_realm: "home.example",
        user_name: "999710000000001",
        rat_type: s6a::app::RatType(rat),
        ulr_flags: UlrFlags(0x22),
        visited_plmn_id: PLMN,
        ..UpdateLocationRequest::default()
    }
    .encode(&mut out, 1, 2);
    out
}

#[test]
fn ula_carries_the_profile_to_the_octet() {
    let octets = ulr(1004);
    let message = Message::parse(&octets).unwrap();
    let request = UpdateLocationRequest::decode(&message).unwrap();
    let subscriber = subscriber();
    let update = ulr::decide(&request, Some(&subscriber), NOW, &Causes::default()).unwrap();
    let mut out = Vec::new();
    subscription::with_data(&subscriber, subscriber.credential.address, update.recipient, |data| {
        UpdateLocationAnswer {
            session_id: request.session_id,
            origin_host: "icf.example",
            origin_realm: "home.example",
            ..update.answer(data)
        }
        .encode(&mut out, &message.header);
    });
    let message = Message::parse(&out).unwrap();
    // Session-Id comes first (RFC 6733 §8.8).
    assert!(message.avps().next().unwrap().unwrap().is(&SESSION_ID));
    let answer = UpdateLocationAnswer::decode(&message).unwrap();
    assert_eq!(answer.ula_flags, Some(s6a::app::UlaFlags::SEPARATION));
    let apns = answer.subscription_data.unwrap().apn_configuration_profile.unwrap().apn_configuration;
    let apn = apns.first().unwrap();
    assert_eq!(apn.service_selection, "provisioning");
    let addresses: Vec<std::net::IpAddr> = apn.served_party_ip_address.iter().collect();
    assert_eq!(addresses, [std::net::IpAddr::from([10, 45, 0, 2])]);
}

/// INTEROP: an MME of Open5GS looks for ULA-Flags in errors too, and for Auth-Session-State and the origin.
#[test]
fn a_refused_ulr_is_answered_with_ula_flags() {
    let octets = ulr(1000);
    let message = Message::parse(&octets).unwrap();
    let request = UpdateLocationRequest::decode(&message).unwrap();
    let refused = ulr::decide(&request, Some(&subscriber()), NOW, &Causes::default()).unwrap_err();
    let mut out = Vec::new();
    error_answer(&message, "icf.example", "home.example", &refused, &mut out);
    let message = Message::parse(&out).unwrap();
    let answer = UpdateLocationAnswer::decode(&message).unwrap();
    assert_eq!(answer.outcome, Experimental::RAT_NOT_ALLOWED.into());
    assert!(answer.ula_flags.is_some());
    assert_eq!((answer.session_id, answer.origin_host), ("mme.example;1;3", "icf.example"));
}

/// What MMEs of others send: no number of vectors at all means one.
#[test]
fn an_air_without_a_number_of_vectors_gets_one() {
    let request = AuthenticationInformationRequest {
        session_id: "mme.example;1;2",
        origin_host: "mme.example",
        origin_realm: "example",
        destination_realm: "home.example",
        user_name: "999710000000001",
        requested_eutran_authentication_info: Some(RequestedVectors::default()),
        visited_plmn_id: PLMN,
        ..AuthenticationInformationRequest::default()
    };
    let mut octets = Vec::new();
    request.encode(&mut octets, 1, 2);
    assert_eq!(usim_reads(&serve(&octets, &mut numbers()).unwrap()), [1 << 5 | 3]);
}
