//! Load against a server that does well, and against servers that do not.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::test_hss::{Behaviour, Hss, Server};

fn config(server: &Server, procedures: u64) -> LoadConfig {
    LoadConfig {
        procedures: Some(procedures),
        duration: Some(Duration::from_secs(20)),
        window: 8,
        answer_timeout: Duration::from_millis(300),
        ..LoadConfig::new(server.address, Hss::serving())
    }
}

async fn go(
    hss: Hss,
    behaviour: Behaviour,
    change: impl FnOnce(&mut LoadConfig),
) -> Result<LoadReport, LoadError> {
    let devices = hss.devices();
    let server = Server::start(hss, behaviour).await;
    let mut config = config(&server, 100);
    change(&mut config);
    run(config, devices, CancellationToken::new()).await
}

#[tokio::test]
async fn every_air_is_answered_and_every_vector_accepted() {
    let report = go(Hss::new(20), Behaviour::default(), |_| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.begun, report.completed, report.requests, report.answers), (100, 100, 100, 100));
    assert_eq!(report.end, End::Completed);
    assert_eq!(report.verify.as_ref().unwrap().accepted, 100);
    assert_eq!(report.commands["AIR"].answers["2001 DIAMETER_SUCCESS"], 100);
    let latency = report.commands["AIR"].latency_us;
    assert!(latency.min > 0.0 && latency.min <= latency.p50 && latency.p50 <= latency.max, "{latency:?}");
}

#[tokio::test]
async fn an_attach_is_air_and_ulr_of_the_same_imsi() {
    let hss = Hss::new(5);
    let devices = hss.devices();
    let server = Server::start(hss, Behaviour::default()).await;
    let config = LoadConfig { procedure: Procedure::Attach, connections: 2, ..config(&server, 30) };
    let report = run(config, devices, CancellationToken::new()).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.completed, report.requests), (30, 60));
    assert_eq!(report.commands["ULR"].answers["2001 DIAMETER_SUCCESS"], 30);
    assert_eq!((server.seen(318, true).len(), server.seen(316, true).len()), (30, 30));
    assert_eq!(server.seen(282, true).len(), 2, "a DPR from each connection");
}

#[tokio::test]
async fn several_vectors_in_one_answer_are_checked_in_order() {
    let report = go(Hss::new(4), Behaviour::default(), |config| config.vectors = 5).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.verify.unwrap().accepted, 500);
}

#[tokio::test]
async fn a_server_whose_numbers_jump_too_far_is_resynchronised_once_for_each_device() {
    let report = go(Hss::new(10).with_seq(1 << 40), Behaviour::default(), |_| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let verify = report.verify.as_ref().unwrap();
    assert_eq!((verify.sync_failures, verify.resynchronisations, verify.accepted), (10, 10, 100));
    assert_eq!((report.completed, report.requests), (100, 110));
}

#[tokio::test]
async fn a_second_synchronisation_failure_ends_the_procedure() {
    let behaviour = Behaviour { ignore_auts: true, ..Behaviour::default() };
    let report = go(Hss::new(10).with_seq(1 << 40), behaviour, |config| config.procedures = Some(10)).await;
    let report = report.unwrap();
    assert!(!report.is_clean());
    assert_eq!((report.completed, report.failed, report.requests), (0, 10, 20));
}

#[tokio::test]
async fn a_sequence_number_that_comes_twice_is_found_in_both_ways_of_looking() {
    let behaviour = Behaviour { repeat_every: Some(10), ..Behaviour::default() };
    // One device, so that the number repeated is the device's own.
    let one = |config: &mut LoadConfig| config.verify = Verify::Unique;
    let report = go(Hss::new(1), behaviour.clone(), one).await.unwrap();
    assert_eq!(report.verify.as_ref().unwrap().sqn_duplicates, Some(10), "{report}");
    assert!(!report.is_clean());

    let report = go(Hss::new(1), behaviour, |_| {}).await.unwrap();
    let verify = report.verify.as_ref().unwrap();
    assert!(verify.sync_failures >= 9, "{report}");
}

#[tokio::test]
async fn a_number_of_an_earlier_run_is_a_duplicate_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("sqn.log");
    for expected in [0, 100] {
        // The second server has lost its counters.
        let report = go(Hss::new(2), Behaviour::default(), |config| {
            config.verify = Verify::Unique;
            config.connections = 4;
            config.sqn_log = Some(log.clone());
        });
        let report = report.await.unwrap();
        assert_eq!(report.verify.unwrap().sqn_duplicates, Some(expected));
    }
}

#[tokio::test]
async fn usims_keep_their_numbers_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("usim.json");
    for expected in [0, 10] {
        let report = go(Hss::new(10), Behaviour::default(), |config| config.usim_state = Some(state.clone()));
        let verify = report.await.unwrap().verify.unwrap();
        // A server that starts again from nothing is behind the devices, which resynchronise it.
        assert_eq!(verify.resynchronisations, expected);
    }
}

#[tokio::test]
async fn what_is_wrong_with_vectors_is_told_apart() {
    let wrong = [
        Behaviour { wrong_kasme: true, ..Behaviour::default() },
        Behaviour { wrong_xres: true, ..Behaviour::default() },
        Behaviour { no_vector: true, ..Behaviour::default() },
    ];
    for (at, behaviour) in wrong.into_iter().enumerate() {
        let report = go(Hss::new(10), behaviour, |_| {}).await.unwrap();
        let verify = report.verify.as_ref().unwrap();
        let counts = [verify.kasme_differs, verify.xres_differs, verify.without_vector];
        assert_eq!(counts, std::array::from_fn(|i| if i == at { 100 } else { 0 }), "{report}");
        assert_eq!((report.completed, report.failed), (0, 100));
        assert!(!report.is_clean());
    }
}

#[tokio::test]
async fn without_verification_only_results_count() {
    let behaviour = Behaviour { wrong_kasme: true, ..Behaviour::default() };
    let report = go(Hss::new(10), behaviour, |config| config.verify = Verify::Off).await.unwrap();
    assert!(report.is_clean() && report.verify.is_none(), "{report}");
    assert_eq!(report.completed, 100);
}

#[tokio::test]
async fn a_refusal_is_counted_by_its_code() {
    let behaviour = Behaviour { refuse_air: Some(5420), ..Behaviour::default() };
    let report = go(Hss::new(10), behaviour, |_| {}).await.unwrap();
    let answers = &report.commands["AIR"].answers;
    assert_eq!(answers["experimental 5420 DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION"], 100, "{answers:?}");
    assert_eq!((report.completed, report.failed), (0, 100));
}

#[tokio::test]
async fn a_request_without_answer_is_lost_and_the_run_goes_on() {
    let behaviour = Behaviour { silent_every: Some(10), ..Behaviour::default() };
    let report = go(Hss::new(20), behaviour, |_| {}).await.unwrap();
    assert_eq!((report.lost, report.failed, report.completed), (10, 10, 90), "{report}");
    assert_eq!((report.requests, report.answers), (100, 90));
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_matched_to_nothing() {
    let behaviour = Behaviour { answer_twice: true, ..Behaviour::default() };
    let report = go(Hss::new(20), behaviour, |_| {}).await.unwrap();
    assert_eq!(report.completed, 100);
    // What comes after the last answer is not waited for.
    assert!((90..=100).contains(&report.unmatched), "{report}");
}

#[tokio::test]
async fn the_end_of_the_connection_ends_the_run_with_what_it_cut_off() {
    let behaviour = Behaviour { cut_after: Some(40), ..Behaviour::default() };
    let report = go(Hss::new(20), behaviour, |_| {}).await.unwrap();
    assert!(matches!(report.end, End::ConnectionLost(_)), "{report}");
    assert_eq!(report.begun, report.completed + report.failed);
    assert!(report.completed <= 40 && report.cut_off > 0, "{report}");
}

#[tokio::test]
async fn dpr_ends_the_run_with_its_cause() {
    let behaviour = Behaviour { dismiss_after: Some(40), ..Behaviour::default() };
    let report = go(Hss::new(20), behaviour, |_| {}).await.unwrap();
    assert_eq!(report.end, End::PeerDisconnected("REBOOTING".into()));
}

#[tokio::test]
async fn an_open_loop_keeps_its_rate() {
    let report = go(Hss::new(50), Behaviour::default(), |config| {
        config.pace = Pace::Rate(500.0);
        config.connections = 2;
        config.procedures = Some(250);
    });
    let report = report.await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert!((0.45..1.5).contains(&report.seconds), "{report}");
}

#[tokio::test]
async fn requests_that_were_due_while_the_server_stalled_have_waited() {
    const STALL: Duration = Duration::from_millis(400);
    let behaviour = Behaviour { stall: Some(STALL), ..Behaviour::default() };
    let report = go(Hss::new(50), behaviour, |config| {
        config.pace = Pace::Rate(500.0);
        config.procedures = Some(400);
        config.window = 4;
        config.answer_timeout = Duration::from_secs(5);
    });
    let report = report.await.unwrap();
    assert!(report.is_clean(), "{report}");
    // Some 200 of the 400 were due during the stall, evenly spread over it; the window let only four of
    // them out. A closed loop would have counted four slow ones.
    let waited = report.commands["AIR"].latency_us;
    assert!(waited.p90 > 200_000.0 && waited.mean > 50_000.0, "{waited:?}");
    assert!(report.lag_us.p90 > 200_000.0, "{:?}", report.lag_us);
}

#[tokio::test]
async fn who_stops_the_run_gets_a_report_of_what_was() {
    let hss = Hss::new(20);
    let devices = hss.devices();
    let server = Server::start(hss, Behaviour::default()).await;
    let mut config = config(&server, 1);
    (config.procedures, config.duration) = (None, Some(Duration::from_secs(60)));
    let stop = CancellationToken::new();
    let run = tokio::spawn(run(config, devices, stop.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();
    let report = run.await.unwrap().unwrap();
    assert_eq!(report.end, End::Interrupted);
    assert!(report.is_clean() && report.completed > 0, "{report}");
}

#[tokio::test]
async fn requests_of_the_server_are_answered_meanwhile() {
    let hss = Hss::new(20);
    let imsi = hss.devices()[0].imsi.to_string();
    let devices = hss.devices();
    let server = Server::start(hss, Behaviour::default()).await;
    let mut config = config(&server, 1);
    (config.procedures, config.duration) = (None, Some(Duration::from_millis(300)));
    server.push(317, Some(&imsi), |w| w.u32(&s6a::codec::dictionary::s6a::CANCELLATION_TYPE, 2));
    server.push(999, None, |_| {});
    let report = run(config, devices, CancellationToken::new()).await.unwrap();
    assert_eq!((report.server_requests, report.end), (2, End::Elapsed));
    let answer = |command| server.seen(command, false).pop().unwrap();
    let (cancel, unknown) = (answer(317), answer(999));
    let outcome = |octets: &[u8]| wire::outcome(&s6a::codec::Message::parse(octets).unwrap()).unwrap();
    assert_eq!(outcome(&cancel), wire::Outcome::Base(2001));
    assert_eq!(outcome(&unknown), wire::Outcome::Base(3001));
}

#[tokio::test]
async fn a_server_that_does_not_know_us_says_what_to_do() {
    let behaviour = Behaviour { cea: Some(3010), ..Behaviour::default() };
    let error = go(Hss::new(1), behaviour, |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("3010") && error.contains("list that identity"), "{error}");
}

#[tokio::test]
async fn nobody_there_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = LoadConfig::new(free, Hss::serving());
    let error = run(config, Hss::new(1).devices(), CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("is the ICF running"), "{error}");
}

#[tokio::test]
async fn a_run_that_makes_no_sense_is_refused() {
    let changes: [fn(&mut LoadConfig); 7] = [
        |config| config.window = 0,
        |config| config.vectors = 6,
        |config| config.connections = 2,
        |config| config.connections = 0,
        |config| config.pace = Pace::Rate(0.0),
        |config| (config.procedures, config.duration) = (None, None),
        |config| config.connect.clear(),
    ];
    for change in changes {
        let result = go(Hss::new(1), Behaviour::default(), change).await;
        assert!(matches!(result, Err(LoadError::Config(_))), "{result:?}");
    }
}

#[tokio::test]
async fn a_report_survives_json() {
    let report = go(Hss::new(5), Behaviour::default(), |_| {}).await.unwrap();
    let json = serde_json::to_string_pretty(&report).unwrap();
    assert_eq!(serde_json::from_str::<LoadReport>(&json).unwrap(), report);
    assert!(json.contains("\"reason\": \"completed\""), "{json}");
}
