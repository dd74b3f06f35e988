//! How fast the SQLite store is on this machine and disk: leases in batches, registrations, snapshots, import.
//!
//! `cargo run --release -p icf-auc --example store_rate -- /var/tmp 100000`: folder for the database, and how
//! many credentials.

use std::{error::Error, fmt::Write, time::Instant};

use icf_auc::{
    import::{self, Format, Options},
    model::{NodeKind, Rat, Registration, ServingNode, Timestamp},
    store::{
        Op, Store, TakeOver,
        sealed::Keyring,
        sqlite::{OpenOptions, SqliteStore},
    },
};
use schemas::identity::Imsi;

fn say(what: &str, count: u64, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    println!("{what:<42} {:>10.0} /s  ({count} in {seconds:.2} s)", count as f64 / seconds);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "/var/tmp".to_owned());
    let count: u64 = arguments.next().map_or(Ok(100_000), |n| n.parse())?;
    let path = format!("{folder}/store-rate-{}.db", std::process::id());
    let keys = Keyring::parse(&Keyring::generate_line(1)?)?;
    let options = OpenOptions { pool: Some("10.0.0.0/8".parse()?), ..OpenOptions::default() };
    let store = SqliteStore::open(&format!("sqlite://{path}"), keys, options).await?;
    let result = measure(&store, count).await;
    store.close().await;
    for end in ["", "-wal", "-shm"] {
        // The last two are gone when the database was closed.
        let _ = std::fs::remove_file(format!("{path}{end}"));
    }
    result
}

async fn measure(store: &SqliteStore, count: u64) -> Result<(), Box<dyn Error>> {
    let first: Imsi = "999710000000000".parse()?;
    let imsi = |n: u64| first.checked_add(n % count).unwrap_or(first);
    let mut file = String::new();
    for n in 0..count {
        let key = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        writeln!(file, r#"{{"imsi":"{}","k":"{key:032x}","opc":"{:032x}","amf":"8000"}}"#, imsi(n), !key)?;
    }
    let start = Instant::now();
    let report = import::run(file.as_bytes(), Format::Ndjson, &Options::default(), store, |_| {}).await;
    if !report.is_complete() {
        return Err(format!("{report:?}").into());
    }
    say("import, chunks of 1000", report.stored, start);

    for size in [1_u64, 64, 256, 1000, 4000] {
        let batches = (200_000 / size).min(2_000);
        let start = Instant::now();
        for batch in 0..batches {
            // Spread over all subscribers.
            let lease = |n: u64| Op::Lease {
                imsi: imsi((batch * size + n).wrapping_mul(7919)),
                count: 32,
                above: None,
            };
            let ops: Vec<Op> = (0..size).map(lease).collect();
            if store.commit(&ops).await?.iter().any(Result::is_err) {
                return Err("a lease failed".into());
            }
        }
        say(&format!("leases, batches of {size}"), batches * size, start);
    }
    for (what, offset) in
        [("first registrations, batches of 1000", 0), ("registrations again, batches of 1000", 1)]
    {
        let start = Instant::now();
        let batches = (count / 1000).min(20);
        for batch in 0..batches {
            let ops: Vec<Op> = (0..1000).map(|n| register(imsi(batch * 1000 + n), offset)).collect();
            if store.commit(&ops).await?.iter().any(Result::is_err) {
                return Err("a registration failed".into());
            }
        }
        say(what, batches * 1000, start);
    }
    for size in [1_u64, 256] {
        let start = Instant::now();
        let queries = 20_000 / size;
        for query in 0..queries {
            let imsis: Vec<Imsi> = (0..size).map(|n| imsi((query * size + n).wrapping_mul(7919))).collect();
            if store.snapshots(&imsis).await?.is_empty() {
                return Err("a snapshot failed".into());
            }
        }
        say(&format!("snapshots, {size} a query"), queries * size, start);
    }
    Ok(())
}

fn register(imsi: Imsi, at: i64) -> Op {
    let registration = Registration {
        imsi,
        kind: NodeKind::Mme,
        node: ServingNode { host: format!("mme{at}.localdomain"), realm: "localdomain".into() },
        visited_plmn: "999-71".parse().unwrap_or_else(|_| unreachable!("it is one")),
        rat: Rat::Eutran,
        address: None,
        imei: None,
        registered_at: Timestamp(at),
        expires_at: Timestamp::now().plus(86_400),
        purged: false,
        report: icf_auc::model::NodeReport::default(),
    };
    let pool = "10.0.0.0/8".parse().ok();
    Op::Register {
        registration: Box::new(registration),
        count_attach: true,
        pool,
        take_over: TakeOver::default(),
        notify: false,
    }
}
