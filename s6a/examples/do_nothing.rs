//! The ceiling: a responder that does nothing but answer, driven by a raw client over one TCP connection.
//!
//! `cargo run --release -p s6a --example do_nothing -- [WINDOW] [SECONDS]` prints answers per second, client
//! included, with the answers written at once and with each promised first (`later`).

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use s6a::codec::dictionary::base::{
    AUTH_SESSION_STATE, DESTINATION_REALM, ORIGIN_HOST, ORIGIN_REALM, RESULT_CODE, SESSION_ID, USER_NAME,
};
use s6a::codec::frame::{self, Frame};
use s6a::codec::{CommandFlags, Header, Message, Writer};
use s6a::net::{Answer, Application, Endpoint, Node, NodeConfig, PeerConfig, PeerInfo};

const MME: &str = "mme.visited.example";
const HSS: &str = "hss.home.example";
const S6A: u32 = 16_777_251;

struct DoNothing {
    later: bool,
}

fn success(request: &Message<'_>, out: &mut Vec<u8>) {
    let mut w = Writer::new(out, &request.header.answer());
    if let Some(session) = request.find(&SESSION_ID) {
        w.octets(&SESSION_ID, session.data);
    }
    w.u32(&RESULT_CODE, 2001);
    w.u32(&AUTH_SESSION_STATE, 1);
    w.str(&ORIGIN_HOST, HSS);
    w.str(&ORIGIN_REALM, "home.example");
    w.finish();
}

impl Application for DoNothing {
    fn request(&self, _: &Arc<PeerInfo>, request: &Message<'_>, answer: Answer<'_>) {
        if self.later {
            let later = answer.later();
            let mut out = Vec::with_capacity(256);
            success(request, &mut out);
            later.send(out);
        } else {
            answer.now(|out| success(request, out));
        }
    }
}

fn cer() -> Vec<u8> {
    let ids = (1, 1);
    let header = Header {
        length: 0,
        flags: CommandFlags::REQUEST,
        command: 257,
        application: 0,
        hop_by_hop: ids.0,
        end_to_end: ids.1,
    };
    use s6a::codec::dictionary::base::{AUTH_APPLICATION_ID, HOST_IP_ADDRESS, PRODUCT_NAME, VENDOR_ID};
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &header);
    w.str(&ORIGIN_HOST, MME);
    w.str(&ORIGIN_REALM, "visited.example");
    w.address(&HOST_IP_ADDRESS, [127, 0, 0, 1].into());
    w.u32(&VENDOR_ID, 0);
    w.str(&PRODUCT_NAME, "bench");
    w.u32(&AUTH_APPLICATION_ID, S6A);
    w.finish();
    out
}

/// A request of the size of an AIR.
fn request(ids: u32, out: &mut Vec<u8>) {
    let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
    let header =
        Header { length: 0, flags, command: 318, application: S6A, hop_by_hop: ids, end_to_end: ids };
    let mut w = Writer::new(out, &header);
    w.str(&SESSION_ID, "mme.visited.example;1876543210;523;a1b2c3d4");
    w.u32(&AUTH_SESSION_STATE, 1);
    w.str(&ORIGIN_HOST, MME);
    w.str(&ORIGIN_REALM, "visited.example");
    w.str(&DESTINATION_REALM, "home.example");
    w.str(&USER_NAME, "999710000000001");
    w.finish();
}

/// Keeps `window` requests under way; gives how many were answered in `time`.
fn drive(stream: &mut TcpStream, window: usize, time: Duration) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut buffer = vec![0; 1 << 18];
    let (mut filled, mut asked, mut answered) = (0, 0u32, 0u64);
    let mut out = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        out.clear();
        while u64::from(asked) < answered + window as u64 {
            request(asked, &mut out);
            asked += 1;
        }
        stream.write_all(&out)?;
        filled += stream.read(&mut buffer[filled..])?;
        let mut at = 0;
        while let Frame::Whole(length) = frame::next(&buffer[at..filled], 1 << 16)? {
            answered += 1;
            at += length;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
    Ok(answered)
}

async fn run(later: bool, window: usize, time: Duration) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let config = NodeConfig {
        listen: vec!["tcp://127.0.0.1:0".parse()?],
        peers: vec![PeerConfig::new(MME)],
        ..NodeConfig::new(HSS, "home.example")
    };
    let node = Node::start(config, Arc::new(DoNothing { later })).await?;
    let [Endpoint::Tcp(address)] = node.local_endpoints()[..] else { return Err("no endpoint".into()) };
    let client = move || -> Result<f64, Box<dyn Error + Send + Sync>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(&cer())?;
        if stream.read(&mut [0; 1024])? == 0 {
            return Err("the CER was refused".into());
        }
        let answered = drive(&mut stream, window, time)?;
        Ok(answered as f64 / time.as_secs_f64())
    };
    let rate = tokio::task::spawn_blocking(client).await??;
    drop(node);
    Ok(rate)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let window = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    for (later, how) in [(false, "at once"), (true, "later")] {
        let rate = run(later, window, Duration::from_secs(seconds)).await?;
        println!("window {window}, answered {how}: {rate:.0} requests/s");
    }
    Ok(())
}
