//! Batches of the CHTIF (R1a): what is resumed is the same, what is refused leaves nothing behind, and what
//! leaves is opened by the `age` program and by nobody else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "store/fixture.rs"]
mod fixture;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use fixture::{KEY_1, credential, open};
use futures_util::StreamExt;
use icf_auc::{
    chtif::{
        issue::{BatchRequest, CHUNK, IssueError, Issuing},
        issued::IssuedCredential,
        issuer::StoreIssuer,
        seal::Identity,
    },
    rest::{Issuer, NotIssued},
    store::{CredentialFilter, Store, memory::MemoryStore},
};
use schemas::{identity::Imsi, rest::IssueRequest, secret::Key128};

fn first() -> Imsi {
    "999710000000000".parse().unwrap()
}

fn request(id: &str, count: u64) -> BatchRequest {
    BatchRequest {
        id: id.into(),
        first: first(),
        count,
        profile: "default".into(),
        party: Some("a supplier".into()),
        op: None,
        amf: [0x80, 0],
        triple_url: Some("https://home.example/call".into()),
    }
}

async fn sqlite() -> (tempfile::TempDir, impl Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    (folder, store)
}

/// The credentials of up to `chunks` more chunks, as lines.
async fn take(issuing: &mut Issuing<'_>, chunks: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..chunks {
        let Some(credentials) = issuing.next().await.unwrap() else { break };
        lines.extend(credentials.iter().map(line));
    }
    lines
}

fn line(credential: &IssuedCredential) -> String {
    let mut out = Vec::new();
    credential.write_line(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

async fn stored(store: &dyn Store) -> u64 {
    store.count(&CredentialFilter::default()).await.unwrap()
}

#[tokio::test]
async fn a_batch_interrupted_at_any_chunk_resumes_with_the_same_credentials() {
    let (_folder, store) = sqlite().await;
    let count = 3 * CHUNK as u64 + 1;
    let mut before: Vec<String> = Vec::new();
    // Interrupted before the first chunk, after each of the others, and after the end.
    for chunks in [0, 1, 1, 2, 3, 4, 5] {
        let mut issuing = Issuing::begin(&store, request("b", count)).await.unwrap();
        let lines = take(&mut issuing, chunks).await;
        assert_eq!(lines.len() as u64, count.min((chunks * CHUNK) as u64));
        let again = before.len().min(lines.len());
        assert_eq!(lines[..again], before[..again], "after {chunks} chunks");
        assert_eq!(issuing.progress().resumed, again as u64);
        assert_eq!(issuing.progress().done, lines.len() as u64);
        if lines.len() > before.len() {
            before = lines;
        }
        drop(issuing);
        assert_eq!(stored(&store).await, before.len() as u64, "what was emitted is stored, and no more");
        assert_eq!(store.batch("b").await.unwrap().unwrap().done, before.len() as u64);
    }
    assert_eq!(before.len() as u64, count);
    let mut distinct: Vec<String> = before
        .iter()
        .map(|line| serde_json::from_str::<IssuedCredential>(line).unwrap())
        .flat_map(|c| [c.k.to_string(), c.opc.to_string(), c.triple.unwrap().password.to_string()])
        .collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len() as u64, 3 * count, "no two have a key or a password in common");
}

#[tokio::test]
async fn a_chunk_stored_without_its_record_is_resumed_as_well() {
    // As after a crash between the two: the record knows less than is stored.
    let (_folder, store) = sqlite().await;
    let mut issuing = Issuing::begin(&store, request("b", 2500)).await.unwrap();
    let lines = take(&mut issuing, 3).await;
    let mut record = store.batch("b").await.unwrap().unwrap();
    record.done = 1000;
    store.put_batch(record).await.unwrap();
    let mut issuing = Issuing::begin(&store, request("b", 2500)).await.unwrap();
    assert_eq!(take(&mut issuing, 9).await, lines);
    assert_eq!(stored(&store).await, 2500);
    assert_eq!(store.batch("b").await.unwrap().unwrap().done, 2500);
}

#[tokio::test]
async fn a_collision_anywhere_in_the_range_is_refused_before_anything_is_stored() {
    let (_folder, store) = sqlite().await;
    let at = 2 * CHUNK as u64 + 7;
    store.insert(vec![credential(at)]).await.unwrap();
    let refused = Issuing::begin(&store, request("b", 3 * CHUNK as u64)).await.unwrap_err();
    let of = first().checked_add(at).unwrap();
    assert!(matches!(refused, IssueError::Collision { imsi } if imsi == of), "{refused}");
    assert_eq!(stored(&store).await, 1);
    assert!(store.batch("b").await.unwrap().is_none());
    // Short of it there is room.
    let mut issuing = Issuing::begin(&store, request("b", at)).await.unwrap();
    assert_eq!(take(&mut issuing, 9).await.len() as u64, at);
}

#[tokio::test]
async fn a_credential_that_came_from_elsewhere_meanwhile_is_not_given_out() {
    let (_folder, store) = sqlite().await;
    let mut issuing = Issuing::begin(&store, request("b", 2 * CHUNK as u64)).await.unwrap();
    assert_eq!(take(&mut issuing, 1).await.len(), CHUNK);
    store.insert(vec![credential(CHUNK as u64 + 3)]).await.unwrap();
    let Err(refused) = issuing.next().await else { panic!("it was given out") };
    assert!(matches!(refused, IssueError::Collision { .. }), "{refused}");
    assert_eq!(stored(&store).await, CHUNK as u64 + 1);
}

#[tokio::test]
async fn the_same_name_with_other_parameters_is_refused() {
    let (_folder, store) = sqlite().await;
    let other = icf_auc::model::Profile::provisioning("other", None);
    store.put_profile(other, Some(0), Vec::new()).await.unwrap();
    let mut issuing = Issuing::begin(&store, request("b", 10)).await.unwrap();
    take(&mut issuing, 1).await;
    let cases = [
        ("count", BatchRequest { count: 11, ..request("b", 10) }),
        ("first IMSI", BatchRequest { first: first().checked_add(100).unwrap(), ..request("b", 10) }),
        ("profile", BatchRequest { profile: "other".into(), ..request("b", 10) }),
        ("AMF", BatchRequest { amf: [0x80, 1], ..request("b", 10) }),
        ("call-home URL", BatchRequest { triple_url: None, ..request("b", 10) }),
        ("call-home URL", BatchRequest { triple_url: Some("https://x.example".into()), ..request("b", 10) }),
        ("choice between OP and a random OPc", BatchRequest { op: Some(op(1)), ..request("b", 10) }),
    ];
    for (differs, asked) in cases {
        let refused = Issuing::begin(&store, asked).await.unwrap_err();
        assert!(
            matches!(&refused, IssueError::OtherBatch { id, what } if id == "b" && *what == differs),
            "{differs}: {refused}"
        );
    }
    // Another name for the same IMSIs is no way around.
    let refused = Issuing::begin(&store, request("c", 10)).await.unwrap_err();
    assert!(matches!(refused, IssueError::Collision { .. }), "{refused}");
    assert_eq!(stored(&store).await, 10);
}

#[tokio::test]
async fn what_cannot_be_issued_is_refused_by_what_is_wrong() {
    let store = MemoryStore::new(None);
    let asked = BatchRequest { profile: "none".into(), ..request("b", 1) };
    let refused = Issuing::begin(&store, asked).await.unwrap_err();
    assert!(matches!(refused, IssueError::NoProfile(_)), "{refused}");
    let asked = BatchRequest { first: "999999999999999".parse().unwrap(), ..request("b", 2) };
    let refused = Issuing::begin(&store, asked).await.unwrap_err();
    assert!(matches!(refused, IssueError::Range { .. }), "{refused}");
    let issuer = StoreIssuer::new(Arc::new(store));
    let refused = issuer.issue("tests", asked_over_rest(1, "age1nonsense")).await.unwrap_err();
    assert!(matches!(refused, NotIssued::Field { field: "recipient", .. }), "{refused}");
}

#[tokio::test]
async fn with_op_every_opc_is_derived_from_it() {
    let (_folder, store) = sqlite().await;
    // TS 35.207 §6.3, test set 1 has this OP; OPc depends on K.
    let op = Key128::from_hex("cdc202d5123e20f62b6d676ac72cb318").unwrap();
    let asked = BatchRequest { op: Some(op.clone()), triple_url: None, ..request("b", 20) };
    let mut issuing = Issuing::begin(&store, asked).await.unwrap();
    for issued in issuing.next().await.unwrap().unwrap() {
        let (k, opc) = issued.keys().unwrap();
        let reference = ::milenage::Milenage::new_with_op(*k.expose(), *op.expose());
        assert_eq!(opc.expose(), reference.opc());
        assert!(issued.triple.is_none());
    }
}

fn op(n: u8) -> Key128 {
    Key128::new([n; 16])
}

#[tokio::test]
async fn a_batch_of_one_op_is_not_resumed_with_another_or_none() {
    let (_folder, store) = sqlite().await;
    let asked = |op: Option<Key128>| BatchRequest { op, ..request("b", 10) };
    let mut issuing = Issuing::begin(&store, asked(Some(op(0xa5)))).await.unwrap();
    let lines = take(&mut issuing, 9).await;
    for (other, differs) in [(Some(op(0x5a)), "OP"), (None, "choice between OP and a random OPc")] {
        let refused = Issuing::begin(&store, asked(other)).await.unwrap_err();
        assert!(
            matches!(&refused, IssueError::OtherBatch { what, .. } if *what == differs),
            "{differs}: {refused}"
        );
        for octet in ["a5a5", "5a5a"] {
            assert!(!refused.to_string().contains(octet) && !format!("{refused:?}").contains(octet));
        }
    }
    let mut issuing = Issuing::begin(&store, asked(Some(op(0xa5)))).await.unwrap();
    assert_eq!(take(&mut issuing, 9).await, lines);
}

#[tokio::test]
async fn over_rest_other_terms_are_a_conflict_that_says_which() {
    let (_folder, store) = sqlite().await;
    let issuer = StoreIssuer::new(Arc::new(store));
    let recipient = Identity::generate().public();
    sealed(&issuer, asked_over_rest(10, &recipient)).await;
    let other = IssueRequest { triple_url: None, ..asked_over_rest(10, &recipient) };
    let refused = issuer.issue("tests", other).await.unwrap_err();
    let NotIssued::Conflict(why) = refused else { panic!("{refused}") };
    assert!(why.contains("another call-home URL") && why.contains("choose another name"), "{why}");
}

fn asked_over_rest(count: u64, recipient: &str) -> IssueRequest {
    IssueRequest {
        id: "b".into(),
        first: first(),
        count,
        profile: "default".into(),
        party: None,
        triple_url: Some("https://home.example/call".into()),
        recipient: recipient.into(),
    }
}

/// Everything that the issuer streams.
async fn sealed(issuer: &StoreIssuer, request: IssueRequest) -> Vec<u8> {
    let mut pieces = issuer.issue("tests", request).await.unwrap().lines;
    let mut octets = Vec::new();
    while let Some(piece) = pieces.next().await {
        octets.extend_from_slice(&piece.unwrap());
    }
    octets
}

/// Runs a program of the package `age`.
fn age(program: &str, arguments: &[&str], input: &[u8]) -> std::process::Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; install it: apt-get install age"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // It may have refused already; its status says so.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// An identity file, and its public key.
fn age_keygen(file: &Path) -> String {
    let output = age("age-keygen", &["-o", &file.to_string_lossy()], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(file).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: "));
    public.expect("age-keygen writes the public key as a comment").to_owned()
}

fn opened(file: &Path, sealed: &[u8]) -> Vec<IssuedCredential> {
    let output = age("age", &["-d", "-i", &file.to_string_lossy()], sealed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn twenty_thousand_streamed_from_sqlite_are_opened_by_the_age_program_as_they_are_stored() {
    const COUNT: u64 = 20_000;
    let (folder, store) = sqlite().await;
    let store: Arc<dyn Store> = Arc::new(store);
    let issuer = StoreIssuer::new(store.clone());
    let (supplier, auditor) = (folder.path().join("supplier"), folder.path().join("auditor"));
    let recipients = format!("{} {}", age_keygen(&supplier), age_keygen(&auditor));
    let sealed = sealed(&issuer, asked_over_rest(COUNT, &recipients)).await;

    let issued = opened(&supplier, &sealed);
    assert_eq!(issued.len() as u64, COUNT);
    for (offset, issued) in issued.iter().enumerate() {
        assert_eq!(issued.imsi, first().checked_add(offset as u64).unwrap());
    }
    for offset in [0, 999, 1000, 12_345, 19_999] {
        let stored = store.credential(issued[offset].imsi).await.unwrap().unwrap();
        assert_eq!(line(&IssuedCredential::of(&stored).unwrap()), line(&issued[offset]));
    }
    assert_eq!(stored(&*store).await, COUNT);
    let again: Vec<String> = opened(&auditor, &sealed).iter().map(line).collect();
    assert_eq!(again, issued.iter().map(line).collect::<Vec<_>>(), "each recipient can read it");

    let stranger = folder.path().join("stranger");
    age_keygen(&stranger);
    let output = age("age", &["-d", "-i", &stranger.to_string_lossy()], &sealed);
    assert!(!output.status.success() && output.stdout.is_empty(), "nobody else can");
    let cut = age("age", &["-d", "-i", &supplier.to_string_lossy()], &sealed[..sealed.len() - 1]);
    assert!(!cut.status.success(), "what is cut short is noticed");
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_the_batch_and_gets_it_whole_when_it_asks_again() {
    const COUNT: u64 = 20 * CHUNK as u64;
    let (_folder, store) = sqlite().await;
    let store: Arc<dyn Store> = Arc::new(store);
    let issuer = StoreIssuer::new(store.clone());
    let identity = Identity::generate();
    let mut pieces = issuer.issue("tests", asked_over_rest(COUNT, &identity.public())).await.unwrap().lines;
    pieces.next().await.unwrap().unwrap();
    drop(pieces);
    let mut done = 0;
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let now = stored(&*store).await;
        if now == done {
            break;
        }
        done = now;
    }
    assert!((CHUNK as u64..COUNT).contains(&done), "{done} of {COUNT}: it stops when nobody reads");
    let before = store.credential(first()).await.unwrap().unwrap();
    let sealed = sealed(&issuer, asked_over_rest(COUNT, &identity.public())).await;
    let plain = identity.open(&sealed).unwrap();
    let lines: Vec<&[u8]> = plain.split_inclusive(|octet| *octet == b'\n').collect();
    assert_eq!(lines.len() as u64, COUNT);
    assert_eq!(lines[0], line(&IssuedCredential::of(&before).unwrap()).as_bytes());
}

#[tokio::test]
async fn a_batch_with_triples_is_imported_elsewhere_and_is_the_same_there() {
    let (folder, store) = sqlite().await;
    let issuer = StoreIssuer::new(Arc::new(store));
    let key = folder.path().join("supplier");
    let sealed = sealed(&issuer, asked_over_rest(5, &age_keygen(&key))).await;
    let plain = age("age", &["-d", "-i", &key.to_string_lossy()], &sealed).stdout;
    // As CSV too, with a column for each member.
    let csv = opened(&key, &sealed).iter().fold(
        "imsi,k,opc,amf,triple.url,triple.user,triple.password\n".to_owned(),
        |text, one| {
            let triple = one.triple.as_ref().unwrap();
            let [k, opc, password] = [&one.k, &one.opc, &triple.password].map(|secret| secret.as_str());
            text + &format!("{},{k},{opc},{},{},{},{password}\n", one.imsi, one.amf, triple.url, triple.user)
        },
    );
    for text in [plain, csv.into_bytes()] {
        let (_elsewhere, second) = sqlite().await;
        let options = icf_auc::import::Options::default();
        let format = icf_auc::import::Format::Auto;
        let report = icf_auc::import::run(text.as_slice(), format, &options, &second, |_| {}).await;
        assert!(report.is_complete() && report.stored == 5, "{report:?}");
        for issued in opened(&key, &sealed) {
            let there = second.credential(issued.imsi).await.unwrap().unwrap();
            assert_eq!(line(&IssuedCredential::of(&there).unwrap()), line(&issued));
        }
    }
}
