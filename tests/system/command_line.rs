//! `callhome credentials` and its sisters, as people and scripts run them: against a running ICF, and against its
//! database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use harness::{
    aka::{Subscriber, vector},
    callhome,
    icf::{Icf, MME, Settings},
};
use serde_json::Value;

use crate::PLMN;

/// Runs a subcommand as a client of `icf`.
fn client(icf: &Icf, arguments: &[&str]) -> Result<Output> {
    let url = format!("http://127.0.0.1:{}", icf.rest);
    Ok(Command::new(callhome::binary()?)
        .args(arguments)
        .args(["--url", &url])
        .env("CALLHOME_TOKEN", &icf.token)
        .output()?)
}

/// That it succeeds; the lines of JSON it prints.
#[track_caller]
fn json(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// That it fails with this exit code; what it says.
#[track_caller]
fn fails(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.starts_with("error: ") || text.contains("\nerror: "), "{text}");
    text
}

fn file(icf: &Icf, subscribers: &[Subscriber]) -> Result<String> {
    let path = icf.folder().join("lines.ndjson");
    std::fs::write(&path, subscribers.iter().map(|one| one.line() + "\n").collect::<String>())?;
    Ok(path.to_string_lossy().into_owned())
}

#[test]
fn a_credential_is_looked_after_from_the_command_line() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let imsi = subscriber.imsi.clone();
    let listed = json(&client(&icf, &["credentials", "list", "--json"])?);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["imsi"], imsi);
    let table = String::from_utf8(client(&icf, &["credentials", "list"])?.stdout)?;
    assert!(table.starts_with("IMSI") && table.contains(&imsi), "{table}");
    assert_eq!(json(&client(&icf, &["credentials", "block", &imsi, "--json"])?)[0]["state"], "blocked");
    assert_eq!(json(&client(&icf, &["credentials", "unblock", &imsi, "--json"])?)[0]["state"], "active");
    let set =
        ["credentials", "set", &imsi, "--attach-budget", "7", "--expires", "2999-01-01T00:00:00Z", "--json"];
    let changed = &json(&client(&icf, &set)?)[0];
    assert_eq!(
        (&changed["attach_budget"], &changed["expires_at"]),
        (&7.into(), &"2999-01-01T00:00:00Z".into())
    );
    // Of a version that was.
    let stale = ["credentials", "set", &imsi, "--attach-budget", "8", "--if-version", "1"];
    assert!(fails(&client(&icf, &stale)?, 1).contains("changed"));
    assert_eq!(json(&client(&icf, &["credentials", "delete", &imsi, "--json"])?).len(), 0);
    assert!(fails(&client(&icf, &["credentials", "show", &imsi])?, 1).contains(&imsi));
    let log = json(&client(&icf, &["audit", "--json"])?);
    assert_eq!(log[0]["action"], "credentials.delete");
    assert_eq!(log[0]["who"], "tests");
    for listing in ["peers", "events", "audit"] {
        json(&client(&icf, &[listing, "--json"])?);
    }
    for listing in ["profiles", "batches", "registrations", "av-pools"] {
        json(&client(&icf, &[listing, "list", "--json"])?);
    }
    Ok(())
}

#[test]
fn many_credentials_are_imported_over_rest_and_straight_into_the_database() -> Result<()> {
    let mut icf = Icf::new(&Settings::default())?;
    let subscribers = (0..1500).map(Subscriber::random).collect::<Result<Vec<_>>>()?;
    let (first, second) = subscribers.split_at(700);
    // Before the ICF runs for the first time.
    icf.import(first)?;
    icf.start()?;
    let lines = file(&icf, second)?;
    let report = &json(&client(&icf, &["credentials", "import", &lines, "--batch", "lot-1", "--json"])?)[0];
    assert_eq!((&report["stored"], &report["refused"]), (&800.into(), &0.into()));
    assert_eq!(json(&client(&icf, &["credentials", "list", "--limit", "0", "--json"])?).len(), 1500);
    assert_eq!(
        json(&client(&icf, &["credentials", "list", "--batch", "lot-1", "--limit", "0", "--json"])?).len(),
        800
    );
    // What is there is refused, or passed over.
    fails(&client(&icf, &["credentials", "import", &lines])?, 1);
    let again = &json(&client(&icf, &["credentials", "import", &lines, "--skip-existing", "--json"])?)[0];
    assert_eq!((&again["stored"], &again["skipped"]), (&0.into(), &800.into()));
    Ok(())
}

#[test]
fn exit_codes_tell_refusal_usage_and_connection_apart() -> Result<()> {
    let icf = Icf::new(&Settings::default())?;
    let unreachable = fails(&client(&icf, &["credentials", "list"])?, 3);
    assert!(unreachable.contains("--url"), "{unreachable}");
    let mut icf = icf;
    icf.start()?;
    fails(&client(&icf, &["credentials", "show", "999710000000009"])?, 1);
    fails(&client(&icf, &["credentials", "show", "12ab"])?, 2);
    let anonymous = Command::new(callhome::binary()?)
        .args(["credentials", "list", "--url", &format!("http://127.0.0.1:{}", icf.rest)])
        .env_remove("CALLHOME_TOKEN")
        .output()?;
    assert!(fails(&anonymous, 2).contains("--token-file"));
    Ok(())
}

#[test]
fn help_shows_placeholders_as_they_are_typed() -> Result<()> {
    // clap takes {n} for a line's end.
    let output = callhome::run(&["load", "--help"])?;
    ensure!(
        output.contains("'mme{number}.localdomain'") && output.contains("Origin-Host; {number}"),
        "{output}"
    );
    Ok(())
}

/// `callhome … | head`: the reader goes away before everything is written.
#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() -> Result<()> {
    let (icf, _) = Icf::with_one()?;
    let config = icf.config().to_string_lossy().into_owned();
    let core = ["--provisional", "999-71", "--subnet", "10.44.0.0/15"];
    let written = icf.folder().join("fragments").to_string_lossy().into_owned();
    let own = ["open5gs", "config", "--config", &config];
    let given = client(&icf, &[&own[..], &core, &["--out", &written]].concat())?;
    ensure!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    let check = ["open5gs", "check", "--config", &config, "--provisional", "999-71", "--folder", &written];
    for arguments in [
        vec!["config", "default"],
        [&own[..], &core].concat(),
        [&own[..], &core, &["--out", &written]].concat(),
        check.to_vec(),
        [&check[..], &["--json"]].concat(),
        vec!["credentials", "list"],
        vec!["credentials", "list", "--json"],
        vec!["profiles", "show", "default"],
    ] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let mut command = Command::new(callhome::binary()?);
        command.args(&arguments).env("CALLHOME_TOKEN", &icf.token).stdout(writer);
        if arguments[0] != "config" {
            command.args(["--url", &format!("http://127.0.0.1:{}", icf.rest)]);
        }
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        // 141 is that of a program that SIGPIPE has ended.
        assert_eq!((output.status.code(), &*said), (Some(141), ""), "{arguments:?}");
    }
    Ok(())
}

/// Imports a text over REST; what is said, the exit code.
fn import_text(icf: &Icf, name: &str, text: &str, more: &[&str]) -> Result<(String, Option<i32>)> {
    let path = icf.folder().join(name);
    std::fs::write(&path, text)?;
    let path = path.to_string_lossy();
    let output = client(icf, &[&["credentials", "import", &*path][..], more].concat())?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((said, output.status.code()))
}

#[test]
fn what_other_hsss_export_is_imported_or_refused_with_its_line() -> Result<()> {
    let mut icf = Icf::new(&Settings::default())?;
    icf.start()?;
    let all = (0..4).map(Subscriber::random).collect::<Result<Vec<_>>>()?;
    let (k, opc) = (|n: usize| hex::encode(all[n].k), |n: usize| hex::encode(all[n].opc));
    let imsi = |n: usize| &*all[n].imsi;
    // Open5GS: `security` far behind, a fragment of its HSS before and between, a document without keys.
    let documents = format!(
        "{{\"_id\":1,\"imsi\":\"999710000000099\",\"mme_host\":[\"mme\"],\"purge_flag\":[false]}}\n\
         {{\"imsi\":\"{}\",\"ambr\":{{\"downlink\":{{\"value\":2,\"unit\":2}},\"uplink\":{{\"value\":1,\"unit\":2}}}},\
         \"slice\":[{{\"sst\":1,\"pad\":\"{}\",\"session\":[{{\"name\":\"m2m\"}}]}}],\"security\":{{\"k\":\"{}\",\"opc\":\"{}\",\"sqn\":64.0}}}}\n\
         {{\"imsi\":\"999710000000098\",\"slice\":[{{\"sst\":1}}]}}\n",
        imsi(0),
        "x".repeat(20_000),
        k(0),
        opc(0),
    );
    let (said, code) = import_text(&icf, "open5gs.json", &documents, &[])?;
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "line 3: k: is missing (Open5GS: security.k); export the whole document",
        "passed over: 1 document that Open5GS's HSS made by itself",
        "slice.pad (1), slice.sst (1)",
        "type of an APN: IPv4 (1)",
        "3 read, 1 stored, 0 unchanged, 1 passed over, 1 refused",
        "--skip-existing",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // What the document says of the subscription is the credential's.
    let stored = icf.rest_ok("GET", &format!("/v1/credentials/{}", imsi(0)), None)?.json()?;
    assert_eq!(stored["overrides"]["apns"][0]["name"], "m2m", "{stored}");
    assert_eq!(stored["overrides"]["ambr"]["downlink"], 2_000_000, "{stored}");
    let again = [documents.lines().nth(1).unwrap_or_default(), "\n"].concat();
    let (said, code) =
        import_text(&icf, "again.json", &again, &["--skip-existing", "--subscription", "profile"])?;
    assert!(code == Some(0) && said.contains("slice (1)") && said.contains("1 unchanged"), "{said}");
    // An SQN of twelve digits is hexadecimal: the next vector is above it. It is above the floor by time, too, which goes
    // by no more than 3 × 10^9 in a century (TS 33.102 §C.1.1.2).
    let csv = format!("imsi,k,opc,sqn\n{},{},{},010000001234\n", imsi(1), k(1), opc(1));
    assert_eq!(import_text(&icf, "s12.csv", &csv, &["--dry-run"])?.1, Some(0));
    let (said, code) = import_text(&icf, "s12.csv", &csv, &[])?;
    assert_eq!(code, Some(0), "{said}");
    let mut mme = icf.connect(MME)?;
    let answer = mme.air(imsi(1), PLMN, 1, None)?;
    let sqn = all[1].sqn(&vector(&answer)?)?;
    assert!(sqn > 0x0100_0000_1234 && sqn < 0x0100_0000_1234 + (1 << 12), "{sqn:x}");
    // A list of card data; what it has besides is named, and which column was K.
    let cards = format!("IMSI;ICCID;PIN1;Ki;OPC\r\n{};8999;0000;{};{}\r\n", imsi(2), k(2), opc(2));
    let (said, code) = import_text(&icf, "cards.csv", &cards, &[])?;
    assert!(code == Some(0) && said.contains("Ki as k") && said.contains("ICCID (1), PIN1 (1)"), "{said}");
    // The column of what is wrong; and an address that no pool has.
    let wrong = format!("imsi,k,opc,ip\n{},{},{},192.0.2.1\n", imsi(3), k(3), opc(3));
    let (said, code) = import_text(&icf, "wrong.csv", &wrong, &[])?;
    assert!(
        code == Some(1) && said.contains("line 2, column 4: ip: 192.0.2.1 is not an address of the pool"),
        "{said}"
    );
    assert_eq!(import_text(&icf, "wrong.csv", &wrong, &["--allow-other-addresses"])?.1, Some(0));
    Ok(())
}

#[test]
fn a_batch_that_cannot_be_written_down_or_leaves_its_network_is_not_issued() -> Result<()> {
    let mut icf = Icf::new(&Settings::default())?;
    icf.start()?;
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let out = |name: &str| icf.folder().join(name).to_string_lossy().into_owned();
    let issue = |first: &str, count: &str, out: &str, more: &[&str]| {
        let issue = [
            "batches",
            "issue",
            "lot",
            "--first",
            first,
            "--count",
            count,
            "--recipient",
            recipient,
            "--out",
            out,
        ];
        client(&icf, &[&issue[..], more].concat())
    };
    let batches = || Ok::<_, anyhow::Error>(json(&client(&icf, &["batches", "list", "--json"])?).len());
    std::fs::write(out("there"), "")?;
    for (to, wanted) in
        [("nowhere/lot.age", "cannot be written"), ("there", "is there already"), (".", "--out")]
    {
        let said = fails(&issue("999710000000001", "2", &out(to), &[])?, 2);
        assert!(said.contains(wanted) && said.contains("nothing was issued"), "{said}");
    }
    let said = fails(&issue("999719999999999", "2", &out("lot.age"), &[])?, 1);
    assert!(said.contains("999720000000000"), "{said}");
    assert_eq!(batches()?, 0);
    assert!(!icf.folder().join("lot.age.part").exists());
    let allowed = issue("999719999999999", "2", &out("lot.age"), &["--allow-other-networks"])?;
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    assert_eq!(batches()?, 1);
    Ok(())
}
