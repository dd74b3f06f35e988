//! What is logged, down to TRACE, holds no key: neither the credential's nor what a vector is secret for.
//! A binary of its own, since the subscriber is the process's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "icf/lab.rs"]
mod lab;
#[path = "icf/mme.rs"]
mod mme;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use icf_auc::{model::AuthMaterial, store::PooledVector};
use lab::{K, Lab, OPC, credential, imsi, until};
use mme::Vector;
use s6a::app::vectors::ResynchronizationInfo;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        let octets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&octets).to_lowercase()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The ways in which a program writes octets without meaning to: hexadecimal, `[1, 2]`, `{:x?}`, with colons,
/// escaped. Eight octets in a row are enough to be told by.
fn spellings(octets: &[u8]) -> Vec<String> {
    let part = &octets[..octets.len().min(8)];
    let each = |one: fn(&u8) -> String, between| part.iter().map(one).collect::<Vec<_>>().join(between);
    vec![
        hex::encode(part),
        each(|o| o.to_string(), ", "),
        each(|o| o.to_string(), ","),
        each(|o| format!("{o:x}"), ", "),
        each(|o| format!("{o:02x}"), ", "),
        each(|o| format!("{o:02x}"), ":"),
        each(|o| format!("{o:02x}"), " "),
        each(|o| format!("0x{o:02x}"), ", "),
        String::from_utf8_lossy(part).escape_debug().to_string().to_lowercase(),
        part.escape_ascii().to_string().to_lowercase(),
    ]
}

#[track_caller]
fn is_nowhere(what: &str, octets: &[u8], log: &str) {
    for spelling in spellings(octets) {
        if let Some(at) = log.find(&spelling) {
            let line = log[..at].lines().last().unwrap_or_default();
            panic!("{what} is in the log as {spelling:?}, after {line:?}");
        }
    }
}

#[test]
fn a_key_is_found_in_whatever_way_it_is_written() {
    let key: [u8; 16] = hex::decode(K).unwrap().try_into().unwrap();
    for text in [
        format!("k={K}"),
        format!("{key:?}"),
        format!("{key:x?}"),
        format!("{key:02x?}"),
        format!("k=\"{}\"", key.escape_ascii()),
        format!("{:?}", bytes::Bytes::copy_from_slice(&key)),
    ] {
        let text = text.to_lowercase();
        assert!(spellings(&key).iter().any(|spelling| text.contains(spelling)), "{text}");
    }
}

#[tokio::test]
async fn no_secret_is_logged_even_at_trace() {
    let log = Buffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let lab = Lab::with(1).await;
    let mut pooled = credential(2);
    pooled.auth = AuthMaterial::Pool;
    lab.insert([pooled]).await;
    let pool = PooledVector {
        rand: *b"the pool's rand.",
        xres: b"an-xres!".to_vec(),
        autn: *b"the pool's autn.",
        kasme: *b"the pool's kasme, 32 octets long",
    };
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let mut vectors = vec![one.air(imsi(1)).await.unwrap(), one.air(imsi(1)).await.unwrap()];

    // Keys by REST: taken, refused, in the wrong place.
    let good = json!({"imsi": imsi(3), "k": K, "opc": OPC});
    assert_eq!(icf.rest("POST", "/v1/credentials", "idempotency-key: a\r\n", &good).await.0, 201);
    assert_eq!(icf.rest("POST", "/v1/credentials", "", &good).await.0, 409);
    let wrong = json!({"imsi": imsi(4), "k": K, "opc": [OPC], "amf": K});
    assert_eq!(icf.rest("POST", "/v1/credentials", "", &wrong).await.0, 422);
    vectors.push(one.air(imsi(3)).await.unwrap());

    // Resynchronisations, true and forged.
    let info = {
        use oxirush_security::milenage::{self, Milenage, Opc, Sqn};
        let octets = |text: &str| <[u8; 16]>::try_from(hex::decode(text).unwrap()).unwrap();
        let usim = Milenage::new(&milenage::K::new(&octets(K)), &Opc::new(&octets(OPC)));
        let rand = vectors[0].rand;
        let auts = usim.auts(&oxirush_security::Rand::new(&rand), &Sqn::try_from(1_u64 << 20).unwrap());
        ResynchronizationInfo::new(rand, *auts.as_octets())
    };
    vectors.extend(one.vectors(imsi(1), 1, Some(info)).await.unwrap());
    let mut forged = info.0;
    forged[29] ^= 1;
    one.vectors(imsi(1), 1, Some(ResynchronizationInfo(forged))).await.unwrap_err();

    // A pool, registrations, a CLR, refusals, and the end.
    lab.store.add_vectors(imsi(2), vec![pool.clone()]).await.unwrap();
    let PooledVector { rand, xres, autn, kasme } = pool;
    assert_eq!(one.air(imsi(2)).await.unwrap(), Vector { rand, xres, autn, kasme });
    vectors.push(Vector { rand, xres: b"an-xres!".to_vec(), autn, kasme });
    one.air(imsi(2)).await.unwrap_err();
    one.attached(imsi(1)).await;
    two.attached(imsi(1)).await;
    one.told().await;
    one.air(imsi(9)).await.unwrap_err();
    until("resynchronised in the log", async || log.text().contains("resynchronised")).await;
    icf.stop().await;

    let log = log.text();
    // It does listen, and to the dependencies too.
    assert!(log.contains("trace") && log.contains("resynchronisation refused"), "{} octets", log.len());
    for (what, key) in [("K", K), ("OPc", OPC)] {
        is_nowhere(what, &hex::decode(key).unwrap(), &log);
    }
    for vector in vectors {
        is_nowhere("XRES", &vector.xres, &log);
        is_nowhere("KASME", &vector.kasme, &log);
    }
    is_nowhere("the token", "a1a1a1a1a1a1a1a1".as_bytes(), &log);
}
