//! The PVA's OCSP responder, and what it is to say of a platform: for the tests of DRF and DPF, which ask it.
//! It lies here, beside the PVA whose it is; they take it by `#[path]`, so that no crate has to know it but in tests.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use pva::{
    model::{Revocation, RevocationReason},
    ocsp::{Lookup, Public, Responder, router},
};
use schemas::cose::PrivateKey;
use service::serve::{HttpLimits, HttpServer};
use tokio_util::sync::CancellationToken;

/// By serial number; `None`: never issued, inside it: not revoked.
type Said = HashMap<Vec<u8>, Option<Option<Revocation>>>;

/// What is known of certificates: all are good that nobody has said otherwise of.
#[derive(Clone, Default)]
pub struct Register {
    said: Arc<Mutex<Said>>,
    /// Says tryLater to everybody.
    pub away: Arc<AtomicBool>,
    pub asked: Arc<AtomicUsize>,
}

impl Register {
    pub fn revoke(&self, certificate: &[u8]) {
        let revocation = Revocation { at: 1_700_000_000, reason: RevocationReason::KeyCompromise };
        self.said.lock().unwrap().insert(serial(certificate), Some(Some(revocation)));
    }

    pub fn forget(&self, certificate: &[u8]) {
        self.said.lock().unwrap().insert(serial(certificate), None);
    }
}

fn serial(certificate: &[u8]) -> Vec<u8> {
    let serial = schemas::trust::Leaf::parse(certificate).unwrap().serial;
    let zeros = serial.iter().take_while(|octet| **octet == 0).count();
    serial[zeros..].to_vec()
}

impl Lookup for Register {
    async fn revocation(&self, serial: &[u8]) -> Result<Option<Option<Revocation>>, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err("the database is locked".to_owned());
        }
        Ok(self.said.lock().unwrap().get(serial).copied().unwrap_or(Some(None)))
    }
}

/// Serves it; gives its URL. `ca` is PEM.
pub async fn serve(
    register: Register,
    (certificate, key): (String, PrivateKey),
    ca: &str,
    stop: CancellationToken,
) -> String {
    let ca = schemas::trust::chain_from_pem(ca.as_bytes()).unwrap();
    let key = key.to_pem().unwrap();
    let responder = Responder::new(certificate.as_bytes(), key.as_bytes(), &ca[0]).unwrap();
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap(), None, HttpLimits::default()).await.unwrap();
    let url = server.url();
    let counters = prometheus::IntCounterVec::new(prometheus::Opts::new("ocsp", "…"), &["status"]).unwrap();
    let public = Public::new(responder, register, Duration::from_secs(300), &url, counters);
    tokio::spawn(server.run(router(public), stop));
    url
}
