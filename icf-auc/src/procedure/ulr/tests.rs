use s6a::{
    app::{RatType, SupportedFeatures},
    codec::{Experimental, ResultCode},
};

use super::*;
use crate::{
    model::{AccessRule, CredentialState},
    procedure::{
        fixture::{HOME, NOW, registered, subscriber, subscriber_with},
        subscription,
    },
    store::OutgoingMessage,
};

/// What an Open5GS MME sends: S6a-Indicator and Initial-Attach-Indicator, 0x22.
const OPEN5GS: UlrFlags = UlrFlags(0x22);

fn ulr(host: &'static str, flags: UlrFlags) -> UpdateLocationRequest<'static> {
    UpdateLocationRequest {
        user_name: "999710000000001",
        origin_host: host,
        origin_realm: "visited.example",
        rat_type: RatType::EUTRAN,
        ulr_flags: flags,
        visited_plmn_id: HOME,
        terminal_information: Some(TerminalInformation {
            imei: Some("35693803564380"),
            software_version: Some("01"),
            ..TerminalInformation::default()
        }),
        ..UpdateLocationRequest::default()
    }
}

fn update(request: &UpdateLocationRequest<'_>, subscriber: &Snapshot) -> Result<Update, Refused> {
    decide(request, Some(subscriber), NOW, &Causes::default())
}

#[track_caller]
fn register(update: &Update) -> (&Registration, bool, &TakeOver) {
    let Op::Register { registration, count_attach, take_over, .. } = &update.op else { panic!("{update:?}") };
    (registration, *count_attach, take_over)
}

/// Who of those that served `before` is told so, with which Cancellation-Type.
#[track_caller]
fn clrs(update: &Update, before: &Snapshot) -> Vec<(String, u32)> {
    let (registration, _, take_over) = register(update);
    let served = [&before.registration, &before.sgsn].into_iter().flatten();
    let told = served.filter_map(|previous| take_over.notice(previous, registration, NOW));
    told.map(|outgoing| match outgoing.message {
        OutgoingMessage::Cancel { cancellation_type, .. } => (outgoing.node.host, cancellation_type),
        other => panic!("{other:?}"),
    })
    .collect()
}

fn told<const N: usize>(nodes: [(&str, u32); N]) -> Vec<(String, u32)> {
    nodes.map(|(host, kind)| (host.to_owned(), kind)).to_vec()
}

#[test]
fn ulr_of_open5gs_registers_counts_an_attach_and_gets_the_subscription() {
    let subscriber = subscriber();
    let update = update(&ulr("mme.example", OPEN5GS), &subscriber).unwrap();
    let (registration, counted, _) = register(&update);
    assert_eq!((registration.kind, registration.rat), (NodeKind::Mme, Rat::Eutran));
    assert_eq!((&*registration.node.host, &*registration.node.realm), ("mme.example", "visited.example"));
    assert_eq!(registration.visited_plmn.to_string(), "999-71");
    assert_eq!(registration.imei.as_deref(), Some("3569380356438001"));
    assert_eq!((registration.registered_at, registration.expires_at), (NOW, NOW.plus(86_400)));
    assert!(counted && update.subscription_data);
    assert_eq!(clrs(&update, &subscriber), []);
    subscription::with_data(&subscriber, subscriber.credential.address, update.recipient, |data| {
        let answer = update.answer(data);
        assert!(answer.outcome.is_success());
        assert_eq!(answer.ula_flags, Some(UlaFlags::SEPARATION));
        assert!(answer.subscription_data.is_some());
    });
}

#[test]
fn ulr_with_skip_subscriber_data_gets_none() {
    let subscriber = registered(NodeKind::Mme, "mme.example");
    let flags = UlrFlags::S6A.with(UlrFlags::SKIP_SUBSCRIBER_DATA);
    let update = update(&ulr("mme.example", flags), &subscriber).unwrap();
    subscription::with_data(&subscriber, None, update.recipient, |data| {
        assert_eq!(update.answer(data).subscription_data, None);
    });
}

#[test]
fn ulr_from_another_mme_cancels_the_previous_one_with_type_0() {
    let previous = registered(NodeKind::Mme, "old.example");
    for flags in [UlrFlags::S6A, OPEN5GS] {
        let update = update(&ulr("new.example", flags), &previous).unwrap();
        assert_eq!(clrs(&update, &previous), told([("old.example", 0)]));
        assert_eq!(register(&update).0.registered_at, NOW);
    }
}

#[test]
fn ulr_from_the_same_mme_cancels_nobody_and_keeps_the_begin() {
    let subscriber = registered(NodeKind::Mme, "mme.example");
    let update = update(&ulr("MME.example", UlrFlags::S6A), &subscriber).unwrap();
    let (registration, counted, _) = register(&update);
    assert_eq!((registration.registered_at, registration.expires_at), (NOW.plus(-3600), NOW.plus(86_400)));
    assert!(!counted);
    assert_eq!(clrs(&update, &subscriber), []);
}

#[test]
fn ulr_without_terminal_information_keeps_the_imei_of_the_same_node() {
    let subscriber = registered(NodeKind::Mme, "mme.example");
    let silent = |host| UpdateLocationRequest { terminal_information: None, ..ulr(host, UlrFlags::S6A) };
    let update = |host| super::decide(&silent(host), Some(&subscriber), NOW, &Causes::default()).unwrap();
    assert_eq!(register(&update("mme.example")).0.imei.as_deref(), Some("356938035643803"));
    assert_eq!(register(&update("new.example")).0.imei, None);
}

#[test]
fn an_initial_attach_at_an_mme_cancels_the_sgsn_with_type_4() {
    let sgsn = registered(NodeKind::Sgsn, "sgsn.example");
    let update = update(&ulr("mme.example", OPEN5GS), &sgsn).unwrap();
    assert_eq!(clrs(&update, &sgsn), told([("sgsn.example", 4)]));
}

#[test]
fn an_mme_that_serves_alone_cancels_the_sgsn_with_type_1() {
    let sgsn = registered(NodeKind::Sgsn, "sgsn.example");
    let flags = UlrFlags::S6A.with(UlrFlags::SINGLE_REGISTRATION);
    let update = |flags| super::decide(&ulr("mme.example", flags), Some(&sgsn), NOW, &Causes::default());
    assert_eq!(clrs(&update(flags).unwrap(), &sgsn), told([("sgsn.example", 1)]));
    // Without either, both serve: ISR (TS 23.401 §4.3.5.6).
    assert_eq!(clrs(&update(UlrFlags::S6A).unwrap(), &sgsn), []);
}

#[test]
fn registrations_of_mme_and_sgsn_are_kept_apart() {
    let mut both = registered(NodeKind::Mme, "old.example");
    both.sgsn = registered(NodeKind::Sgsn, "sgsn.example").sgsn;
    let update = update(&ulr("mme.example", OPEN5GS), &both).unwrap();
    assert_eq!(clrs(&update, &both), told([("old.example", 0), ("sgsn.example", 4)]));
    let sgsn = UpdateLocationRequest { rat_type: RatType::UTRAN, ..ulr("new-sgsn.example", UlrFlags(0)) };
    both.profile = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Any).profile;
    let update = super::decide(&sgsn, Some(&both), NOW, &Causes::default()).unwrap();
    assert_eq!(clrs(&update, &both), told([("sgsn.example", 1)]));
}

#[test]
fn ulr_of_an_sgsn_registers_an_sgsn() {
    let any = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Any);
    let request = UpdateLocationRequest { rat_type: RatType::UTRAN, ..ulr("sgsn.example", UlrFlags(0)) };
    let update = update(&request, &any).unwrap();
    assert_eq!(register(&update).0.kind, NodeKind::Sgsn);
}

/// Open5GS stores the location and cancels the previous MME before it validates.
#[test]
fn open5gs_ulr_stores_and_cancels_before_validating() {
    let mut previous = registered(NodeKind::Mme, "old.example");
    let with = |state, subscriber: &mut Snapshot| {
        let mut credential = (*subscriber.credential).clone();
        credential.state = state;
        subscriber.credential = credential.into();
    };
    with(CredentialState::Blocked, &mut previous);
    // A refusal is all there is: no operation comes with it.
    let refused = update(&ulr("new.example", OPEN5GS), &previous).unwrap_err();
    assert_eq!(refused.cause, Some(Cause::Blocked));
}

#[test]
fn ulr_refuses_what_air_refuses() {
    let refused = |change: fn(&mut crate::model::Credential, &mut crate::model::Profile)| {
        update(&ulr("mme.example", OPEN5GS), &subscriber_with(change)).unwrap_err().cause.unwrap()
    };
    assert_eq!(refused(|credential, _| credential.expires_at = Some(NOW)), Cause::Expired);
    assert_eq!(refused(|credential, _| credential.attach_budget = Some(7)), Cause::Exhausted);
    assert_eq!(refused(|_, profile| profile.eps = false), Cause::NoEpsSubscription);
    assert_eq!(
        refused(|_, profile| profile.allowed_plmns = AccessRule::Only(Vec::new())),
        Cause::RoamingNotAllowed
    );
    assert_eq!(
        refused(|_, profile| profile.allowed_rats = AccessRule::Only(vec![Rat::EutranNbIot])),
        Cause::RatNotAllowed
    );
    let unknown = decide(&ulr("mme.example", OPEN5GS), None, NOW, &Causes::default()).unwrap_err();
    assert_eq!(unknown.cause, Some(Cause::Unknown));
}

#[test]
fn a_rat_type_that_no_profile_can_allow_gets_5421() {
    let any = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Any);
    let request = UpdateLocationRequest { rat_type: RatType::WLAN, ..ulr("mme.example", OPEN5GS) };
    assert_eq!(update(&request, &any).unwrap_err().outcome, Experimental::RAT_NOT_ALLOWED.into());
}

#[test]
fn the_last_attach_may_move_to_another_mme_but_not_begin_again() {
    let spent = subscriber_with(|credential, _| credential.attach_budget = Some(7));
    assert!(update(&ulr("mme.example", UlrFlags::S6A), &spent).is_ok());
    assert!(update(&ulr("mme.example", OPEN5GS), &spent).is_err());
}

#[test]
fn an_address_is_assigned_from_the_pool_only_if_there_is_none() {
    let pool = |subscriber: &Snapshot| match &update(&ulr("mme.example", OPEN5GS), subscriber).unwrap().op {
        Op::Register { pool, .. } => *pool,
        other => panic!("{other:?}"),
    };
    assert_eq!(pool(&subscriber()), None);
    let without = subscriber_with(|credential, _| credential.address = None);
    assert_eq!(pool(&without), "10.45.0.0/16".parse().ok());
}

#[test]
fn terminal_information_that_is_not_digits_is_not_stored() {
    let told = |imei, software_version| {
        super::imei(&TerminalInformation { imei, software_version, ..TerminalInformation::default() })
    };
    assert_eq!(told(Some("356938035643803"), None).as_deref(), Some("356938035643803"));
    assert_eq!(told(Some("356938035643803"), Some("42")).as_deref(), Some("3569380356438042"));
    assert_eq!(told(Some("35693803564380"), Some("x2")).as_deref(), Some("35693803564380"));
    for wrong in [None, Some(""), Some("35693803564380é"), Some("<script>alert()"), Some("1234567890123456")]
    {
        assert_eq!(told(wrong, Some("42")), None);
    }
}

#[test]
fn a_wrong_visited_plmn_gets_5004() {
    let request = UpdateLocationRequest { visited_plmn_id: [0xff; 3], ..ulr("mme.example", OPEN5GS) };
    let refused = update(&request, &subscriber()).unwrap_err();
    assert_eq!(refused.outcome, ResultCode::INVALID_AVP_VALUE.into());
}

/// TS 29.272 §7.3.10: Additional MSISDN (1.31), SMS in MME (2.0), Reset-IDs (2.17), which the ICF does not have.
fn featured<'a>(features: &'a [SupportedFeatures]) -> UpdateLocationRequest<'a> {
    UpdateLocationRequest {
        supported_features: features.into(),
        mme_number_for_mt_sms: Some(&[0x88, 0x13, 0xf0]),
        sms_register_request: Some(0),
        homogeneous_support_of_ims_voice: Some(1),
        ..ulr("mme.example", OPEN5GS)
    }
}

fn lists() -> [SupportedFeatures; 2] {
    [SupportedFeatures::of_3gpp(1, 1 << 31), SupportedFeatures::of_3gpp(2, 1 | 1 << 17)]
}

fn with_sms() -> Snapshot {
    subscriber_with(|_, profile| {
        profile.sms = serde_json::from_str("{}").unwrap();
    })
}

#[test]
fn features_are_answered_as_far_as_both_sides_have_them_and_kept() {
    let (subscriber, lists) = (subscriber(), lists());
    let update = update(&featured(&lists), &subscriber).unwrap();
    subscription::with_data(&subscriber, None, update.recipient, |data| {
        let answer = update.answer(data);
        let told: Vec<_> =
            answer.supported_features.iter().map(|it| (it.feature_list_id, it.feature_list)).collect();
        assert_eq!(told, [(1, 1 << 31), (2, 1)]);
    });
    let report = &register(&update).0.report;
    assert_eq!(report.features, Some([1 << 31, 1 | 1 << 17]));
    assert_eq!(report.ims_voice, Some(true));
    let silent = decide(&ulr("mme.example", OPEN5GS), Some(&subscriber), NOW, &Causes::default()).unwrap();
    assert!(silent.features.is_empty(), "who tells no features gets none");
}

#[test]
fn an_mme_that_asks_for_it_is_registered_for_sms_if_the_subscriber_has_it() {
    let lists = lists();
    let request = featured(&lists);
    let flags = |request: &UpdateLocationRequest<'_>, subscriber: &Snapshot| {
        let update = update(request, subscriber).unwrap();
        let number = register(&update).0.report.sms_number.clone();
        subscription::with_data(subscriber, None, update.recipient, |data| {
            (update.answer(data).ula_flags.unwrap().0, number)
        })
    };
    assert_eq!(flags(&request, &with_sms()), (0b11, Some("88310".into())));
    assert_eq!(flags(&request, &subscriber()), (0b01, None));
    let not_preferred = UpdateLocationRequest { sms_register_request: Some(1), ..request };
    assert_eq!(flags(&not_preferred, &with_sms()), (0b01, None));
    let without_feature = UpdateLocationRequest { supported_features: (&lists[..1]).into(), ..request };
    assert_eq!(flags(&without_feature, &with_sms()), (0b01, None));
    let odd_number = UpdateLocationRequest { mme_number_for_mt_sms: Some(&[0xa1]), ..request };
    assert_eq!(flags(&odd_number, &with_sms()), (0b01, None));
}

#[test]
fn who_is_barred_is_refused_at_a_node_that_does_not_keep_to_it() {
    let barred = subscriber_with(|_, profile| profile.barring = vec![Barring::AllPacketServices]);
    let lists = lists();
    let refused = update(&featured(&lists), &barred).unwrap_err();
    assert_eq!(refused.outcome, Experimental::ROAMING_NOT_ALLOWED.into());
    let knows = [SupportedFeatures::of_3gpp(1, 1)];
    assert!(update(&featured(&knows), &barred).is_ok());
    assert!(
        update(&ulr("mme.example", OPEN5GS), &barred).is_ok(),
        "a node that tells no features is told of it"
    );
}
