//! A home network for the simulator's own tests: subscribers, vectors, and a Diameter server that does what
//! it is told, mistakes included. It says nothing about the ICF.

mod server;

pub(crate) use server::{Behaviour, Server};

use oxirush_security::milenage::{Amf, Auts, K, Milenage, Opc, Sqn};
use oxirush_security::{Plmn as OxiPlmn, Rand, nas_eps};
use schemas::identity::{Imsi, Plmn};
use schemas::secret::Key128;

use crate::device::Device;

/// An E-UTRAN vector that owns its octets.
#[derive(Debug, Clone)]
pub(crate) struct OwnVector {
    pub(crate) rand: [u8; 16],
    pub(crate) xres: Vec<u8>,
    pub(crate) autn: [u8; 16],
    pub(crate) kasme: [u8; 32],
}

struct Subscriber {
    imsi: Imsi,
    k: [u8; 16],
    opc: [u8; 16],
    seq: u64,
}

/// Some subscribers.
pub(crate) struct Hss {
    subscribers: Vec<Subscriber>,
    pub(crate) amf: [u8; 2],
}

impl Hss {
    /// `count` subscribers from 999710000000001 on, who have not been authenticated yet.
    pub(crate) fn new(count: u64) -> Self {
        let first: Imsi = "999710000000001".parse().unwrap();
        let subscriber = |i: u64| Subscriber {
            imsi: first.checked_add(i).unwrap(),
            k: [0x40 + i as u8; 16],
            opc: [0xc0 ^ i as u8; 16],
            seq: 0,
        };
        Self { subscribers: (0..count).map(subscriber).collect(), amf: [0x80, 0] }
    }

    /// The network that its tests are in.
    pub(crate) fn serving() -> Plmn {
        "999-71".parse().unwrap()
    }

    /// Goes on from another SEQ.
    pub(crate) fn with_seq(mut self, seq: u64) -> Self {
        self.subscribers.iter_mut().for_each(|s| s.seq = seq);
        self
    }

    /// The devices of its subscribers.
    pub(crate) fn devices(&self) -> Vec<Device> {
        let device = |s: &Subscriber| Device::new(s.imsi, &Key128::new(s.k), &Key128::new(s.opc));
        self.subscribers.iter().map(device).collect()
    }

    fn at(&self, imsi: &str) -> Option<usize> {
        self.subscribers.iter().position(|s| s.imsi.to_string() == imsi)
    }

    /// The next vector of subscriber number `at`, with IND 0.
    pub(crate) fn vector(&mut self, at: usize, serving: Plmn) -> OwnVector {
        self.subscribers[at].seq += 1;
        self.vector_again(at, serving)
    }

    /// A vector whose sequence number is that of the last one.
    fn vector_again(&mut self, at: usize, serving: Plmn) -> OwnVector {
        let amf = self.amf;
        let s = &self.subscribers[at];
        let mut random = [0; 16];
        getrandom::fill(&mut random).unwrap();
        let rand = Rand::new(&random);
        let milenage = Milenage::new(&K::new(&s.k), &Opc::new(&s.opc));
        let sqn = Sqn::try_from(s.seq << 5).unwrap();
        let vector = milenage.authentication_vector(&rand, &sqn, &Amf::new(&amf));
        let plmn = OxiPlmn::from_nas_octets(serving.octets()).unwrap();
        let kasme = nas_eps::derive_kasme(vector.ck(), vector.ik(), plmn, vector.autn());
        OwnVector {
            rand: random,
            xres: vector.xres().as_octets().to_vec(),
            autn: *vector.autn().as_octets(),
            kasme: *kasme.as_octets(),
        }
    }

    /// Takes RAND ‖ AUTS as a home network does (TS 33.102 §6.3.5); false if MAC-S is wrong.
    pub(crate) fn resynchronise(&mut self, at: usize, info: &[u8; 30]) -> bool {
        let s = &mut self.subscribers[at];
        let milenage = Milenage::new(&K::new(&s.k), &Opc::new(&s.opc));
        let (rand, auts) = (Rand::from_slice(&info[..16]).unwrap(), Auts::from_slice(&info[16..]).unwrap());
        match milenage.verify_auts(&rand, &auts) {
            Ok(sqn_ms) => {
                s.seq = sqn_ms.get() >> 5;
                true
            }
            Err(_) => false,
        }
    }
}
