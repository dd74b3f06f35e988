//! An MME: asks, and notes what it is told.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use s6a::{
    app::{self, CancellationType, RatType, Request, UlrFlags},
    base::{AuthSessionState, DisconnectCause, Outcome},
    codec::{Message, ResultCode},
    net::{
        Answer, Application, Destination, Endpoint, Later, Node, NodeConfig, OwnedMessage, PeerConfig,
        PeerInfo, Timers,
    },
};
use schemas::identity::Imsi;
use tokio::sync::{Mutex, mpsc, watch};

use crate::lab::{HOME, ICF, K, OPC, SOON};

pub const VISITED: &str = "visited.example";
pub const PLMN: &str = "999-71";

/// What an HSS tells an MME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Cancel { imsi: String, kind: CancellationType },
    Insert { imsi: String, uplink: u32, periodic_tau: Option<u32> },
    Delete { imsi: String, flags: u32 },
    Reset { user_ids: Vec<String> },
}

pub fn cancel(imsi: Imsi, kind: CancellationType) -> Told {
    Told::Cancel { imsi: imsi.to_string(), kind }
}

/// What a CLR is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    With(Outcome),
    Never,
}

struct Inbound {
    host: String,
    told: mpsc::UnboundedSender<Told>,
    up: watch::Sender<bool>,
    manner: watch::Receiver<Manner>,
    /// Answers that will never be sent.
    kept: std::sync::Mutex<Vec<Later>>,
}

macro_rules! success {
    ($type:ident, $self:ident, $request:ident) => {
        app::$type {
            session_id: $request.session_id,
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            auth_session_state: AuthSessionState::NoStateMaintained,
            origin_host: &$self.host,
            origin_realm: VISITED,
            ..Default::default()
        }
    };
}

impl Application for Inbound {
    fn request(&self, _: &Arc<PeerInfo>, message: &Message<'_>, answer: Answer<'_>) {
        let header = &message.header;
        let told = match Request::decode(message).unwrap() {
            Request::CancelLocation(clr) => {
                match *self.manner.borrow() {
                    Manner::Never => self.kept.lock().unwrap().push(answer.later()),
                    Manner::With(outcome) => answer.now(|out| {
                        let cla = success!(CancelLocationAnswer, self, clr);
                        app::CancelLocationAnswer { outcome, ..cla }.encode(out, header);
                    }),
                }
                Told::Cancel { imsi: clr.user_name.into(), kind: clr.cancellation_type }
            }
            Request::InsertSubscriberData(idr) => {
                answer.now(|out| success!(InsertSubscriberDataAnswer, self, idr).encode(out, header));
                Told::Insert {
                    imsi: idr.user_name.into(),
                    uplink: idr.subscription_data.ambr.unwrap().max_requested_bandwidth_ul,
                    periodic_tau: idr.subscription_data.subscribed_periodic_rau_tau_timer,
                }
            }
            Request::DeleteSubscriberData(dsr) => {
                answer.now(|out| success!(DeleteSubscriberDataAnswer, self, dsr).encode(out, header));
                Told::Delete { imsi: dsr.user_name.into(), flags: dsr.dsr_flags.0 }
            }
            Request::Reset(rsr) => {
                answer.now(|out| success!(ResetAnswer, self, rsr).encode(out, header));
                Told::Reset { user_ids: rsr.user_id.iter().map(str::to_owned).collect() }
            }
            _ => return answer.refuse(ResultCode::COMMAND_UNSUPPORTED),
        };
        let _ = self.told.send(told);
    }

    fn peer_up(&self, _: &Arc<PeerInfo>) {
        self.up.send_replace(true);
    }
}

/// An E-UTRAN vector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vector {
    pub rand: [u8; 16],
    pub xres: Vec<u8>,
    pub autn: [u8; 16],
    pub kasme: [u8; 32],
}

impl Vector {
    /// SEQ and IND of five bits, as the USIM of the test credentials finds them; it checks the MAC-A, too.
    pub fn seq_and_ind(&self) -> (u64, u64) {
        use oxirush_security::milenage::{Milenage, Opc};
        let octets = |text: &str| <[u8; 16]>::try_from(hex::decode(text).unwrap()).unwrap();
        let k = oxirush_security::milenage::K::new(&octets(K));
        let usim = Milenage::new(&k, &Opc::new(&octets(OPC)));
        let rand = oxirush_security::Rand::new(&self.rand);
        let response = usim.check_autn(&rand, &oxirush_security::Autn::new(&self.autn)).unwrap();
        (response.sqn().get() >> 5, response.sqn().get() & 31)
    }
}

/// A ULR.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    pub imsi: Imsi,
    pub host: &'a str,
    pub rat: RatType,
    pub plmn: &'a str,
    pub flags: UlrFlags,
}

/// One that is connected.
pub struct Mme {
    node: Node,
    pub host: String,
    told: Mutex<mpsc::UnboundedReceiver<Told>>,
    session: AtomicU64,
    /// How CLRs are answered from now on.
    pub manner: watch::Sender<Manner>,
}

impl Mme {
    pub async fn connect(icf: &Endpoint, host: &str) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let (up, mut is_up) = watch::channel(false);
        let manner = watch::Sender::new(Manner::With(Outcome::SUCCESS));
        let inbound = Inbound {
            host: host.to_owned(),
            told: sender,
            up,
            manner: manner.subscribe(),
            kept: std::sync::Mutex::default(),
        };
        let config = NodeConfig {
            peers: vec![PeerConfig::connecting(ICF, icf.clone())],
            timers: Timers { request: Duration::from_secs(8), ..Timers::default() },
            ..NodeConfig::new(host, VISITED)
        };
        let node = Node::start(config, Arc::new(inbound)).await.unwrap();
        tokio::time::timeout(SOON, is_up.wait_for(|up| *up)).await.expect("connected in time").unwrap();
        Self { node, host: host.to_owned(), told: Mutex::new(told), session: AtomicU64::default(), manner }
    }

    pub async fn disconnect(self) {
        self.node.shutdown(DisconnectCause::Rebooting).await;
    }

    /// What it is told next.
    pub async fn told(&self) -> Told {
        let mut told = self.told.lock().await;
        tokio::time::timeout(SOON, told.recv()).await.expect("told in time").unwrap()
    }

    /// That it is told nothing for a while.
    pub async fn is_told_nothing(&self, during: Duration) {
        let mut told = self.told.lock().await;
        if let Ok(told) = tokio::time::timeout(during, told.recv()).await {
            panic!("{}: {told:?}", self.host);
        }
    }

    fn session(&self) -> String {
        format!("{};1;{}", self.host, self.session.fetch_add(1, Ordering::Relaxed))
    }

    async fn ask(&self, encode: impl FnOnce(&mut Vec<u8>, u32, u32)) -> OwnedMessage {
        self.node.request(Destination { host: Some(ICF), realm: HOME }, encode).await.unwrap()
    }

    pub async fn air(&self, imsi: Imsi) -> Result<Vector, Outcome> {
        self.vectors(imsi, 1, None).await.map(|mut vectors| vectors.remove(0))
    }

    /// AIR for `count` vectors, with RAND and AUTS where the USIM has refused one.
    pub async fn vectors(
        &self,
        imsi: Imsi,
        count: u32,
        resync: Option<app::vectors::ResynchronizationInfo>,
    ) -> Result<Vec<Vector>, Outcome> {
        let (session, user) = (self.session(), imsi.to_string());
        let request = app::AuthenticationInformationRequest {
            session_id: &session,
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            auth_session_state: AuthSessionState::NoStateMaintained,
            origin_host: &self.host,
            origin_realm: VISITED,
            destination_realm: HOME,
            user_name: &user,
            requested_eutran_authentication_info: Some(app::RequestedVectors {
                number_of_requested_vectors: Some(count),
                immediate_response_preferred: Some(1),
                re_synchronization_info: resync,
            }),
            visited_plmn_id: plmn(PLMN),
            ..Default::default()
        };
        let answer = self.ask(|out, hbh, ete| request.encode(out, hbh, ete)).await;
        match app::Answer::decode(&answer.message()).unwrap() {
            app::Answer::AuthenticationInformation(aia) if aia.outcome.is_success() => {
                assert_eq!(aia.session_id, session);
                let info = aia.authentication_info.expect("Authentication-Info");
                let vectors = info.eutran_vector.iter().map(|v| Vector {
                    rand: v.rand,
                    xres: v.xres.to_vec(),
                    autn: v.autn,
                    kasme: v.kasme,
                });
                Ok(vectors.collect())
            }
            other => Err(other.outcome()),
        }
    }

    /// An initial attach.
    pub fn attach(&self, imsi: Imsi) -> Update<'_> {
        Update {
            imsi,
            host: &self.host,
            rat: RatType::EUTRAN,
            plmn: PLMN,
            flags: UlrFlags::S6A.with(UlrFlags::INITIAL_ATTACH),
        }
    }

    /// ULR; the uplink AMBR of the subscription where it is granted.
    pub async fn update(&self, update: Update<'_>) -> Result<u32, Outcome> {
        let (session, user) = (self.session(), update.imsi.to_string());
        let request = app::UpdateLocationRequest {
            session_id: &session,
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            auth_session_state: AuthSessionState::NoStateMaintained,
            origin_host: update.host,
            origin_realm: VISITED,
            destination_realm: HOME,
            user_name: &user,
            rat_type: update.rat,
            ulr_flags: update.flags,
            visited_plmn_id: plmn(update.plmn),
            ..Default::default()
        };
        let answer = self.ask(|out, hbh, ete| request.encode(out, hbh, ete)).await;
        match app::Answer::decode(&answer.message()).unwrap() {
            app::Answer::UpdateLocation(ula) if ula.outcome.is_success() => {
                let data = ula.subscription_data.expect("Subscription-Data");
                Ok(data.ambr.unwrap().max_requested_bandwidth_ul)
            }
            other => Err(other.outcome()),
        }
    }

    /// NOR.
    pub async fn notify(&self, imsi: Imsi) -> Outcome {
        let (session, user) = (self.session(), imsi.to_string());
        let request = app::NotifyRequest {
            session_id: &session,
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            auth_session_state: AuthSessionState::NoStateMaintained,
            origin_host: &self.host,
            origin_realm: VISITED,
            destination_realm: HOME,
            user_name: &user,
            ..Default::default()
        };
        let answer = self.ask(|out, hbh, ete| request.encode(out, hbh, ete)).await;
        app::Answer::decode(&answer.message()).unwrap().outcome()
    }

    /// A CLR, which no MME has to send.
    pub async fn sends_clr(&self, imsi: Imsi) -> Outcome {
        let (session, user) = (self.session(), imsi.to_string());
        let request = app::CancelLocationRequest {
            session_id: &session,
            origin_host: &self.host,
            origin_realm: VISITED,
            destination_host: ICF,
            destination_realm: HOME,
            user_name: &user,
            ..Default::default()
        };
        let answer = self.ask(|out, hbh, ete| request.encode(out, hbh, ete)).await;
        app::Answer::decode(&answer.message()).unwrap().outcome()
    }

    /// An initial attach that is granted.
    pub async fn attached(&self, imsi: Imsi) {
        self.update(self.attach(imsi)).await.unwrap();
    }
}

fn plmn(text: &str) -> [u8; 3] {
    text.parse::<schemas::identity::Plmn>().unwrap().octets()
}
