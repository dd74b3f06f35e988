//! The eNB and a UE against a conversation with Open5GS 2.7: every octet that went up then goes up now.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemas::identity::Imsi;
use schemas::secret::Key128;
use tokio::sync::{Mutex, Notify};

use super::enb::Connect;
use super::messages::{self, FromMme, Ids, Unreadable};
use super::*;
use crate::device::Device;
use crate::nas::{EmmState, UeOptions};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}
use Way::{Down, Up};

/// Attach, idle, service request, detach, of a device whose keys are good for nothing else.
const RECORDED: &[(Way, &str)] = &[
    (
        Up,
        "0011002d000004003b00080099f907000ca110003c400a038063616c6c686f6d65004000070000004099f907\
         0089400140",
    ),
    (Down, "20110025000003003d400a03806c61622d6d6d65300069000b000099f90700000002000100574001ff"),
    (
        Up,
        "000c403f000005000800020000001a00171607417108999917000000001002f07000050201d011d100430006\
         0099f9070001006440080099f9070ca110100086400130",
    ),
    (
        Down,
        "000b4038000003000000020001000800020000001a0025240752006547cfff94fe55031b8526717e13cb7410\
         5715c5a06fd780006346259dd06fd11f",
    ),
    (
        Up,
        "000d4035000005000000020001000800020000001a000c0b075308dd8cd785d9d5e8ae006440080099f9070c\
         a11010004340060099f9070001",
    ),
    (
        Down,
        "000b402c000003000000020001000800020000001a001918373b74fedd00075d020002f070c14f08ccc95841\
         e90e01d7",
    ),
    (
        Up,
        "000d403d000005000000020001000800020000001a00141347da4ef99d00075e23090310100001000001f100\
         6440080099f9070ca11010004340060099f9070001",
    ),
    (Down, "000b401d000003000000020001000800020000001a000a09270209438b010201d9"),
    (
        Up,
        "000d404e000005000000020001000800020000001a00252427e0f69a86010201da280d0c70726f766973696f\
         6e696e67270a80000a00000d00001000006440080099f9070ca11010004340060099f9070001",
    ),
    (
        Down,
        "00090080bd000007000000020001000800020000004200081001f4004001f400001800650000340060450009\
         200f807f000006000004f751273d436d0c0207420129064099f9070001002c5201c101090d0c70726f766973\
         696f6e696e6705010a2d80015e028686270d80000d040a2d00010010020578500bf699f907000201c0000041\
         64020108c1006b00051c000e00000049002007d0756ae5bbe8905d1bc618a5d935f99297b9f6555bf2d2e191\
         18c49ac8384a00c040080010100100ffff01",
    ),
    (Up, "200900220000030000400200010008400200000033400f000032400a0a1f7f00001eb749d368"),
    (
        Up,
        "000d4037000005000000020001000800020000001a000e0d27242d8b9a02074300035200c2006440080099f9\
         070ca11010004340060099f9070001",
    ),
    (
        Down,
        "000b403b000003000000020001000800020000001a00282727b4237121030761430790004c00610062450790\
         004c0061006246004762115281934000490100",
    ),
    (Up, "00124015000003000000020001000800020000000240020280"),
    (Down, "001700110000020063000400010000000240020280"),
    (Up, "2017000f000002000040020001000840020000"),
    (
        Up,
        "000c4042000007000800020001001a000504c7038799004300060099f9070001006440080099f9070ca11010\
         0086400140006000060040c0000041004b00070099f907000201",
    ),
    (
        Down,
        "0009006b000007000000020002000800020001004200081001f4004001f40000180013000034000e05000920\
         0f807f000006000004f7006b00051c000e000000490020b51dc90ff05dd9fa31b442fc3751d1a6041f0bc1b6\
         c6b4503578682a67e5cc6300c040080010100100ffff01",
    ),
    (Up, "200900220000030000400200020008400200010033400f000032400a0a1f7f00001e3b174f21"),
    (
        Up,
        "000d403f000005000000020002000800020001001a001615275b99cb66040745010bf699f907000201c00000\
         41006440080099f9070ca11010004340060099f9070001",
    ),
    (Down, "000b401c000003000000020002000800020001001a00090827cf7b3d14040746"),
    (Down, "0017001000000200630004000200010002400124"),
];
const K: &str = "81d56ee88ea8686a29dc442cb72582ea";
const OPC: &str = "2e90ad53b8b4c4fbee21862bd5bb7f2c";

/// Gives the one association that there is; a second never comes.
struct Once {
    first: Mutex<Option<Memory>>,
    again: Notify,
}

impl Once {
    fn new(association: Option<Memory>) -> Arc<Self> {
        Arc::new(Self { first: Mutex::new(association), again: Notify::new() })
    }
}

#[async_trait]
impl Connect for Once {
    async fn connect(&self, _: &EnbConfig) -> Result<Arc<dyn Association>, S1Error> {
        if let Some(first) = self.first.lock().await.take() {
            return Ok(Arc::new(first));
        }
        self.again.notify_one();
        std::future::pending().await
    }
}

/// The TEIDs of the recording.
struct Teids(std::sync::Mutex<Vec<u32>>);

impl UserPlane for Teids {
    fn install(&self, _: Imsi, _: u32, _: u8, _: (IpAddr, u32)) -> u32 {
        self.0.lock().unwrap().remove(0)
    }

    fn remove(&self, _: u32, _: u8) {}

    fn remove_all(&self, _: u32) {}

    fn wanted(&self, _: Imsi) -> Option<Arc<Notify>> {
        None
    }

    fn gone(&self, _: Imsi) {}
}

/// Plays the MME for so much of the recording, and says where the eNB went another way.
async fn play(association: &Memory, recorded: &[(Way, &str)]) -> Result<(), String> {
    for (at, (way, octets)) in recorded.iter().enumerate() {
        if *way == Down {
            association.send(0, &hex::decode(octets).unwrap()).await.map_err(|error| error.to_string())?;
            continue;
        }
        let received = next(association).await.map_err(|error| format!("{at}: {error}"))?;
        if received != *octets {
            return Err(format!("message {at}:\n{received}, not\n{octets}"));
        }
    }
    Ok(())
}

/// The next message of the eNB.
async fn next(association: &Memory) -> Result<String, String> {
    let received = tokio::time::timeout(SOON, association.recv()).await;
    let received = received.map_err(|_| "nothing came".to_owned())?.map_err(|error| error.to_string())?;
    received.map(hex::encode).ok_or_else(|| "the eNB has ended it".to_owned())
}

const SOON: Duration = Duration::from_secs(5);

/// Plays the MME to the end.
async fn mme(association: Memory) -> Result<(), String> {
    play(&association, RECORDED).await?;
    // The recording ends with the simulator, before it has confirmed this as well.
    match next(&association).await?.as_str() {
        "2017000f000002000040020002000840020001" => Ok(()),
        other => Err(format!("the last message: {other}")),
    }
}

fn config() -> EnbConfig {
    EnbConfig {
        user_plane: [127, 0, 0, 30].into(),
        ..EnbConfig::new(([127, 0, 0, 2], PORT).into(), "999-70".parse().unwrap())
    }
}

async fn enb(connect: Arc<Once>) -> Enb {
    let teids = Teids(std::sync::Mutex::new(vec![0xb749_d368, 0x3b17_4f21]));
    Enb::connect_by(connect, config(), Arc::new(teids), Events::default()).await.unwrap()
}

fn ue(enb: &Enb) -> S1Ue {
    let (k, opc) = (Key128::from_hex(K).unwrap(), Key128::from_hex(OPC).unwrap());
    let device = Device::new("999710000000001".parse().unwrap(), &k, &opc);
    S1Ue::new(enb, device, UeOptions { apn: Some("provisioning".into()), ..UeOptions::default() })
}

/// An eNB that is set up, and the MME's end of its association.
async fn set_up() -> (Enb, Memory, Arc<Once>) {
    let (ours, theirs) = pair();
    let once = Once::new(Some(ours));
    let (enb, played) = tokio::join!(enb(once.clone()), play(&theirs, &RECORDED[..2]));
    played.unwrap();
    (enb, theirs, once)
}

/// A UE that is registered and connected, as the recording has it before the UE goes idle.
async fn attached() -> (Enb, S1Ue, Memory) {
    let (enb, theirs, _) = set_up().await;
    let mut ue = ue(&enb);
    let (report, played) = tokio::join!(ue.attach(), play(&theirs, &RECORDED[2..13]));
    played.unwrap();
    assert!(report.unwrap().is_success());
    (enb, ue, theirs)
}

#[tokio::test]
async fn a_conversation_with_open5gs_goes_word_for_word() {
    let (ours, theirs) = pair();
    let recording = tokio::spawn(mme(theirs));
    let enb = enb(Once::new(Some(ours))).await;
    let mut ue = ue(&enb);
    let report = ue.attach().await.unwrap();
    assert!(report.is_success(), "{report:?}");
    assert_eq!(report.algorithms, Some((0, 2)));
    ue.idle(Patience(Duration::from_secs(5))).await.unwrap();
    assert!(ue.service_request(false).await.unwrap().is_success());
    assert!(ue.detach(false).await.unwrap().is_success());
    assert_eq!(ue.nas().state(), EmmState::Deregistered);
    recording.await.unwrap().unwrap();
}

#[test]
fn messages_of_open5gs_are_read_as_they_are_meant() {
    let down: Vec<Vec<u8>> = RECORDED
        .iter()
        .filter(|(way, _)| *way == Down)
        .map(|(_, octets)| hex::decode(octets).unwrap())
        .collect();
    let read: Vec<FromMme> = down.iter().map(|octets| messages::read(octets).unwrap().message).collect();
    assert_eq!(
        read[0],
        FromMme::SetupResponse { name: "lab-mme0".into(), gummeis: vec!["999-70 group 2 code 1".into()] }
    );
    let context = read.iter().find_map(|message| match message {
        FromMme::ContextSetup { ids, erabs, key, ambr, .. } => Some((ids, erabs, key, ambr)),
        _ => None,
    });
    let (ids, erabs, key, ambr) = context.unwrap();
    assert_eq!(*ids, Ids { mme: 1, enb: 0 });
    assert_eq!((erabs[0].id, erabs[0].qci, erabs[0].teid), (5, 9, 0x4f7));
    assert_eq!(erabs[0].address, IpAddr::from([127, 0, 0, 6]));
    assert!(key.is_some());
    assert_eq!(*ambr, Some((128_000, 128_000)));
    assert!(
        matches!(read.last(), Some(FromMme::ContextRelease { mme: 2, enb: Some(1), cause }) if cause == "NAS: detach"),
        "{read:?}"
    );
}

/// TS 36.413 §10.2 and §10.3: what cannot be read, and whether the MME is told.
#[test]
fn every_message_cut_off_is_an_error_and_no_panic() {
    for (_, octets) in RECORDED {
        let octets = hex::decode(octets).unwrap();
        for length in 0..octets.len() {
            assert!(matches!(messages::read(&octets[..length]), Err(Unreadable::Transfer(_))), "{length}");
        }
        for at in 0..octets.len() {
            for bit in 0..8 {
                let mut changed = octets.clone();
                changed[at] ^= 1 << bit;
                // Whatever it is then.
                let _ = messages::read(&changed);
            }
        }
    }
    // ERROR INDICATION with a cause that there is not: told to nobody, or two would tell each other for ever.
    let mistaken = messages::read(&hex::decode("000f4007000001000240017f").unwrap());
    assert!(!matches!(mistaken, Err(Unreadable::Abstract(_, Some(_)))), "{mistaken:?}");
    // DOWNLINK NAS TRANSPORT without NAS-PDU.
    let missing = messages::read(&hex::decode("000b400f000002000000020001000800020000").unwrap());
    assert!(matches!(missing, Err(Unreadable::Abstract(_, Some(_)))), "{missing:?}");
}

/// §9.2.1.75: one item of an MME's GUMMEIs stands for millions. What is told of them stays short.
#[test]
fn an_mme_that_serves_everything_is_not_written_out() {
    use oxirush_s1ap::build_s1ap;
    use oxirush_s1ap::s1ap::*;
    let networks = (0..32).map(|number| PLMNidentity(TBCDSTRING([0x99, 0xf9, number]))).collect();
    let groups = (0..u16::MAX).map(|number| MMEGroupID(number.to_be_bytes())).collect();
    let codes = (0..=u8::MAX).map(|number| MMECode([number])).collect();
    let item =
        ServedGUMMEIsItem::new(ServedPLMNs(networks), ServedGroupIDs(groups), ServedMMECs(codes), None);
    let octets = build_s1ap!(
        SuccessfulOutcome,
        S1Setup,
        S1SetupResponse,
        ServedGUMMEIs(ServedGUMMEIs(vec![item])),
        RelativeMMECapacity(RelativeMMECapacity(255)),
    )
    .and_then(|pdu| pdu.encode())
    .unwrap();
    assert!(octets.len() < 1 << 18, "an association takes it: {}", octets.len());
    let FromMme::SetupResponse { gummeis, .. } = messages::read(&octets).unwrap().message else {
        panic!("it is S1 SETUP RESPONSE")
    };
    assert_eq!(gummeis.len(), 17);
    assert_eq!(gummeis[1], "999-00 group 0 code 1");
    assert_eq!(gummeis[16], "536862704 more");
}

/// The MME releases the connection and resets at once, and the UE comes to both only when it asks for service again.
#[tokio::test]
async fn what_waited_for_the_last_connection_does_not_end_the_next() {
    let (_enb, mut ue, theirs) = attached().await;
    play(&theirs, &RECORDED[14..15]).await.unwrap();
    theirs.send(0, &messages::reset(oxirush_s1ap::s1ap::CauseMisc::om_intervention).unwrap()).await.unwrap();
    assert_eq!(next(&theirs).await.unwrap(), "200e0003000000", "RESET ACKNOWLEDGE");
    let asked = ue.wait(Patience(SOON)).await.unwrap();
    assert!(matches!(asked, Some(Asked::Released { .. })), "{asked:?}");
    assert_eq!(next(&theirs).await.unwrap(), RECORDED[15].1);
    let (report, played) = tokio::join!(ue.service_request(false), play(&theirs, &RECORDED[16..19]));
    played.unwrap();
    assert!(report.unwrap().is_success());
}

/// Whatever is under way when there is no association is given up, and can be asked for again.
#[tokio::test]
async fn a_procedure_that_cannot_be_sent_is_not_under_way() {
    let (enb, theirs, _once) = set_up().await;
    drop(theirs);
    while enb.is_up() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut ue = ue(&enb);
    for _ in 0..2 {
        assert!(matches!(ue.attach().await, Err(S1Error::Lost)));
        assert_eq!((ue.nas().state(), ue.is_connected()), (EmmState::Deregistered, false));
    }
}

/// Whoever stops an eNB does not wait for an MME that does not answer.
#[tokio::test]
async fn an_enb_that_connects_anew_is_stopped_all_the_same() {
    let (enb, theirs, once) = set_up().await;
    drop(theirs);
    once.again.notified().await;
    tokio::time::timeout(SOON, enb.shutdown()).await.unwrap();
}

#[tokio::test]
async fn an_mme_that_does_not_take_the_association_is_not_waited_for_long() {
    let config = EnbConfig { setup: Duration::from_millis(50), ..config() };
    let connected =
        Enb::connect_by(Once::new(None), config, Arc::new(NoUserPlane::default()), Events::default());
    let error = tokio::time::timeout(SOON, connected).await.unwrap().unwrap_err();
    assert!(matches!(error, S1Error::Silent { what: "SCTP's INIT", .. }), "{error}");
}

/// Its association ends with the last handle, whether it was shut down or not.
#[tokio::test]
async fn nothing_is_left_of_an_enb_that_nobody_has() {
    let (enb, theirs, _once) = set_up().await;
    let ue = ue(&enb);
    drop(enb);
    assert!(tokio::time::timeout(Duration::from_millis(50), theirs.recv()).await.is_err(), "the UE has it");
    drop(ue);
    assert_eq!(tokio::time::timeout(SOON, theirs.recv()).await.unwrap().unwrap(), None);
}

/// TS 36.413 §8.7.1.2.1, §8.3.3.2: by the MME's identifier alone.
#[tokio::test]
async fn a_connection_is_reset_and_released_by_the_mmes_identifier_alone() {
    use oxirush_s1ap::s1ap::*;
    use oxirush_s1ap::{build_s1ap, build_s1ap_ie};
    let item = UEAssociatedLogicalS1ConnectionItem::new(Some(MMEUES1APID(1)), None, None);
    let list = vec![build_s1ap_ie!(REJECT UE_associatedLogicalS1_ConnectionItem(item)).unwrap()];
    let reset = build_s1ap!(
        InitiatingMessage,
        Reset,
        Reset,
        Cause(Cause::misc(CauseMisc::om_intervention)),
        ResetType(ResetType::partOfS1_Interface(UEAssociatedLogicalS1ConnectionListRes(list))),
    );
    let release = build_s1ap!(
        InitiatingMessage,
        UEContextRelease,
        UEContextReleaseCommand,
        UE_S1AP_IDs(UES1APIDs::mME_UE_S1AP_ID(MMEUES1APID(1))),
        Cause(Cause::nas(CauseNas::detach)),
    );
    let error = build_s1ap!(
        InitiatingMessage,
        ErrorIndication,
        ErrorIndication,
        MME_UE_S1AP_ID(1u32),
        Cause(Cause::misc(CauseMisc::om_intervention)),
    );
    for message in [reset, release, error] {
        let (_enb, mut ue, theirs) = attached().await;
        theirs.send(0, &message.and_then(|pdu| pdu.encode()).unwrap()).await.unwrap();
        let asked = ue.wait(Patience(SOON)).await.unwrap();
        assert!(matches!(asked, Some(Asked::Released { .. })), "{asked:?}");
        assert!(!ue.is_connected());
    }
}

/// DETACH REQUEST with re-attach required, as the MME of the recording would have sent it next.
fn detach_request() -> Vec<u8> {
    use oxirush_nas::nas_eps::*;
    let (k, opc) = (Key128::from_hex(K).unwrap(), Key128::from_hex(OPC).unwrap());
    let challenge =
        hex::decode("6547cfff94fe55031b8526717e13cb74105715c5a06fd780006346259dd06fd11f").unwrap();
    let (rand, autn) = (challenge[..16].try_into().unwrap(), challenge[17..].try_into().unwrap());
    let mut usim = crate::usim::Usim::new(&k, &opc);
    let accepted = usim.authenticate(&crate::usim::Challenge::new(&rand, &autn), "999-70".parse().unwrap());
    let crate::usim::Authentication::Accepted(accepted) = accepted else { panic!("{accepted:?}") };
    // Four messages have come down under these keys.
    let count = Some(4.try_into().unwrap());
    let mut context = NasSecurityContext::restore_from_kasme(
        accepted.kasme(),
        IntegrityAlgorithm::EIA2,
        CipheringAlgorithm::EEA0,
        (count, count),
    )
    .unwrap();
    let request = NasEpsMessage::decode_with_direction(&[7, 0x45, 1], Direction::Downlink).unwrap();
    let header = NasEpsSecurityHeaderType::IntegrityProtectedAndCiphered;
    context.protect(&request, header, Direction::Downlink).unwrap()
}

/// A release that was asked for does not hide what came before it.
#[tokio::test]
async fn a_detach_that_comes_while_the_ue_goes_idle_is_heard_afterwards() {
    use oxirush_s1ap::build_s1ap;
    let (_enb, mut ue, theirs) = attached().await;
    let detach = build_s1ap!(
        InitiatingMessage,
        downlinkNASTransport,
        DownlinkNASTransport,
        MME_UE_S1AP_ID(1u32),
        eNB_UE_S1AP_ID(0u32),
        NAS_PDU(detach_request()),
    );
    theirs.send(0, &detach.and_then(|pdu| pdu.encode()).unwrap()).await.unwrap();
    play(&theirs, &RECORDED[14..15]).await.unwrap();
    ue.idle(Patience(SOON)).await.unwrap();
    let asked = ue.wait(Patience(SOON)).await.unwrap();
    assert_eq!(asked, Some(Asked::Detached { reattach: true, cause: None }));
}

/// Traffic that is a fault of the simulator's.
#[derive(Debug)]
struct Faulty;

#[async_trait]
impl crowd::Traffic for Faulty {
    async fn exchange(&self, _: Imsi, _: &crate::nas::Bearer) -> Result<Duration, String> {
        panic!("a fault, for the test")
    }
}

#[tokio::test]
async fn a_ue_that_a_fault_of_the_simulator_has_ended_is_in_the_report() {
    let (enb, theirs, _once) = set_up().await;
    let (k, opc) = (Key128::from_hex(K).unwrap(), Key128::from_hex(OPC).unwrap());
    let device = Device::new("999710000000001".parse().unwrap(), &k, &opc);
    let config = crowd::CrowdConfig {
        rate: 1.0,
        ramp: Duration::ZERO,
        hold: Duration::ZERO,
        every: None,
        mix: Vec::new(),
        detach: false,
        options: UeOptions { apn: Some("provisioning".into()), ..UeOptions::default() },
        traffic: Some(Arc::new(Faulty)),
        news: None,
    };
    let ran = crowd::run(&enb, vec![device], config, tokio_util::sync::CancellationToken::new());
    let ((report, _), played) = tokio::join!(ran, play(&theirs, &RECORDED[2..12]));
    played.unwrap();
    assert!(!report.is_clean() && report.broken.len() == 1, "{report:?}");
}

/// INITIAL CONTEXT SETUP REQUEST of the recorded service request, with these bearers: identity and octets of the address.
fn context_setup(bearers: &[(u8, &[u8])]) -> Vec<u8> {
    use oxirush_s1ap::s1ap::*;
    use oxirush_s1ap::{build_s1ap, build_s1ap_ie};
    let items = bearers.iter().map(|(id, address)| {
        let priority = AllocationAndRetentionPriority::new(
            PriorityLevel(8),
            PreEmptionCapability::shall_not_trigger_pre_emption,
            PreEmptionVulnerability::not_pre_emptable,
            None,
        );
        let item = ERABToBeSetupItemCtxtSUReq::new(
            ERABID(u64::from(*id)),
            ERABLevelQoSParameters::new(QCI(9), priority, None, None),
            TransportLayerAddress(address.to_vec().into()),
            GTPTEID([0, 0, 4, 0xf7]),
            None,
            None,
        );
        build_s1ap_ie!(REJECT E_RABToBeSetupItemCtxtSUReq(item)).unwrap()
    });
    let rate = BitRate(128_000);
    let key = hex::decode("b51dc90ff05dd9fa31b442fc3751d1a6041f0bc1b6c6b4503578682a67e5cc63").unwrap();
    build_s1ap!(
        InitiatingMessage,
        InitialContextSetup,
        InitialContextSetupRequest,
        MME_UE_S1AP_ID(2u32),
        eNB_UE_S1AP_ID(1u32),
        uEaggregateMaximumBitrate(UEAggregateMaximumBitrate::new(rate, rate, None)),
        E_RABToBeSetupListCtxtSUReq(ERABToBeSetupListCtxtSUReq(items.collect())),
        UESecurityCapabilities(UESecurityCapabilities::new(
            EncryptionAlgorithms([0, 0].into()),
            IntegrityProtectionAlgorithms([0, 0].into()),
            None,
        )),
        SecurityKey(SecurityKey(<[u8; 32]>::try_from(key).unwrap().into())),
    )
    .and_then(|pdu| pdu.encode())
    .unwrap()
}

/// TS 36.413 §8.3.1.2 to §8.3.1.4: what cannot be set up is named, and without any bearer there is no context.
#[tokio::test]
async fn bearers_that_cannot_be_set_up_are_named() {
    use oxirush_s1ap::S1apPduKind as Kind;
    use oxirush_s1ap::s1ap::S1AP_PDU;
    let (good, bad): (&[u8], &[u8]) = (&[127, 0, 0, 6], &[127, 0, 6]);
    for (bearers, kind, failed) in [
        (vec![(5, good), (6, bad), (7, good), (7, good), (7, good)], Kind::Successful_InitialContextSetup, 2),
        (vec![(5, bad)], Kind::Unsuccessful_InitialContextSetup, 0),
        (vec![(5, good), (5, good)], Kind::Unsuccessful_InitialContextSetup, 0),
    ] {
        let (_enb, mut ue, theirs) = attached().await;
        let service = async {
            play(&theirs, &RECORDED[13..17]).await.unwrap();
            theirs.send(0, &context_setup(&bearers)).await.unwrap();
            let answer = hex::decode(next(&theirs).await.unwrap()).unwrap();
            let pdu = S1AP_PDU::decode_borrowed(&answer).unwrap();
            assert_eq!(pdu.kind(), kind, "{pdu}");
            let named = pdu.items::<oxirush_s1ap::ie::E_RABFailedToSetupListCtxtSURes>().count();
            assert_eq!(named, failed, "{pdu}");
            kind == Kind::Successful_InitialContextSetup
        };
        let going = async {
            ue.idle(Patience(SOON)).await.unwrap();
            tokio::time::timeout(Duration::from_millis(300), ue.service_request(false)).await
        };
        let (done, came) = tokio::join!(going, service);
        assert_eq!(done.is_ok_and(|report| report.unwrap().is_success()), came);
    }
}

/// What is told of a message shows no key that is in it: not of one that the eNB does not have, nor of one that it cannot
/// act upon.
#[test]
fn keys_in_messages_that_are_refused_are_not_shown() {
    use oxirush_s1ap::s1ap::*;
    use oxirush_s1ap::{build_s1ap, build_s1ap_ie};
    let key = || SecurityKey([0xab; 32].into());
    // PATH SWITCH REQUEST ACKNOWLEDGE has NH, UE CONTEXT MODIFICATION REQUEST without identifiers KeNB.
    let acknowledge = PathSwitchRequestAcknowledge::new(ProtocolIEContainer(vec![
        build_s1ap_ie!(PathSwitchRequestAcknowledge, MME_UE_S1AP_ID(1u32)).unwrap(),
        build_s1ap_ie!(PathSwitchRequestAcknowledge, SecurityContext(SecurityContext::new(1, key(), None)))
            .unwrap(),
    ]));
    let unknown = S1AP_PDU::of_message(&acknowledge, Criticality::reject).unwrap().encode().unwrap();
    let modification = build_s1ap!(
        InitiatingMessage,
        UEContextModification,
        UEContextModificationRequest,
        MME_UE_S1AP_ID(1u32),
        SecurityKey(key()),
    );
    let unfit = modification.and_then(|pdu| pdu.encode()).unwrap();
    let setup = context_setup(&[(5, &[127, 0, 0, 6])]);
    for octets in [unknown, unfit, setup.clone()] {
        let read = format!("{:?}", messages::read(&octets));
        for shown in ["abab", "171, 171", "b51dc9", "181, 29, 201", "AB, AB"] {
            assert!(!read.contains(shown), "{read}");
        }
    }
    for length in 0..setup.len() {
        let read = format!("{:?}", messages::read(&setup[..length]));
        assert!(!read.contains("181, 29, 201") && !read.contains("b51dc9"), "{read}");
    }
}
