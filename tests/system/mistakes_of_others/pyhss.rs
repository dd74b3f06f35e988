//! PyHSS 2.0.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use harness::{
    aka::{self, Subscriber},
    child::Child,
    http,
    icf::{HOST, Icf, MME, Settings},
    peer::Peer,
    s6a::ULR,
    wire::{Outcome, SUCCESS, flag},
};
use serde_json::json;

use crate::PLMN;

/// It never compares MAC-S.
#[test]
fn pyhss_forged_auts_resets_nothing() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let first = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
    let before = subscriber.sqn(&first)?;
    for sqn_ms in [before + (1 << 30), 1 << 5] {
        let mut auts = subscriber.auts(&first, sqn_ms)?;
        auts[13] ^= 1;
        let answer = peer.air(&subscriber.imsi, PLMN, 1, Some(&first.resync(&auts)))?;
        ensure!(answer.result()? != SUCCESS, "a forged AUTS was taken");
    }
    let after = subscriber.sqn(&aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?)?;
    ensure!(after > before && after - before < 100 << 5, "SQN went from {before:012x} to {after:012x}");
    Ok(())
}

/// It takes any peer.
#[test]
fn pyhss_unknown_peer_is_refused() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut stranger = Peer::introduce(icf.diameter, &icf.route("stranger.localdomain"))?;
    // DIAMETER_UNKNOWN_PEER, in the form of a protocol error (RFC 6733 §5.3, §7.1.3).
    ensure!(stranger.capabilities.result()? == Outcome::Base(3010), "{:?}", stranger.capabilities);
    ensure!(stranger.capabilities.flags & flag::ERROR != 0, "3010 without the E bit");
    let answer = stranger.air(&subscriber.imsi, PLMN, 1, None);
    ensure!(answer.is_err(), "a stranger got {answer:?}");
    Ok(())
}

/// It counts every network of the same country as home.
#[test]
fn pyhss_same_mcc_is_not_home() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut profile = icf.rest_ok("GET", "/v1/profiles/default", None)?.json()?;
    profile["allowed_plmns"] = json!({"only": ["99970"]});
    icf.rest_ok("PUT", "/v1/profiles/default", Some(&profile))?;
    let mut peer = icf.connect(MME)?;
    ensure!(peer.air(&subscriber.imsi, PLMN, 1, None)?.result()? == SUCCESS, "999-70 is allowed");
    for other in [[0x99, 0xf9, 0x17], [0x99, 0x09, 0x07], [0x00, 0xf1, 0x10]] {
        let result = peer.air(&subscriber.imsi, other, 1, None)?.result()?;
        // DIAMETER_ERROR_ROAMING_NOT_ALLOWED (TS 29.272 §7.4.3.4).
        ensure!(result == Outcome::Experimental(5004), "{} is answered {result:?}", hex::encode(other));
    }
    Ok(())
}

/// It sends ULA with the command code of AIA.
#[test]
fn pyhss_ula_has_the_command_code_of_ula() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    for imsi in [subscriber.imsi.as_str(), "999719999999999"] {
        let answer = peer.ulr(imsi, PLMN)?;
        ensure!(answer.command == ULR && answer.flags & flag::REQUEST == 0, "{answer:?}");
    }
    Ok(())
}

/// Its batches are one vector over and over.
#[test]
fn pyhss_batch_repeats_no_vector() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let settings = Settings { max_vectors: 5, ..Settings::default() };
    let icf = Icf::with(&settings, std::slice::from_ref(&subscriber))?;
    let mut peer = icf.connect(MME)?;
    let vectors = aka::vectors(&peer.air(&subscriber.imsi, PLMN, 5, None)?)?;
    ensure!(vectors.len() == 5, "{} vectors", vectors.len());
    let rands: HashSet<_> = vectors.iter().map(|vector| vector.rand).collect();
    let autns: HashSet<_> = vectors.iter().map(|vector| vector.autn).collect();
    ensure!(rands.len() == 5 && autns.len() == 5);
    Ok(())
}

/// It takes a PUR from any MME.
#[test]
fn pyhss_pur_from_another_mme_changes_nothing() -> Result<()> {
    let peers = vec![MME.into(), "other.localdomain".into()];
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::with(&Settings { peers, ..Settings::default() }, std::slice::from_ref(&subscriber))?;
    let (mut here, mut there) = (icf.connect(MME)?, icf.connect("other.localdomain")?);
    ensure!(here.ulr(&subscriber.imsi, PLMN)?.result()? == SUCCESS);
    let path = format!("/v1/registrations/{}", subscriber.imsi);
    let before = icf.rest_ok("GET", &path, None)?;
    there.pur(&subscriber.imsi)?;
    let after = icf.rest_ok("GET", &path, None)?;
    ensure!(before.body == after.body, "before {}, after {}", before.body, after.body);
    ensure!(here.pur(&subscriber.imsi)?.result()? == SUCCESS);
    let gone = icf.rest("GET", &path, None)?;
    ensure!(gone.status == 404 || gone.body != before.body, "the serving node's own PUR changed nothing");
    Ok(())
}

/// Every way in which sixteen octets might have been printed.
fn spellings(octets: &[u8]) -> Vec<String> {
    let hex = hex::encode(octets);
    let list: Vec<String> = octets.iter().map(u8::to_string).collect();
    let pairs =
        |separator: &str| octets.iter().map(|o| format!("{o:02x}")).collect::<Vec<_>>().join(separator);
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(octets);
    vec![hex.to_uppercase(), hex, list.join(", "), list.join(","), pairs(":"), pairs(" "), base64]
}

/// It writes K and OPc into its debug log.
#[test]
fn pyhss_no_key_in_debug_logs_metrics_or_answers() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let settings = Settings { log: "trace", ..Settings::default() };
    let mut icf = Icf::with(&settings, std::slice::from_ref(&subscriber))?;
    let mut peer = icf.connect(MME)?;
    let vector = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
    peer.ulr(&subscriber.imsi, PLMN)?;
    let auts = subscriber.auts(&vector, subscriber.sqn(&vector)? + (1 << 20))?;
    peer.air(&subscriber.imsi, PLMN, 1, Some(&vector.resync(&auts)))?;
    peer.air(&subscriber.imsi, PLMN, 1, Some(&vector.resync(&[0; 14])))?;
    let created = Subscriber::random(2)?;
    let body: serde_json::Value = serde_json::from_str(&created.line())?;
    let mut said = vec![icf.rest_ok("POST", "/v1/credentials", Some(&body))?.body];
    // What is refused must not be repeated either.
    let mut wrong = body.clone();
    wrong["imsi"] = json!("no imsi");
    said.push(icf.rest("POST", "/v1/credentials", Some(&wrong))?.body);
    said.push(icf.rest("POST", "/v1/credentials", Some(&body))?.body);
    for path in ["/v1/credentials", &format!("/v1/credentials/{}", subscriber.imsi), "/metrics", "/v1/audit"]
    {
        said.push(icf.rest("GET", path, None)?.body);
    }
    icf.stop()?;
    let log = icf.log();
    ensure!(
        log.len() > 2000 && log.contains(&subscriber.imsi),
        "the log says too little to prove anything:\n{log}"
    );
    said.push(log);
    let token = icf.token.clone();
    for text in &said {
        for (name, octets) in
            [("K", &subscriber.k), ("OPc", &subscriber.opc), ("K", &created.k), ("OPc", &created.opc)]
        {
            for spelling in spellings(octets) {
                ensure!(!text.contains(&spelling), "{name} is in:\n{text}");
            }
        }
        ensure!(!text.contains(&token), "the token is in:\n{text}");
    }
    // Nor are they in the database in the clear.
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(icf.folder())? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("icf.db")) {
            stored.extend(std::fs::read(path)?);
        }
    }
    ensure!(!stored.is_empty(), "no database file was found");
    for octets in [&subscriber.k, &subscriber.opc] {
        ensure!(!stored.windows(16).any(|window| window == octets), "a key is in the database in the clear");
    }
    Ok(())
}

/// Its provisioning asks for nothing.
#[test]
fn pyhss_provisioning_is_not_open() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let description = icf.rest_ok("GET", "/openapi.json", None)?.json()?;
    let paths = description["paths"].as_object().context("no paths")?;
    let mut asked = 0;
    for (path, operations) in paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
        let path = path.replace("{imsi}", &subscriber.imsi).replace("{name}", "default").replace("{id}", "1");
        for method in operations.as_object().into_iter().flat_map(serde_json::Map::keys) {
            let method = method.to_uppercase();
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            for token in [None, Some("0123456789abcdef0123456789abcdef")] {
                let body = json!({});
                let answer = http::request(icf.rest, &method, &path, token, Some(&body), &[])?;
                ensure!(answer.status == 401, "{method} {path} with {token:?} is answered {}", answer.status);
                asked += 1;
            }
        }
    }
    ensure!(asked > 20, "only {asked} operations in /openapi.json");
    Ok(())
}

/// A server without tokens would be open: there is none.
#[test]
fn pyhss_provisioning_without_tokens_does_not_start() -> Result<()> {
    let icf = Icf::new(&Settings::default())?;
    let config: String = std::fs::read_to_string(icf.config())?
        .lines()
        .filter(|line| !line.starts_with("tokens ="))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(icf.config(), config)?;
    let mut command = std::process::Command::new(harness::callhome::binary()?);
    command.arg("icf").arg("--config").arg(icf.config());
    let mut child = Child::start(HOST, command, &icf.folder().join("refused.log"))?;
    let status = child.wait(Duration::from_secs(20))?;
    ensure!(!status.success() && child.log().contains("token"), "{status}: {}", child.log());
    Ok(())
}
