//! Random subscribers, held against `osmo-auc-gen` (Debian package libosmocore-utils): an AuC of others.
//!
//! 10,000 vectors and 2,000 AUTS, one process each, on as many threads as there are processors.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    io::ErrorKind,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use icf_auc::auc::{
    amf::Amf,
    keys::SubscriberKeys,
    random::{OsRand, RandSource},
    resync::{Auts, MacSFailure, ResynchronizationInfo, verify},
    sqn::Sqn,
    vector::UtranVector,
};
use schemas::secret::Key128;

const VECTORS: usize = 10_000;
const AUTS: usize = 2_000;

struct Subscriber {
    k: [u8; 16],
    /// OP for every other subscriber, OPc for the rest.
    op: Option<[u8; 16]>,
    keys: SubscriberKeys,
    rand: [u8; 16],
    sqn: Sqn,
    amf: [u8; 2],
}

impl Subscriber {
    fn random(number: usize) -> Self {
        let [k, op, rand, rest] = [(); 4].map(|()| OsRand.rand().unwrap());
        let [a, b, c, d, e, f, amf @ .., _, _, _, _, _, _, _, _] = rest;
        let (op, keys) = if number.is_multiple_of(2) {
            (Some(op), SubscriberKeys::from_op(Key128::new(k), &Key128::new(op)))
        } else {
            (None, SubscriberKeys::from_opc(Key128::new(k), Key128::new(op)))
        };
        Self { k, op, keys, rand, sqn: Sqn::from_octets([a, b, c, d, e, f]), amf }
    }

    fn osmo(&self) -> Command {
        let mut command = Command::new("osmo-auc-gen");
        command.args(["-3", "-a", "milenage", "-k", &hex::encode(self.k), "-r", &hex::encode(self.rand)]);
        match self.op {
            Some(op) => command.args(["-O", &hex::encode(op)]),
            None => command.args(["-o", &hex::encode(self.keys.opc().expose())]),
        };
        command
    }
}

/// Runs it, and gives its lines of `NAME:\tVALUE` and the whole of what it wrote.
fn run(command: &mut Command) -> (HashMap<String, String>, String) {
    let output = command.output().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!(
            "osmo-auc-gen is missing: this test compares with it. Install it with `apt-get install \
             libosmocore-utils`, and run the test again."
        ),
        _ => panic!("osmo-auc-gen could not be run: {error}"),
    });
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().filter_map(|line| line.split_once(":\t"));
    (lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), text)
}

fn compare_vector(number: usize) {
    let it = Subscriber::random(number);
    // UTRAN's vectors have the separation bit clear; osmo-auc-gen takes the AMF as it is given.
    let amf = Amf::new(it.amf).with_separation_bit(false);
    let ours = UtranVector::generate(&it.keys.prepare(), it.rand, it.sqn, amf);
    let mut command = it.osmo();
    command.args(["-f", &hex::encode(amf.octets()), "-s", &it.sqn.value().to_string()]);
    let (theirs, text) = run(&mut command);
    let geran = ours.geran();
    for (name, value) in [
        ("RAND", &ours.rand[..]),
        ("AUTN", &ours.autn),
        ("CK", &ours.ck),
        ("IK", &ours.ik),
        ("RES", &ours.xres),
        ("SRES", &geran.sres),
        ("Kc", &geran.kc),
    ] {
        assert_eq!(theirs.get(name), Some(&hex::encode(value)), "{name} of {command:?}: {text}");
    }
}

/// Every other AUTS is forged by one bit; both sides must agree about each.
fn compare_auts(number: usize) {
    let it = Subscriber::random(number / 2);
    let keys = it.keys.prepare();
    let concealed = it.sqn.xor(Sqn::from_octets(keys.f5_star(&it.rand)));
    let mut auts = [0; 14];
    auts[..6].copy_from_slice(&concealed.octets());
    auts[6..].copy_from_slice(&keys.f1_star(&it.rand, it.sqn, Amf::RESYNC));
    let forged = number % 2 == 1;
    if forged {
        let bit = number / 2 % 112;
        auts[bit / 8] ^= 0x80 >> (bit % 8);
    }
    let info = ResynchronizationInfo { rand: it.rand, auts: Auts(auts) };
    let mut command = it.osmo();
    command.args(["-A", &hex::encode(auts)]);
    let (theirs, text) = run(&mut command);
    if forged {
        assert_eq!(verify(&keys, &info), Err(MacSFailure));
        assert!(text.contains("AUTS from MS seems incorrect"), "{command:?}: {text}");
    } else {
        assert_eq!(verify(&keys, &info), Ok(it.sqn));
        assert_eq!(theirs.get("SQN.MS"), Some(&it.sqn.value().to_string()), "{command:?}: {text}");
    }
}

fn in_parallel(count: usize, compare: fn(usize)) -> Duration {
    let start = Instant::now();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || (first..count).step_by(threads).for_each(compare));
        }
    });
    start.elapsed()
}

#[test]
fn vectors_and_triplets_agree_with_osmo_auc_gen() {
    println!("{VECTORS} vectors in {:.1?}", in_parallel(VECTORS, compare_vector));
}

#[test]
fn auts_agree_with_osmo_auc_gen() {
    println!("{AUTS} AUTS in {:.1?}", in_parallel(AUTS, compare_auts));
}
