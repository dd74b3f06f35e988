//! `callhome open5gs` beside a running ICF: what it writes for a core, and what it says of one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    thread,
};

use anyhow::Result;
use harness::{
    aka::Subscriber,
    callhome,
    icf::{HOST, Icf, MME, Settings},
    ports, programs,
};
use serde_json::Value;

/// Runs `callhome open5gs` with a token for `icf`.
fn open5gs(icf: &Icf, rest: u16, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(callhome::binary()?)
        .arg("open5gs")
        .args(arguments)
        .args(["--config", &icf.config().to_string_lossy(), "--provisional", "999-71"])
        .args(["--url", &format!("http://127.0.0.1:{rest}")])
        .env("CALLHOME_TOKEN", &icf.token)
        .output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The findings that are not good, by their check.
fn bad(output: &Output) -> Vec<String> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    findings
        .filter(|one| one["verdict"] != "good")
        .map(|one| one["check"].as_str().unwrap().to_owned())
        .collect()
}

fn profile_of(icf: &Icf) -> Result<Value> {
    Ok(serde_json::from_str(&icf.rest_ok("GET", "/v1/profiles/default", None)?.body)?)
}

/// The fragments make up a whole core here: each file with its section only.
fn write_core(icf: &Icf, folder: &Path) -> Result<()> {
    let output = open5gs(
        icf,
        icf.rest,
        // The pool of a test's ICF fills 10.45.0.0/16.
        &[
            "config",
            "--subnet",
            "10.44.0.0/15",
            "--mme-address",
            "127.0.0.2",
            "--whole",
            "--out",
            &folder.to_string_lossy(),
        ],
    )?;
    assert!(output.status.success(), "{}", said(&output));
    Ok(())
}

#[test]
fn a_core_that_was_given_the_fragments_is_found_right_by_check() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let core = tempfile::tempdir()?;
    write_core(&icf, core.path())?;
    let folder = core.path().to_string_lossy().into_owned();
    let conf = core.path().join("mme.conf").to_string_lossy().into_owned();
    let check = ["check", "--folder", &folder, "--mme-conf", &conf];

    // Not connected yet: one thing is wrong.
    let json = [&check[..], &["--json"]].concat();
    let output = open5gs(&icf, icf.rest, &json)?;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(bad(&output).contains(&"connected".to_owned()), "{}", said(&output));
    assert!(!bad(&output).contains(&"policy".to_owned()), "{}", said(&output));

    let _peer = icf.connect(MME)?;
    let output = open5gs(&icf, icf.rest, &check)?;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("nothing is wrong"), "{}", said(&output));
    assert!(said(&output).contains(&format!("{MME} is open")), "{}", said(&output));

    // A profile that changed after the core was configured.
    let mut profile = profile_of(&icf)?;
    profile["apns"][0]["name"] = "iot".into();
    icf.rest_ok("PUT", "/v1/profiles/default", Some(&profile))?;
    let output = open5gs(&icf, icf.rest, &json)?;
    assert_eq!(output.status.code(), Some(1));
    assert!(bad(&output).contains(&"policy-apn".to_owned()), "{}", said(&output));

    // What was issued is looked at: an IMSI that the policy leaves out.
    let pcrf = core.path().join("pcrf.yaml");
    let text =
        std::fs::read_to_string(&pcrf)?.replace("        - 999710000000000-", "        - 999715000000000-");
    std::fs::write(&pcrf, text)?;
    let output = open5gs(&icf, icf.rest, &check)?;
    assert!(said(&output).contains(&format!("no supi_range holds {}", subscriber.imsi)), "{}", said(&output));
    Ok(())
}

#[test]
fn config_takes_profiles_from_the_running_icf_and_says_so() -> Result<()> {
    let (icf, _) = Icf::with_one()?;
    let mut profile = profile_of(&icf)?;
    profile["apns"][0]["name"] = "iot".into();
    profile["address_pool"] = "10.99.0.0/16".into();
    icf.rest_ok("PUT", "/v1/profiles/default", Some(&profile))?;
    let output = open5gs(&icf, icf.rest, &["config", "--json"])?;
    let fragments: Value = serde_json::from_slice(&output.stdout)?;
    let of = |file: &str| {
        let found = fragments.as_array().unwrap().iter().find(|one| one["file"] == file);
        found.unwrap_or_else(|| panic!("no {file}: {}", said(&output))).clone()
    };
    assert!(of("pcrf.yaml")["text"].as_str().unwrap().contains("- name: iot\n"));
    let sources = of("pcrf.yaml")["values"].to_string();
    assert!(sources.contains("profile default (REST)"), "{sources}");
    assert!(of("smf.yaml")["text"].as_str().unwrap().contains("subnet: 10.98.0.0/15"));
    assert!(of("mme.conf")["text"].as_str().unwrap().contains(&format!("ConnectPeer = \"{HOST}\"")));
    Ok(())
}

#[test]
fn exit_codes_tell_wrong_use_and_an_icf_out_of_reach_apart() -> Result<()> {
    let (icf, _) = Icf::with_one()?;
    let nowhere = open5gs(&icf, icf.rest, &["check"])?;
    assert_eq!(nowhere.status.code(), Some(2), "{}", said(&nowhere));
    let absent = open5gs(&icf, icf.rest, &["check", "--mme-yaml", "/nonexistent/mme.yaml"])?;
    assert_eq!(absent.status.code(), Some(2), "{}", said(&absent));
    let core = tempfile::tempdir()?;
    let broken = core.path().join("mme.yaml");
    std::fs::write(&broken, "mme:\n  hss_map: [\n")?;
    // One that is there and cannot be read is a finding among others.
    let unread = open5gs(&icf, icf.rest, &["check", "--mme-yaml", &broken.to_string_lossy()])?;
    assert_eq!(unread.status.code(), Some(1), "{}", said(&unread));
    assert!(
        said(&unread).contains("mme.yaml:") && said(&unread).contains("max-vectors"),
        "{}",
        said(&unread)
    );
    // None of what follows is a verdict on the core.
    let configured = |config: &str, token: &str, what: &[&str]| -> Result<Output> {
        Ok(Command::new(callhome::binary()?)
            .arg("open5gs")
            .args(what)
            .args(["--config", config, "--provisional", "999-71"])
            .args(["--url", &format!("http://127.0.0.1:{}", icf.rest)])
            .env("CALLHOME_TOKEN", token)
            .output()?)
    };
    std::fs::write(&broken, "mme:\n  hss_map: []\n")?;
    let mme = broken.to_string_lossy().into_owned();
    for what in [&["config"][..], &["check", "--mme-yaml", &mme]] {
        let absent = configured("/nonexistent/icf.toml", &icf.token, what)?;
        assert_eq!(absent.status.code(), Some(2), "{}", said(&absent));
        assert!(said(&absent).contains("/nonexistent/icf.toml"), "{}", said(&absent));
        let config = icf.config().to_string_lossy().into_owned();
        let stranger = configured(&config, &format!("chm_{}", "0".repeat(43)), what)?;
        assert_eq!(stranger.status.code(), Some(3), "{}", said(&stranger));
        assert!(said(&stranger).contains("token"), "{}", said(&stranger));
        let unreached = open5gs(&icf, ports::free()?, what)?;
        assert_eq!(unreached.status.code(), Some(3), "{}", said(&unreached));
    }
    let devices = [
        "config",
        "--subnet",
        "10.44.0.0/15",
        "--out",
        &mme.replace("mme.yaml", "out"),
        "--ue",
        "/nonexistent/devices",
    ];
    let unread = open5gs(&icf, icf.rest, &devices)?;
    assert_eq!(unread.status.code(), Some(2), "{}", said(&unread));
    Ok(())
}

/// A network for both kinds of IMSI: the HSS's file is looked at, and the running ICF asked whether it is there.
#[test]
fn check_looks_at_the_relay_and_at_the_hss_behind_it() -> Result<()> {
    const HSS: &str = "hss.localdomain";
    let relay = "\n[relay]\nhss = \"hss.localdomain\"\nrealm = \"localdomain\"\nprefixes = [\"99971\"]\n\
                 ours = [\"999710000000000-999710000999999\"]\n";
    let settings = Settings { peers: vec![MME.into(), HSS.into()], icf: relay, ..Settings::default() };
    let icf = Icf::with(&settings, &[Subscriber::random(1)?])?;
    let core = tempfile::tempdir()?;
    write_core(&icf, core.path())?;
    let path = |name: &str| core.path().join(name).to_string_lossy().into_owned();
    let hss = |peer: &str| {
        let text = format!(
            "Identity = \"{HSS}\";\nRealm = \"localdomain\";\nConnectPeer = \"{peer}\" {{ No_TLS; }};\n"
        );
        std::fs::write(path("hss.conf"), text)
    };
    std::fs::write(path("hss.yaml"), format!("hss:\n  freeDiameter: {}\n", path("hss.conf")))?;
    hss(HOST)?;
    let folder = core.path().to_string_lossy().into_owned();
    let conf = path("mme.conf");
    let check = || {
        let arguments = ["check", "--folder", &folder, "--mme-conf", &conf, "--json"];
        open5gs(&icf, icf.rest, &[&arguments[..], &["--range", "999710000000000-999710000999999"]].concat())
    };
    let _mme = icf.connect(MME)?;
    let output = check()?;
    let wrong: Vec<String> = bad(&output).into_iter().filter(|check| check.starts_with("relay-")).collect();
    assert_eq!(
        (wrong, output.status.code()),
        (vec!["relay-connected".to_owned()], Some(1)),
        "{}",
        said(&output)
    );
    let _hss = icf.connect(HSS)?;
    let output = check()?;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let lines = said(&output);
    for name in ["keys", "peer", "connected", "hss", "ours", "map", "prefixes", "direct"] {
        assert!(lines.contains(&format!("\"relay-{name}\"")), "no relay-{name}: {lines}");
    }
    assert!(!bad(&output).iter().any(|check| check.starts_with("relay-")), "{lines}");
    hss("mme.localdomain")?;
    let output = check()?;
    assert!(bad(&output).contains(&"relay-hss".to_owned()), "{}", said(&output));
    assert!(said(&output).contains("hss.conf"), "{}", said(&output));
    Ok(())
}

/// An MME's Prometheus server: one answer after the other, each to one request for /metrics, then no more.
fn mme_metrics(answers: Vec<String>) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || -> Result<()> {
        for answer in answers {
            let (mut stream, _) = listener.accept()?;
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            let asked = lines.next().transpose()?.unwrap_or_default();
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let answer = if asked == "GET /metrics HTTP/1.1" { answer } else { http("404 Not Found", "") };
            stream.write_all(answer.as_bytes())?;
        }
        Ok(())
    });
    Ok(port)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// `--metrics`: the MME is asked where its own file says, and the ICF beside it over REST.
#[test]
fn check_asks_the_mme_for_its_metrics_where_its_file_says_they_are() -> Result<()> {
    let (icf, _) = Icf::with_one()?;
    let core = tempfile::tempdir()?;
    write_core(&icf, core.path())?;
    let _peer = icf.connect(MME)?;
    let (folder, conf) = (core.path().to_string_lossy(), core.path().join("mme.conf"));
    let yaml = core.path().join("mme.yaml");
    let without = std::fs::read_to_string(&yaml)?;
    let check = |server: Option<u16>| -> Result<(Value, Output)> {
        let more = server.map(|port| {
            format!("  metrics:\n    server:\n      - address: 127.0.0.1\n        port: {port}\n")
        });
        std::fs::write(&yaml, without.clone() + &more.unwrap_or_default())?;
        let conf = conf.to_string_lossy();
        let arguments = ["check", "--folder", &folder, "--mme-conf", &conf, "--metrics", "--json"];
        let output = open5gs(&icf, icf.rest, &arguments)?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let one = findings.into_iter().find(|one| one["check"] == "metrics");
        Ok((one.unwrap_or_else(|| panic!("{}", said(&output))), output))
    };

    let (one, output) = check(None)?;
    assert_eq!((&one["verdict"], output.status.code()), (&"unseen".into(), Some(0)), "{one}");
    assert_eq!(one["remedy"], "there is no section metrics with a server");

    // As Open5GS's MME writes them.
    let text = "# HELP enb eNodeBs\n# TYPE enb gauge\nenb 1\n\n# HELP mme_session MME Sessions\n# TYPE mme_session gauge\n\
                mme_session 2\n";
    let port = mme_metrics(vec![
        http("200 OK", text),
        http("200 OK", "<html>hello</html>"),
        http("503 Service Unavailable", text),
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n# TYPE enb gauge\n".to_owned(),
    ])?;
    let url = format!("http://127.0.0.1:{port}/metrics");
    let (one, output) = check(Some(port))?;
    assert_eq!((&one["verdict"], &one["place"]), (&"good".into(), &url.as_str().into()), "{one}");
    assert_eq!(one["found"], "the MME answers: 1 eNB, 2 sessions");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for says in [
        "answers something else than metrics",
        "answers 503 Service Unavailable",
        "stops in the middle of its answer",
        // Its four answers are given: it has gone.
        "gives no answer",
    ] {
        let (one, output) = check(Some(port))?;
        assert_eq!((&one["verdict"], &one["found"]), (&"wrong".into(), &says.into()), "{one}");
        assert_eq!((&one["place"], output.status.code()), (&url.as_str().into(), Some(1)), "{one}");
        assert!(one["remedy"].as_str().unwrap().starts_with("is the MME running"), "{one}");
    }
    // The ICF's own, which want a token, are not the MME's.
    let (one, _) = check(Some(icf.rest))?;
    assert_eq!(
        (&one["verdict"], &one["found"]),
        (&"wrong".into(), &"answers 401 Unauthorized".into()),
        "{one}"
    );
    Ok(())
}

/// Keys go into a file of their owner, and nowhere else.
#[test]
fn ue_conf_is_written_for_a_device_and_its_keys_are_printed_nowhere() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let credentials = folder.path().join("devices.ndjson");
    std::fs::write(&credentials, subscriber.line() + "\n")?;
    let (out, devices) = (folder.path().join("out"), credentials.to_string_lossy().into_owned());
    let out_text = out.to_string_lossy().into_owned();
    let arguments = [
        "config",
        "--subnet",
        "10.44.0.0/15",
        "--out",
        &out_text,
        "--ue",
        &devices,
        "--imsi",
        &subscriber.imsi,
    ];
    let output = open5gs(&icf, icf.rest, &arguments)?;
    assert!(output.status.success(), "{}", said(&output));
    let key = hex::encode(subscriber.k);
    assert!(std::fs::read_to_string(out.join("ue.conf"))?.contains(&format!("k = {key}\n")));
    assert!(!said(&output).contains(&key));
    let printed = open5gs(&icf, icf.rest, &["config", "--ue", &devices])?;
    assert_eq!(printed.status.code(), Some(2), "keys are not printed: {}", said(&printed));
    Ok(())
}

/// What the harness looks for first, what a scenario leaves to the next, how fast the crowd comes, where the report is:
/// with daemons that only have the names of Open5GS's.
#[test]
fn the_harness_for_a_whole_core_does_what_its_own_tests_say() -> Result<()> {
    let output = Command::new(programs::python()?)
        .args(["-B", "tests/python/test_lab.py"])
        .current_dir(programs::workspace())
        .output()?;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("Ran 16 tests"), "{}", said(&output));
    Ok(())
}

/// The harness that runs a whole core: what it says where there is none. Each of its scenarios is loaded for that.
#[test]
fn the_harness_says_what_it_misses() -> Result<()> {
    let harness = |words: &[&str]| -> Result<Output> {
        Ok(Command::new(programs::python()?)
            .args(["-B", "open5gs-integration/lab", "--callhome", &callhome::binary()?.to_string_lossy()])
            .args(words)
            .current_dir(programs::workspace())
            .env_remove("OPEN5GS")
            .env_remove("SRSRAN")
            .output()?)
    };
    let output = harness(&["--open5gs", "/nowhere"])?;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for word in ["/nowhere/bin", "open5gs-mmed", "open5gs-upfd", "OPEN5GS="] {
        assert!(said(&output).contains(word), "no {word}: {}", said(&output));
    }
    // A core that is there only by its names.
    let prefix = tempfile::tempdir()?;
    std::fs::create_dir(prefix.path().join("bin"))?;
    for daemon in ["mme", "hss", "pcrf", "sgwc", "sgwu", "smf", "upf"] {
        std::fs::write(prefix.path().join(format!("bin/open5gs-{daemon}d")), "")?;
    }
    let folder = prefix.path().to_owned();
    let prefix = prefix.path().display().to_string();
    for (words, remedy) in [
        (vec!["--scenario", "srsran"], "SRSRAN=… says where srsRAN 4G is installed"),
        (vec!["--scenario", "srsran", "--srsran", "/nowhere"], "/nowhere has no srsenb, no srsue"),
        (vec!["--scenario", "nothing"], "invalid choice: 'nothing'"),
        (vec!["--scenario", "causes"], "has no freeDiameter/dict_rfc5777.fdx"),
    ] {
        let output = harness(&[&["--open5gs", &prefix], &words[..]].concat())?;
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(remedy), "{words:?}: {}", said(&output));
    }
    // python-diameter is missed before anything is started.
    let extensions = folder.join("lib/freeDiameter");
    std::fs::create_dir_all(&extensions)?;
    for name in ["rfc5777", "mip6i", "nasreq", "nas_mipv6", "dcca", "dcca_3gpp"] {
        std::fs::write(extensions.join(format!("dict_{name}.fdx")), "")?;
    }
    let out = folder.join("out").display().to_string();
    let words = ["--open5gs", &prefix, "--scenario", "answers", "--python", "/bin/false", "--out", &out];
    let output = harness(&words)?;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for word in ["python-diameter", "tests/run --prepare", "--python"] {
        assert!(said(&output).contains(word), "no {word}: {}", said(&output));
    }
    assert!(!Path::new(&out).exists());
    Ok(())
}
