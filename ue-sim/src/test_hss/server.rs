//! The Diameter side of the test double, one connection after the other, written with the codec alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use s6a::codec::avp::MAX_DEPTH;
use s6a::codec::dictionary::{VENDOR_3GPP, base, s6a as avp};
use s6a::codec::frame::{self, Frame};
use s6a::codec::{Avp, AvpDef, CommandFlags, Header, Message, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Hss, OwnVector};
use schemas::identity::Plmn;

/// What the server does differently from a good one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behaviour {
    /// Result-Code of the CEA in place of 2001.
    pub(crate) cea: Option<u32>,
    /// AIR gets this Experimental-Result-Code.
    pub(crate) refuse_air: Option<u32>,
    /// ULR gets this Result-Code.
    pub(crate) refuse_ulr: Option<u32>,
    /// Every so manieth AIR gets no answer.
    pub(crate) silent_every: Option<u64>,
    /// Every so manieth vector repeats the sequence number before it.
    pub(crate) repeat_every: Option<u64>,
    /// Closes the connection after so many answers to AIR.
    pub(crate) cut_after: Option<u64>,
    /// Sends DPR after so many answers to AIR.
    pub(crate) dismiss_after: Option<u64>,
    /// A bit of KASME is wrong.
    pub(crate) wrong_kasme: bool,
    /// A bit of XRES is wrong.
    pub(crate) wrong_xres: bool,
    /// Resynchronisation is acknowledged, and then the old numbers go on.
    pub(crate) ignore_auts: bool,
    /// An answer is sent twice.
    pub(crate) answer_twice: bool,
    /// AIA with success and nothing else.
    pub(crate) no_vector: bool,
    /// Waits so long before it reads anything more after the first AIR.
    pub(crate) stall: Option<std::time::Duration>,
}

/// A message as it came, to be looked at by a test.
pub(crate) type Seen = Vec<u8>;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Requests other than watchdogs, and answers to what was pushed.
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    push: mpsc::UnboundedSender<Vec<u8>>,
    task: tokio::task::JoinHandle<()>,
}

pub(crate) const HOST: &str = "hss.localdomain";
pub(crate) const REALM: &str = "localdomain";
const S6A: u32 = 16_777_251;

struct Shared {
    hss: Mutex<Hss>,
    behaviour: Behaviour,
    airs: Mutex<u64>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Serves `hss` on a port of its own.
    pub(crate) async fn start(hss: Hss, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared {
            hss: Mutex::new(hss),
            behaviour,
            airs: Mutex::new(0),
            seen: Arc::clone(&seen),
        });
        let (push, pushed) = mpsc::unbounded_channel();
        let pushed = Arc::new(tokio::sync::Mutex::new(pushed));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&shared), Arc::clone(&pushed)));
            }
        });
        Self { address, seen, push, task }
    }

    /// Sends a request of the home network's: `avps` go between User-Name and the end.
    pub(crate) fn push(&self, command: u32, imsi: Option<&str>, avps: impl FnOnce(&mut Writer<'_>)) {
        let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
        let header = Header { length: 0, flags, command, application: S6A, hop_by_hop: 77, end_to_end: 88 };
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, &header);
        w.str(&base::SESSION_ID, "hss.localdomain;1;1");
        application(&mut w);
        w.u32(&base::AUTH_SESSION_STATE, 1);
        origin(&mut w);
        w.str(&base::DESTINATION_HOST, "mme.localdomain");
        w.str(&base::DESTINATION_REALM, "localdomain");
        if let Some(imsi) = imsi {
            w.str(&base::USER_NAME, imsi);
        }
        avps(&mut w);
        w.finish();
        self.push.send(out).unwrap();
    }

    /// The messages seen so far with this command; requests or answers.
    pub(crate) fn seen(&self, command: u32, request: bool) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        let wanted = |octets: &&Seen| {
            let header = Message::parse(octets).unwrap().header;
            header.command == command && header.is_request() == request
        };
        seen.iter().filter(wanted).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(
    mut stream: TcpStream,
    shared: Arc<Shared>,
    pushed: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Vec<u8>>>>,
) {
    let mut input = Vec::new();
    let mut answered_airs = 0;
    let mut open = false;
    loop {
        let mut out = Vec::new();
        while let Ok(Frame::Whole(length)) = frame::next(&input, 1 << 20) {
            let octets: Vec<u8> = input.drain(..length).collect();
            let message = Message::parse(&octets).unwrap();
            if message.header.command != 280 && (message.header.command != 282 || message.header.is_request())
            {
                shared.seen.lock().unwrap().push(octets.clone());
            }
            if !message.header.is_request() {
                continue;
            }
            open |= message.header.command == 257;
            let before = out.len();
            answer(&shared, &message, &mut out);
            if message.header.command == 318 && out.len() > before {
                answered_airs += 1;
                if shared.behaviour.answer_twice {
                    out.extend_from_within(before..);
                }
                if let Some(stall) = shared.behaviour.stall.filter(|_| answered_airs == 1) {
                    tokio::time::sleep(stall).await;
                }
                if shared.behaviour.dismiss_after == Some(answered_airs) {
                    dismiss(&mut out);
                }
                if shared.behaviour.cut_after == Some(answered_airs) {
                    let _ = stream.write_all(&out).await;
                    return;
                }
            }
        }
        if stream.write_all(&out).await.is_err() {
            return;
        }
        let mut chunk = [0; 16 << 10];
        let mut pushed = pushed.lock().await;
        tokio::select! {
            read = stream.read(&mut chunk) => match read {
                Ok(0) | Err(_) => return,
                Ok(more) => input.extend_from_slice(&chunk[..more]),
            },
            Some(request) = pushed.recv(), if open => {
                if stream.write_all(&request).await.is_err() {
                    return;
                }
            }
            // Another connection may want its turn at what is pushed.
            () = tokio::time::sleep(std::time::Duration::from_millis(2)) => {}
        }
    }
}

fn origin(w: &mut Writer<'_>) {
    w.str(&base::ORIGIN_HOST, HOST);
    w.str(&base::ORIGIN_REALM, REALM);
}

fn application(w: &mut Writer<'_>) {
    w.group(&base::VENDOR_SPECIFIC_APPLICATION_ID, |w| {
        w.u32(&base::VENDOR_ID, VENDOR_3GPP);
        w.u32(&base::AUTH_APPLICATION_ID, S6A);
    });
}

fn dismiss(out: &mut Vec<u8>) {
    let header = Header {
        length: 0,
        flags: CommandFlags::REQUEST,
        command: 282,
        application: 0,
        hop_by_hop: 5,
        end_to_end: 5,
    };
    let mut w = Writer::new(out, &header);
    origin(&mut w);
    w.u32(&base::DISCONNECT_CAUSE, 0);
    w.finish();
}

fn first<'a>(message: &Message<'a>, def: &AvpDef) -> Option<Avp<'a>> {
    message.avps().flatten().find(|one| one.is(def))
}

fn inside<'a>(group: &Avp<'a>, def: &AvpDef) -> Option<Avp<'a>> {
    group.group(MAX_DEPTH).unwrap().flatten().find(|one| one.is(def))
}

fn answer(shared: &Shared, message: &Message<'_>, out: &mut Vec<u8>) {
    let header = message.header.answer();
    match message.header.command {
        257 => {
            let mut w = Writer::new(out, &header);
            w.u32(&base::RESULT_CODE, shared.behaviour.cea.unwrap_or(2001));
            origin(&mut w);
            w.address(&base::HOST_IP_ADDRESS, [127, 0, 0, 1].into());
            w.u32(&base::VENDOR_ID, 0);
            w.str(&base::PRODUCT_NAME, "test double");
            w.u32(&base::SUPPORTED_VENDOR_ID, VENDOR_3GPP);
            application(&mut w);
            w.finish();
        }
        280 | 282 => {
            let mut w = Writer::new(out, &header);
            w.u32(&base::RESULT_CODE, 2001);
            origin(&mut w);
            w.finish();
        }
        318 => authentication_information(shared, message, &header, out),
        _ => {
            let mut w = Writer::new(out, &header);
            begin(message, &mut w);
            let refused = shared.behaviour.refuse_ulr.filter(|_| header.command == 316);
            w.u32(&base::RESULT_CODE, refused.unwrap_or(2001));
            if header.command == 316 {
                w.u32(&avp::ULA_FLAGS, 1);
                subscription(&mut w);
            }
            w.finish();
        }
    }
}

fn begin(message: &Message<'_>, w: &mut Writer<'_>) {
    if let Some(session) = first(message, &base::SESSION_ID) {
        w.raw(session.raw);
    }
    application(w);
    w.u32(&base::AUTH_SESSION_STATE, 1);
    origin(w);
}

fn authentication_information(shared: &Shared, message: &Message<'_>, header: &Header, out: &mut Vec<u8>) {
    let behaviour = &shared.behaviour;
    let number = {
        let mut airs = shared.airs.lock().unwrap();
        *airs += 1;
        *airs
    };
    if behaviour.silent_every.is_some_and(|every| number % every == 0) {
        return;
    }
    let user = first(message, &base::USER_NAME).unwrap();
    let visited: [u8; 3] = first(message, &avp::VISITED_PLMN_ID).unwrap().array().unwrap();
    let serving = Plmn::from_octets(visited).unwrap();
    let request = first(message, &avp::REQUESTED_EUTRAN_AUTHENTICATION_INFO).unwrap();
    let wanted = inside(&request, &avp::NUMBER_OF_REQUESTED_VECTORS).unwrap().u32().unwrap();
    let mut hss = shared.hss.lock().unwrap();
    let refused = behaviour.refuse_air;
    let at = hss.at(user.str().unwrap());
    let mut w = Writer::new(out, header);
    begin(message, &mut w);
    let (None, Some(at)) = (refused, at) else {
        w.group(&base::EXPERIMENTAL_RESULT, |w| {
            w.u32(&base::VENDOR_ID, VENDOR_3GPP);
            w.u32(&base::EXPERIMENTAL_RESULT_CODE, refused.unwrap_or(5001));
        });
        w.finish();
        return;
    };
    if let Some(info) = inside(&request, &avp::RE_SYNCHRONIZATION_INFO)
        && !behaviour.ignore_auts
    {
        assert!(hss.resynchronise(at, &info.array().unwrap()), "the AUTS is not the device's");
    }
    w.u32(&base::RESULT_CODE, 2001);
    if !behaviour.no_vector {
        w.group(&avp::AUTHENTICATION_INFO, |w| {
            for _ in 0..wanted {
                let again = behaviour.repeat_every.is_some_and(|every| number % every == 0);
                let mut one = if again { hss.vector_again(at, serving) } else { hss.vector(at, serving) };
                one.kasme[31] ^= u8::from(behaviour.wrong_kasme);
                one.xres[7] ^= u8::from(behaviour.wrong_xres);
                put(w, &one);
            }
        });
    }
    w.finish();
}

fn put(w: &mut Writer<'_>, vector: &OwnVector) {
    w.group(&avp::E_UTRAN_VECTOR, |w| {
        w.octets(&avp::RAND, &vector.rand);
        w.octets(&avp::XRES, &vector.xres);
        w.octets(&avp::AUTN, &vector.autn);
        w.octets(&avp::KASME, &vector.kasme);
    });
}

/// One APN, as an MME needs it.
fn subscription(w: &mut Writer<'_>) {
    w.group(&avp::SUBSCRIPTION_DATA, |w| {
        w.u32(&avp::SUBSCRIBER_STATUS, 0);
        w.u32(&avp::NETWORK_ACCESS_MODE, 2);
        w.group(&avp::AMBR, |w| {
            w.u32(&avp::MAX_REQUESTED_BANDWIDTH_UL, 64_000);
            w.u32(&avp::MAX_REQUESTED_BANDWIDTH_DL, 128_000);
        });
        w.group(&avp::APN_CONFIGURATION_PROFILE, |w| {
            w.u32(&avp::CONTEXT_IDENTIFIER, 1);
            w.u32(&avp::ALL_APN_CONFIGURATIONS_INCLUDED_INDICATOR, 0);
            w.group(&avp::APN_CONFIGURATION, |w| {
                w.u32(&avp::CONTEXT_IDENTIFIER, 1);
                w.address(&avp::SERVED_PARTY_IP_ADDRESS, [10, 45, 0, 7].into());
                w.u32(&avp::PDN_TYPE, 0);
                w.str(&base::SERVICE_SELECTION, "callhome");
                w.group(&avp::EPS_SUBSCRIBED_QOS_PROFILE, |w| {
                    w.u32(&avp::QOS_CLASS_IDENTIFIER, 9);
                    w.group(&avp::ALLOCATION_RETENTION_PRIORITY, |w| w.u32(&avp::PRIORITY_LEVEL, 8));
                });
            });
        });
        w.u32(&avp::SUBSCRIBED_PERIODIC_RAU_TAU_TIMER, 3600);
    });
}
