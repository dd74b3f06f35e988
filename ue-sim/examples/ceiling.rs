//! How fast the load generator itself is: it runs against a responder that does nothing but send the same
//! answer back, on a thread of its own.
//!
//! `cargo run --release -p ue-sim --example ceiling -- [off|unique] [seconds] [window] [rate]`
//!
//! With `unique` every answer's vector is checked as a USIM would; it is the same vector each time, so that
//! all but the first of the sequence numbers are duplicates, which is counted and does not matter here.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use oxirush_security::milenage::{Amf, K, Milenage, Opc, Sqn};
use oxirush_security::{Plmn as OxiPlmn, Rand, nas_eps};
use s6a::app::{self, AuthenticationInfo, AuthenticationInformationAnswer, EutranVector};
use s6a::base::{CapabilitiesExchangeAnswer, Outcome, VendorSpecificApplicationId};
use s6a::codec::frame::{self, Frame};
use s6a::codec::{Header, ResultCode};
use schemas::secret::Key128;
use tokio_util::sync::CancellationToken;
use ue_sim::device::Device;
use ue_sim::load::{LoadConfig, Pace, Verify, run};

const KEY: [u8; 16] = [0x46; 16];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let verify = match args.next().as_deref() {
        Some("unique") => Verify::Unique,
        _ => Verify::Off,
    };
    let seconds = args.next().map_or(Ok(5), |text| text.parse())?;
    let window = args.next().map_or(Ok(256), |text| text.parse())?;
    let rate: Option<f64> = args.next().map(|text| text.parse()).transpose()?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = answer()?;
    std::thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept()
            && let Err(e) = respond(stream, &answer)
        {
            eprintln!("the responder: {e}");
        }
    });

    let key = Key128::new(KEY);
    let devices = vec![Device::new("999710000000001".parse()?, &key, &key)];
    let config = LoadConfig {
        verify,
        window,
        duration: Some(Duration::from_secs(seconds)),
        pace: rate.map_or(Pace::Window, Pace::Rate),
        progress: true,
        ..LoadConfig::new(address, "999-71".parse()?)
    };
    let report = run(config, devices, CancellationToken::new()).await?;
    println!("{report}");
    println!("lag: {}", report.lag_us);
    Ok(())
}

/// An AIA with one good vector, but for its identifiers.
fn answer() -> Result<Vec<u8>, Box<dyn Error>> {
    let rand = [0x23; 16];
    let milenage = Milenage::new(&K::new(&KEY), &Opc::new(&KEY));
    let vector =
        milenage.authentication_vector(&Rand::new(&rand), &Sqn::try_from(64)?, &Amf::new(&[0x80, 0]));
    let kasme = nas_eps::derive_kasme(vector.ck(), vector.ik(), OxiPlmn::new("999", "71")?, vector.autn());
    let vectors = [EutranVector {
        item_number: None,
        rand,
        xres: vector.xres().as_octets(),
        autn: *vector.autn().as_octets(),
        kasme: *kasme.as_octets(),
    }];
    let mut out = Vec::new();
    AuthenticationInformationAnswer {
        session_id: "mme.localdomain;1234567890;1234567890",
        vendor_specific_application_id: Some(app::APPLICATION_ID),
        outcome: Outcome::SUCCESS,
        origin_host: "hss.localdomain",
        origin_realm: "localdomain",
        authentication_info: Some(AuthenticationInfo {
            eutran_vector: (&vectors).into(),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode(&mut out, &request(AuthenticationInformationAnswer::CODE, app::S6A));
    Ok(out)
}

fn request(command: u32, application: u32) -> Header {
    let flags = s6a::codec::CommandFlags(0xc0);
    Header { length: 0, flags, command, application, hop_by_hop: 0, end_to_end: 0 }
}

fn respond(mut stream: TcpStream, aia: &[u8]) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut input = vec![0; 256 << 10];
    let mut out = Vec::with_capacity(1 << 20);
    let mut filled = 0;
    loop {
        let more = stream.read(&mut input[filled..])?;
        if more == 0 {
            return Ok(());
        }
        filled += more;
        let mut at = 0;
        while let Frame::Whole(length) = frame::next(&input[at..filled], 64 << 10)? {
            let header = Header::decode(&input[at..])?;
            let start = out.len();
            match header.command {
                AuthenticationInformationAnswer::CODE => out.extend_from_slice(aia),
                CapabilitiesExchangeAnswer::CODE => capabilities(&mut out, &header),
                // A watchdog, or the end.
                _ => return Ok(()),
            }
            out[start + 12..start + 20].copy_from_slice(&input[at + 12..at + 20]);
            at += length;
        }
        input.copy_within(at..filled, 0);
        filled -= at;
        stream.write_all(&out)?;
        out.clear();
    }
}

fn capabilities(out: &mut Vec<u8>, request: &Header) {
    let application: [VendorSpecificApplicationId; 1] = [app::APPLICATION_ID];
    let addresses = [std::net::Ipv4Addr::LOCALHOST.into()];
    CapabilitiesExchangeAnswer {
        result_code: ResultCode::SUCCESS,
        origin_host: "hss.localdomain",
        origin_realm: "localdomain",
        host_ip_address: (&addresses).into(),
        product_name: "responder",
        vendor_specific_application_id: (&application).into(),
        ..Default::default()
    }
    .encode(out, request);
}
