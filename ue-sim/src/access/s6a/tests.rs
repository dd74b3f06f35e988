//! One device against the test double, over real sockets.

use std::time::Duration;

use ::s6a::app::{Answer, Request};
use ::s6a::base::Outcome;
use ::s6a::codec::dictionary::s6a as avp;
use ::s6a::codec::{Experimental, Message, ResultCode};
use ::s6a::net::{Endpoint, RequestError};
use schemas::identity::Imsi;
use tokio::sync::mpsc;

use super::*;
use crate::device::Device;
use crate::test_hss::{Behaviour, Hss, Server};

struct Setup {
    server: Server,
    mme: Mme,
    device: Device,
    events: mpsc::UnboundedReceiver<StepEvent>,
}

fn config(server: &Server) -> MmeConfig {
    MmeConfig {
        answer_timeout: Duration::from_millis(500),
        ..MmeConfig::new("hss.localdomain", Endpoint::Tcp(server.address), Hss::serving())
    }
}

async fn setup(hss: Hss, behaviour: Behaviour) -> Setup {
    let device = hss.devices().remove(0);
    let server = Server::start(hss, behaviour).await;
    let (sender, events) = mpsc::unbounded_channel();
    let mme = Mme::connect(config(&server), Some(sender)).await.unwrap();
    Setup { server, mme, device, events }
}

impl Setup {
    async fn attach(&mut self) -> AttachReport {
        self.mme.attach(&mut self.device).await.unwrap()
    }

    /// The steps so far.
    fn steps(&mut self) -> Vec<Step> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|event| event.step).collect()
    }

    /// The next event that is this step.
    async fn until(&mut self, step: Step) -> StepEvent {
        let found = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if event.step == step {
                    return event;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), found).await.unwrap()
    }

    fn imsi(&self) -> Imsi {
        self.device.imsi
    }
}

#[tokio::test]
async fn a_device_attaches_in_the_seeds_five_steps() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    let report = setup.attach().await;
    let AttachEnd::Attached { subscription } = &report.end else { panic!("{report:?}") };
    assert!(!report.resynchronised);
    let apn = subscription.default_apn().unwrap();
    assert_eq!((apn.name.as_str(), apn.qci, apn.priority), ("callhome", Some(9), Some(8)));
    assert_eq!(apn.addresses, ["10.45.0.7".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!((subscription.ambr, subscription.periodic_tau_timer), (Some((64_000, 128_000)), Some(3600)));
    assert_eq!(setup.mme.registered(setup.imsi()), Some(true));

    let mut events = Vec::new();
    while let Ok(event) = setup.events.try_recv() {
        events.push(event);
    }
    let steps: Vec<_> = events.iter().map(|event| event.step).collect();
    let expected = [
        Step::Connected,
        Step::AttachBegins,
        Step::VectorsAsked,
        Step::CredentialFound,
        Step::VectorsReceived,
        Step::NetworkAuthenticated,
        Step::DeviceAuthenticated,
        Step::KeysAgree,
        Step::LocationUpdateAsked,
        Step::SubscriptionReceived,
        Step::Attached,
    ];
    assert_eq!(steps, expected);
    let seeds: Vec<_> = events.iter().filter_map(|event| event.seed).map(u8::from).collect();
    assert_eq!(seeds, [1, 2, 3, 4, 5, 5, 5]);
}

#[tokio::test]
async fn ulr_has_what_open5gs_sends() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    setup.attach().await;
    let octets = setup.server.seen(316, true).remove(0);
    let Ok(Request::UpdateLocation(ulr)) = Request::decode(&Message::parse(&octets).unwrap()) else {
        panic!()
    };
    assert_eq!((ulr.ulr_flags.0, ulr.rat_type.0, ulr.ue_srvcc_capability), (0x22, 1004, Some(0)));
    assert_eq!(ulr.visited_plmn_id, Hss::serving().octets());
    assert_eq!(ulr.user_name, setup.imsi().to_string());
    assert_eq!(ulr.terminal_information.unwrap().imei, Some(setup.device.imei.as_str()));
    assert_eq!((ulr.destination_realm, ulr.destination_host), ("localdomain", None));
}

#[tokio::test]
async fn events_show_the_wire_and_no_secret() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    setup.attach().await;
    let received = setup.until(Step::VectorsReceived).await;
    let wire = received.wire.as_ref().unwrap();
    assert_eq!((wire.command.as_str(), wire.direction), ("AIA", Direction::Received));
    let line = wire.to_string();
    assert!(line.contains("Result-Code=2001 DIAMETER_SUCCESS"), "{line}");
    assert!(line.contains("XRES=(8 octets)") && line.contains("KASME=(32 octets)"), "{line}");
    let json = serde_json::to_string(&received).unwrap();
    assert_eq!(serde_json::from_str::<StepEvent>(&json).unwrap(), received);
    assert!(json.contains("\"seed\":4"), "{json}");
}

#[tokio::test]
async fn a_synchronisation_failure_is_repaired_by_one_air_with_rand_and_auts() {
    let mut setup = setup(Hss::new(1).with_seq(1 << 40), Behaviour::default()).await;
    let report = setup.attach().await;
    assert!(report.is_attached() && report.resynchronised, "{report:?}");
    let airs = setup.server.seen(318, true);
    let resync = |octets: &Vec<u8>| {
        let message = Message::parse(octets).unwrap();
        let Ok(Request::AuthenticationInformation(air)) = Request::decode(&message) else { panic!() };
        air.requested_eutran_authentication_info.unwrap().re_synchronization_info
    };
    assert_eq!(airs.iter().map(|air| resync(air).is_some()).collect::<Vec<_>>(), [false, true]);
    assert!(setup.steps().contains(&Step::SynchronisationFailure));
    // And then it goes on without.
    assert!(!setup.attach().await.resynchronised);
}

#[tokio::test]
async fn a_second_synchronisation_failure_ends_the_attach() {
    let behaviour = Behaviour { ignore_auts: true, ..Behaviour::default() };
    let mut setup = setup(Hss::new(1).with_seq(1 << 40), behaviour).await;
    assert_eq!(setup.attach().await.end, AttachEnd::NotSynchronised);
    assert_eq!(setup.server.seen(318, true).len(), 2);
    assert!(setup.server.seen(316, true).is_empty());
}

#[tokio::test]
async fn a_network_without_the_key_is_refused_with_mac_failure() {
    let mut setup = setup(Hss::new(2), Behaviour::default()).await;
    let key = schemas::secret::Key128::new([9; 16]);
    setup.device = Device::new(setup.device.imsi, &key, &key);
    assert_eq!(setup.attach().await.end, AttachEnd::NetworkRefused { emm_cause: 20 });
    assert!(setup.server.seen(316, true).is_empty());
}

#[tokio::test]
async fn a_vector_without_separation_bit_is_refused_with_cause_26() {
    let mut hss = Hss::new(1);
    hss.amf = [0x00, 0x01];
    let mut setup = setup(hss, Behaviour::default()).await;
    assert_eq!(setup.attach().await.end, AttachEnd::NetworkRefused { emm_cause: 26 });
}

#[tokio::test]
async fn wrong_xres_and_wrong_kasme_are_found_before_the_ulr() {
    for (behaviour, end) in [
        (Behaviour { wrong_xres: true, ..Behaviour::default() }, AttachEnd::DeviceRefused),
        (Behaviour { wrong_kasme: true, ..Behaviour::default() }, AttachEnd::KeysDiffer),
    ] {
        let mut setup = setup(Hss::new(1), behaviour).await;
        assert_eq!(setup.attach().await.end, end);
        assert!(setup.server.seen(316, true).is_empty());
    }
}

#[tokio::test]
async fn a_refused_air_is_told_with_its_emm_cause() {
    let mut setup = setup(Hss::new(1), Behaviour { refuse_air: Some(5420), ..Behaviour::default() }).await;
    let AttachEnd::Refused { command, result, emm_cause } = setup.attach().await.end else { panic!() };
    assert_eq!((command.as_str(), emm_cause), ("AIR", 15));
    assert_eq!(result, "experimental 5420 DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION");
    assert!(setup.steps().contains(&Step::Refused));
}

#[tokio::test]
async fn a_refused_ulr_leaves_the_device_unregistered() {
    let mut setup = setup(Hss::new(1), Behaviour { refuse_ulr: Some(5012), ..Behaviour::default() }).await;
    let AttachEnd::Refused { command, emm_cause, .. } = setup.attach().await.end else { panic!() };
    assert_eq!((command.as_str(), emm_cause), ("ULR", 17));
    assert_eq!(setup.mme.registered(setup.imsi()), None);
}

#[tokio::test]
async fn aia_without_vector_and_no_aia_at_all_are_errors() {
    let mut empty = setup(Hss::new(1), Behaviour { no_vector: true, ..Behaviour::default() }).await;
    let error = empty.mme.attach(&mut empty.device).await.unwrap_err();
    assert!(matches!(error, MmeError::Answer { command: "AIR", .. }), "{error}");
    let mut silent = setup(Hss::new(1), Behaviour { silent_every: Some(1), ..Behaviour::default() }).await;
    let error = silent.mme.attach(&mut silent.device).await.unwrap_err();
    assert!(matches!(error, MmeError::Request { source: RequestError::TimedOut, .. }), "{error}");
}

#[tokio::test]
async fn clr_detaches_and_may_ask_to_attach_again() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    setup.attach().await;
    let user = setup.imsi().to_string();
    setup.server.push(317, Some(&user), |w| {
        w.u32(&avp::CANCELLATION_TYPE, 2);
        w.u32(&avp::CLR_FLAGS, 0b10);
    });
    let cancelled = setup.until(Step::LocationCancelled).await;
    assert!(cancelled.detail.contains("withdrawn"), "{cancelled}");
    assert_eq!(setup.until(Step::ReattachRequired).await.imsi, Some(setup.imsi()));
    assert_eq!(setup.mme.registered(setup.imsi()), None);
    assert_eq!(answered(&setup, 317).await, Outcome::SUCCESS);
    // One that is not known here is success as well, TS 29.272 §5.2.1.2.2.
    setup.server.push(317, Some(&user), |w| w.u32(&avp::CANCELLATION_TYPE, 0));
    assert!(setup.until(Step::LocationCancelled).await.detail.contains("not known"));
    assert_eq!(answered(&setup, 317).await, Outcome::SUCCESS);
}

/// The outcome of the last answer to `command` that the home network has got.
async fn answered(setup: &Setup, command: u32) -> Outcome {
    for _ in 0..500 {
        let mut seen = setup.server.seen(command, false);
        if let Some(octets) = seen.pop() {
            setup.server.seen.lock().unwrap().clear();
            return Answer::decode(&Message::parse(&octets).unwrap()).unwrap().outcome();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no answer");
}

#[tokio::test]
async fn idr_changes_the_profile_of_a_device_that_is_registered() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    let user = setup.imsi().to_string();
    let insert = |w: &mut ::s6a::codec::Writer<'_>| {
        w.group(&avp::SUBSCRIPTION_DATA, |w| {
            w.group(&avp::AMBR, |w| {
                w.u32(&avp::MAX_REQUESTED_BANDWIDTH_UL, 1);
                w.u32(&avp::MAX_REQUESTED_BANDWIDTH_DL, 2);
            });
        });
    };
    setup.server.push(319, Some(&user), insert);
    assert_eq!(answered(&setup, 319).await, Experimental::USER_UNKNOWN.into());
    setup.attach().await;
    setup.server.push(319, Some(&user), insert);
    assert_eq!(answered(&setup, 319).await, Outcome::SUCCESS);
    let subscription = setup.mme.subscription(setup.imsi()).unwrap();
    assert_eq!(subscription.ambr, Some((1, 2)));
    assert_eq!(subscription.apns.len(), 1, "what was not in the IDR stays");
    // Without Subscription-Data it is no IDR.
    setup.server.push(319, Some(&user), |_| {});
    assert_eq!(answered(&setup, 319).await, ResultCode::MISSING_AVP.into());
}

#[tokio::test]
async fn dsr_withdraws_what_its_flags_name() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    setup.attach().await;
    let user = setup.imsi().to_string();
    setup.server.push(320, Some(&user), |w| {
        w.u32(&avp::DSR_FLAGS, 1 << 3);
        w.u32(&avp::CONTEXT_IDENTIFIER, 1);
    });
    assert_eq!(answered(&setup, 320).await, Outcome::SUCCESS);
    assert!(setup.mme.subscription(setup.imsi()).unwrap().apns.is_empty());
    setup.server.push(320, Some("001010000000001"), |w| w.u32(&avp::DSR_FLAGS, 1));
    assert_eq!(answered(&setup, 320).await, Experimental::USER_UNKNOWN.into());
}

#[tokio::test]
async fn rsr_marks_registrations_to_be_confirmed() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    setup.attach().await;
    setup.server.push(322, None, |w| w.str(&avp::USER_ID, "00101"));
    assert_eq!(answered(&setup, 322).await, Outcome::SUCCESS);
    assert_eq!(setup.mme.registered(setup.imsi()), Some(true), "another operator's");
    setup.server.push(322, None, |w| w.str(&avp::USER_ID, "99971"));
    assert_eq!(answered(&setup, 322).await, Outcome::SUCCESS);
    assert_eq!(setup.mme.registered(setup.imsi()), Some(false));
}

#[tokio::test]
async fn pur_forgets_the_device_and_nor_notifies() {
    let mut setup = setup(Hss::new(1), Behaviour::default()).await;
    setup.attach().await;
    for what in [
        Notification::UePresent,
        Notification::UeReachable,
        Notification::Imei("00101001000009".into()),
        Notification::Apn { context: 1, name: "callhome".into() },
    ] {
        assert_eq!(setup.mme.notify(setup.imsi(), &what).await.unwrap(), Outcome::SUCCESS);
    }
    assert_eq!(setup.mme.purge(setup.imsi()).await.unwrap(), Outcome::SUCCESS);
    assert_eq!(setup.mme.registered(setup.imsi()), None);
    let pur = setup.server.seen(321, true).remove(0);
    let Ok(Request::PurgeUe(pur)) = Request::decode(&Message::parse(&pur).unwrap()) else { panic!() };
    assert_eq!(pur.pur_flags.unwrap().0, 1);
    assert_eq!(setup.server.seen(323, true).len(), 4);
}

#[tokio::test]
async fn nobody_there_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = MmeConfig {
        connect_timeout: Duration::from_millis(300),
        ..MmeConfig::new("hss.localdomain", Endpoint::Tcp(free), Hss::serving())
    };
    let error = Mme::connect(config, None).await.unwrap_err().to_string();
    assert!(error.contains("does it list mme.localdomain as a peer"), "{error}");
}

#[tokio::test]
async fn shutdown_says_goodbye() {
    let setup = setup(Hss::new(1), Behaviour::default()).await;
    assert!(setup.mme.is_connected());
    setup.mme.shutdown().await;
    assert_eq!(setup.server.seen(282, true).len(), 1);
}
