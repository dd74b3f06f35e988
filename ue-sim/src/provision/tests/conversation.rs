//! From the RNCT to the report, with everything that may be wrong on the way.

use schemas::{
    identity::OperatorId, octets::Octets, report::InstallResult, rest::provisioning::Refusal, rncp::Manifest,
    trust::Leaf,
};
use uuid::Uuid;

use super::*;
use crate::{
    access::{
        ip::{Drf, DrfError},
        s6a::{AttachEnd, Mme, MmeConfig},
    },
    rncp::{Event, State},
    test_dpf::{Extra, Server, World},
    test_hss::{Behaviour, Hss, Server as HssServer},
    tre::{TreError, Triple},
};
use ::s6a::net::Endpoint;

fn operator(name: &str) -> OperatorId {
    name.parse().unwrap()
}

fn extra(name: &'static str, octets: usize, shared: bool) -> Extra {
    // No two parts alike, and no part like itself moved.
    let content = (0..octets).map(|at| (at * 31 % 251) as u8 ^ name.len() as u8).collect();
    Extra { name, content, shared }
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { reason, reported: true, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_triggered_device_has_its_rncp_activated_and_the_dpf_its_report() {
    let mut bench = Bench::new().await;
    bench.server.plan(|plan| {
        plan.extras = vec![extra("profile", 3000, false), extra("applet", 70_000, true)];
        plan.undecided = 2;
    });
    bench.trigger("sho-a");
    let (outcome, events) = bench.run_telling().await;
    let rncp = bench.server.seen().sessions[0].rncp;
    let expected =
        Outcome::Installed { rncp, operator: operator("sho-a"), imsi: World::imsi(1), reported: true };
    assert_eq!(outcome, expected);

    let steps: Vec<Step> = events.iter().map(|event| event.step).collect();
    use Step::*;
    let part = PartReceived;
    let all = [
        SessionOpened,
        EvidenceSent,
        OperatorAnswered,
        ManifestReceived,
        PartsAgreed,
        part,
        part,
        part,
        Installed,
        Reported,
    ];
    assert_eq!(steps, all);
    let seeds: Vec<u8> = events.iter().filter_map(|event| event.seed).collect();
    assert_eq!(seeds, [9, 9, 16, 16, 16, 16, 16, 17, 18]);
    let wire = events[0].wire.as_ref().unwrap();
    assert_eq!((wire.request.as_str(), wire.answer.as_str()), ("POST /device/v1/sessions", "201 Created"));
    assert_eq!(wire.protocol, "HTTP/2.0 over TLS 1.3");

    let reports = bench.server.reports();
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].rncp, reports[0].result), (rncp, InstallResult::Installed));
    assert!(bench.server.seen().certified > 0 && bench.server.seen().by_triple == 0);
    let active = bench.tre.active().unwrap();
    assert_eq!((active.rncp, active.state), (rncp, State::Activated));
    assert!(bench.run_nothing().await);
    // Nothing is left of the download, and nothing that is sealed shows what it is.
    assert_eq!(bench.files().len(), 3, "{:?}", bench.files());
    let key = hex::decode(crate::test_dpf::K).unwrap();
    for file in bench.files() {
        let octets = std::fs::read(bench.path().join(&file)).unwrap();
        assert!(!octets.windows(16).any(|window| window == key), "{file}");
    }
}

#[tokio::test]
async fn the_device_attaches_with_its_operators_imsi_and_its_usim_remembers() {
    let mut bench = Bench::new().await;
    assert!(matches!(bench.tre.begin_session(), Err(TreError::NothingActive)));
    let mut provisional = bench.tre.provisional().unwrap().unwrap();
    assert_eq!(provisional.imsi, World::pcid(1));
    provisional = provisional.with_sqn({
        let mut sqn = crate::usim::SqnArray::default();
        assert!(sqn.restore(3, 41));
        sqn
    });
    bench.tre.keep_usim(&provisional).unwrap();
    bench.provision("sho-a").await;
    assert!(matches!(bench.tre.usim_of_selected(), Err(TreError::NothingSelected)));
    let hss = HssServer::start(Hss::new(1), Behaviour::default()).await;
    let config = MmeConfig::new("hss.localdomain", Endpoint::Tcp(hss.address), Hss::serving());
    let mme = Mme::connect(config, None).await.unwrap();
    let mut device = bench.tre.begin_session().unwrap();
    assert_eq!(device.imsi, World::imsi(1));
    let report = mme.attach(&mut device).await.unwrap();
    assert!(matches!(report.end, AttachEnd::Attached { .. }), "{report:?}");
    bench.tre.keep_usim(&device).unwrap();
    let accepted = device.usim.sqn().clone();
    drop(bench.tre);
    let tre = Tre::open(bench.folder.path().join("device")).unwrap();
    assert_eq!(*tre.usim_of_selected().unwrap().usim.sqn(), accepted);
    assert_eq!(tre.provisional().unwrap().unwrap().usim.sqn(), provisional.usim.sqn());
    tre.end_session().unwrap();
    assert_eq!(tre.active().unwrap().state, State::Activated);
}

/// Each thing that may be wrong with an RNCP: a reason in a signed report, and the device as before.
#[tokio::test]
async fn an_rncp_that_is_not_right_is_reported_and_leaves_the_device_as_it_was() {
    let change =
        |change: fn(&mut Manifest)| move |server: &Server| server.plan(|plan| plan.change = Some(change));
    let other = {
        let world = World::new();
        let device = world.manufacture(9);
        Leaf::parse(&device.platform_chain[0]).unwrap()
    };
    type Set = Box<dyn Fn(&Server)>;
    let cases: Vec<(&str, Set)> = vec![
        ("wrong-digest", Box::new(|server| server.plan(|plan| plan.corrupt = true))),
        ("not-for-me", Box::new(change(|manifest| manifest.device_id = "device-2".parse().unwrap()))),
        ("not-for-me", Box::new(change(|manifest| manifest.tre_id = "tre-2".parse().unwrap()))),
        ("not-for-me", Box::new(change(|manifest| manifest.pcid = World::pcid(2)))),
        ("wrong-operator", Box::new(change(|manifest| manifest.operator = "sho-b".parse().unwrap()))),
        ("wrong-operator", Box::new(change(|manifest| manifest.operator = "sho-c".parse().unwrap()))),
        ("wrong-session", Box::new(change(|manifest| manifest.session = Uuid::from_u128(1)))),
        ("wrong-kind", Box::new(change(|manifest| manifest.kind = schemas::rncp::Kind::Update))),
        ("expired", Box::new(change(|manifest| manifest.expires = now() - 1))),
        ("unsupported-version", Box::new(change(|manifest| manifest.version = 2))),
        ("replaces-unknown", Box::new(change(|manifest| manifest.replaces = Some(Uuid::from_u128(7))))),
        ("malformed", Box::new(change(|manifest| manifest.parts[0].digest = Octets(vec![1; 31])))),
        ("no-credentials", Box::new(change(|manifest| drop(manifest.parts.remove(0))))),
        ("does-not-open", Box::new(change(|manifest| manifest.rncp = Uuid::from_u128(9)))),
        ("wrong-digest", Box::new(change(|manifest| manifest.parts[0].size -= 1))),
        ("bad-signature", Box::new(|server| server.plan(|plan| plan.wrong_signer = true))),
        ("does-not-open", Box::new(move |server| server.plan(|plan| plan.encrypt_to = Some(other.clone())))),
        ("parts-missing", Box::new(|server| server.plan(|plan| plan.offer_nothing = true))),
    ];
    for (at, (word, set)) in cases.into_iter().enumerate() {
        let mut bench = Bench::new().await;
        set(&bench.server);
        bench.trigger("sho-a");
        let (outcome, events) = bench.run_telling().await;
        assert_eq!(reason(&outcome), word, "case {at}");
        assert!(has(&events, Step::Failed) && has(&events, Step::Reported) && !has(&events, Step::Installed));
        let reports = bench.server.reports();
        assert_eq!(reports.len(), 1, "case {at}");
        assert_eq!(reports[0].result, InstallResult::Failed, "case {at}");
        assert_eq!(reports[0].reason.as_deref(), Some(word), "case {at}");
        assert!(bench.tre.active().is_none() && bench.files().is_empty(), "case {at}: {:?}", bench.files());
        // It is no worse off: the next RNCT brings it on.
        bench.server.plan(|plan| *plan = Default::default());
        assert!(matches!(bench.provision("sho-a").await, Outcome::Installed { .. }), "case {at}");
    }
}

#[tokio::test]
async fn what_the_operator_refuses_ends_with_its_reason() {
    let mut bench = Bench::new().await;
    let refusal = Refusal { code: "no-contract".into(), detail: "sign one".into(), retry: false };
    bench.server.plan(|plan| plan.refuse = Some(refusal.clone()));
    assert_eq!(bench.provision("sho-a").await, Outcome::Refused(refusal));
    assert!(bench.server.reports().is_empty() && bench.run_nothing().await);
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let mut bench = Bench::new().await;
    bench.server.plan(|plan| {
        plan.extras = vec![extra("profile", 20_000, false)];
        plan.end_after = Some(3000);
        plan.breaks = 2;
    });
    bench.trigger("sho-a");
    let (outcome, events) = bench.run_telling().await;
    assert!(matches!(outcome, Outcome::Installed { .. }), "{outcome:?}");
    assert!(has(&events, Step::DownloadCut));
    let downloads = bench.server.seen().downloads.clone();
    assert!(downloads.iter().any(|(from, _)| *from > 0), "{downloads:?}");
    let view = operator("sho-a");
    let rncp = bench.tre.active().unwrap().rncp;
    let part = bench.tre.operator(&view).part(rncp, "profile").unwrap();
    assert_eq!(*part, extra("profile", 20_000, false).content);
}

#[tokio::test]
async fn a_dpf_that_is_out_of_order_for_a_while_is_asked_again_and_gets_one_report() {
    let mut bench = Bench::new().await;
    bench.server.plan(|plan| (plan.unavailable, plan.reports_lost) = (3, 2));
    bench.trigger("sho-a");
    let (outcome, events) = bench.run_telling().await;
    assert!(matches!(outcome, Outcome::Installed { reported: true, .. }), "{outcome:?}");
    assert!(has(&events, Step::Retrying));
    assert_eq!(bench.server.reports().len(), 1);
    assert_eq!(bench.server.seen().sessions.len(), 1);
    assert_eq!(events.iter().filter(|event| event.step == Step::Installed).count(), 1);
}

#[tokio::test]
async fn a_dpf_that_the_anchors_do_not_lead_to_is_told_nothing() {
    let mut bench = Bench::new().await;
    let stranger = Server::start().await;
    bench.sequence += 1;
    let mut rnct = bench.server.rnct(1, bench.sequence).0;
    rnct.dpf = stranger.url.clone();
    bench.tre.take_rnct(&bench.server.world.sign_rnct(&rnct), now()).unwrap();
    let options = Options { give_up_after: Duration::from_millis(50), ..OPTIONS };
    let provisioner = Provisioner::new(bench.tre.clone(), Events::none(), options);
    let outcome = provisioner.run().await.unwrap();
    let Outcome::Unfinished { why } = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("certificate"), "{why}");
    assert!(stranger.seen().sessions.is_empty());
}

#[tokio::test]
async fn an_update_takes_the_place_of_the_old_rncp_and_only_new_parts_travel() {
    let mut bench = Bench::new().await;
    bench.server.plan(|plan| plan.extras = vec![extra("profile", 9000, false), extra("applet", 8000, true)]);
    bench.provision("sho-a").await;
    let old = bench.tre.active().unwrap();
    bench.tre.begin_session().unwrap();
    bench.server.plan(|plan| {
        plan.extras =
            vec![extra("profile", 9000, false), extra("applet", 8000, true), extra("policy", 10, false)];
    });
    let before = bench.server.seen().downloads.len();
    let outcome = bench.provision("sho-a").await;
    assert!(matches!(outcome, Outcome::Installed { .. }), "{outcome:?}");
    let new = bench.tre.active().unwrap();
    assert_ne!(new.rncp, old.rncp);
    assert_eq!(new.state, State::Activated);
    let view = operator("sho-a");
    assert_eq!(bench.tre.operator(&view).rncps(), [new]);
    assert!(bench.tre.operator(&view).credentials(old.rncp).is_err());
    // Credentials and policy travelled; profile and applet were here.
    assert_eq!(bench.server.seen().downloads.len() - before, 2);
    assert_eq!(bench.server.seen().sessions[1].have[0].len(), 2);
    assert_eq!(bench.files().len(), 4, "{:?}", bench.files());
}

#[tokio::test]
async fn two_operators_share_what_is_shared_and_nothing_else() {
    let mut bench = Bench::new().await;
    bench.server.plan(|plan| plan.extras = vec![extra("profile", 9000, false), extra("applet", 8000, true)]);
    bench.provision("sho-a").await;
    let (a, b) = (operator("sho-a"), operator("sho-b"));
    let first = bench.tre.active().unwrap().rncp;
    // As long as one is active, no other operator's is installed.
    assert_eq!(reason(&bench.provision("sho-b").await), "other-operator-active");
    assert_eq!(bench.tre.active().unwrap().rncp, first);
    bench.tre.change(&a, first, Event::Block).unwrap();
    let outcome = bench.provision("sho-b").await;
    assert!(matches!(outcome, Outcome::Installed { .. }), "{outcome:?}");
    let second = bench.tre.active().unwrap().rncp;
    // Of the same two parts, the device owned up to the shared one alone.
    let have = bench.server.seen().sessions[2].have[0].clone();
    let shared = hex::encode(schemas::rncp::digest(&extra("applet", 8000, true).content));
    assert_eq!(have, [shared]);

    // Neither finds the other's, by any way.
    for (operator, theirs) in [(&a, second), (&b, first)] {
        let view = bench.tre.operator(operator);
        assert_eq!(view.rncps().len(), 1);
        for part in ["credentials", "profile", "applet"] {
            assert!(view.part(theirs, part).is_err(), "{operator} {part}");
        }
        assert!(view.credentials(theirs).is_err());
        for event in Event::ALL {
            assert!(bench.tre.change(operator, theirs, event).is_err(), "{operator} {event:?}");
        }
    }
    for (operator, own) in [(&a, first), (&b, second)] {
        assert!(bench.tre.operator(operator).credentials(own).is_ok());
        assert_eq!(
            *bench.tre.operator(operator).part(own, "applet").unwrap(),
            extra("applet", 8000, true).content
        );
    }
    // A file of one in the other's place does not open there.
    let own = |operator: &str, rncp: Uuid| {
        bench.path().join(format!("operators/{operator}/rncp/{rncp}.credentials"))
    };
    std::fs::copy(own("sho-a", first), own("sho-b", second)).unwrap();
    assert!(matches!(bench.tre.operator(&b).credentials(second), Err(TreError::Sealed(_))));
    // The first, unblocked, would be a second active one.
    assert!(bench.tre.change(&a, first, Event::Unblock).is_err());
    // Deleting one leaves what the other refers to.
    bench.tre.change(&a, first, Event::Delete).unwrap();
    assert!(bench.tre.operator(&b).part(second, "applet").is_ok());
}

#[tokio::test]
async fn a_newer_rnct_takes_the_place_of_one_that_is_not_followed_yet() {
    let mut bench = Bench::new().await;
    bench.trigger("sho-b");
    bench.trigger("sho-a");
    assert!(matches!(bench.run().await, Outcome::Installed { .. }));
    let sessions: Vec<String> =
        bench.server.seen().sessions.iter().map(|kept| kept.opened.operator.to_string()).collect();
    assert_eq!(sessions, ["sho-a"]);
    assert!(bench.run_nothing().await);
}

#[tokio::test]
async fn a_report_that_is_still_to_be_accepted_comes_before_a_newer_rnct() {
    let mut bench = Bench::new().await;
    bench.trigger("sho-a");
    // The report is never taken, and the device gives up for now.
    bench.server.plan(|plan| plan.reports_lost = u32::MAX);
    let options = Options { give_up_after: Duration::from_millis(50), ..OPTIONS };
    let outcome = Provisioner::new(bench.tre.clone(), Events::none(), options).run().await;
    assert!(matches!(outcome, Some(Outcome::Unfinished { .. })), "{outcome:?}");
    let first = bench.tre.active().unwrap().rncp;
    bench.server.plan(|plan| plan.reports_lost = 0);
    let (rnct, signed) = bench.server.rnct(1, 2);
    bench.tre.take_rnct(&signed, now()).unwrap();
    let outcome = super::super::provision(&bench.tre, &rnct, &Events::none()).await;
    let second = bench.tre.active().unwrap().rncp;
    assert!(matches!(outcome, Outcome::Installed { rncp, .. } if rncp == second), "{outcome:?}");
    let reported: Vec<Uuid> = bench.server.reports().iter().map(|report| report.rncp).collect();
    assert_eq!(reported, [first, second]);
}

#[tokio::test]
async fn with_a_triple_the_device_gets_its_platform_certificate_first() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut device = server.world.manufacture(1);
    device.platform_chain = Vec::new();
    server.seen().certify = Some(device.platform_key.clone());
    device.triple = Some(Triple {
        url: server.url.clone(),
        username: crate::test_dpf::TRIPLE.0.into(),
        password: crate::test_dpf::TRIPLE.1.into(),
    });
    assert!(!format!("{device:?}").contains(crate::test_dpf::TRIPLE.1));
    let tre = Tre::manufacture(folder.path(), device).unwrap();
    assert!(matches!(tre.evidence(&[0; 16], now()), Err(TreError::NotCertified)));
    let drf = Drf::of_triple(&tre, Events::none()).await.unwrap().unwrap();
    assert!(matches!(drf.hello(Some(5683)).await.unwrap(), Taken::New(_)));
    let outcome = Provisioner::new(tre.clone(), Events::none(), OPTIONS).run().await.unwrap();
    assert!(matches!(outcome, Outcome::Installed { reported: true, .. }), "{outcome:?}");
    let seen = server.seen();
    assert_eq!(seen.by_triple, 2, "the hello and the certificate");
    assert!(seen.certified > 0 && seen.hellos[0].coap_port == Some(5683));
    assert_eq!(tre.platform_certificate().unwrap().tre_id().unwrap(), *tre.tre_id());
}

#[tokio::test]
async fn a_device_that_is_online_asks_the_drf_for_its_rnct() {
    let bench = Bench::new().await;
    let drf = Drf::new(&bench.tre, &bench.server.url, Events::none()).await.unwrap();
    assert_eq!(drf.rnct().await.unwrap(), None);
    let (rnct, signed) = bench.server.rnct(1, 5);
    bench.server.seen().rncts.insert(World::pcid(1).to_string(), signed);
    assert_eq!(drf.rnct().await.unwrap(), Some(Taken::New(rnct.clone())));
    // Asked again, it is the same one, and nothing starts twice.
    assert_eq!(drf.rnct().await.unwrap(), Some(Taken::Again(rnct)));
    let forged = World::new().sign_rnct(&bench.server.rnct(1, 6).0);
    bench.server.seen().rncts.insert(World::pcid(1).to_string(), forged);
    assert!(matches!(drf.rnct().await, Err(DrfError::Trigger(_))));
    assert!(matches!(bench.run().await, Outcome::Installed { .. }));
}
