//! Osmocom's authentication centre as a judge: Milenage by libosmocore, KASME by Python's own HMAC.

use std::{collections::HashMap, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    aka::{Subscriber, Vector},
    programs,
};

fn generate(
    subscriber: &Subscriber,
    amf: &str,
    rand: &[u8; 16],
    more: &[&str],
) -> Result<HashMap<String, String>> {
    let output = Command::new(programs::find("osmo-auc-gen")?)
        .args(["-3", "-a", "MILENAGE", "-k", &hex::encode(subscriber.k), "-o", &hex::encode(subscriber.opc)])
        .args(["-f", amf, "-r", &hex::encode(rand)])
        .args(more)
        .output()?;
    ensure!(output.status.success(), "osmo-auc-gen: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect())
}

/// Holds a vector against libosmocore and the serving network's KASME; returns its SQN.
///
/// # Errors
/// If XRES, AUTN or KASME differ.
pub fn verify(subscriber: &Subscriber, vector: &Vector, plmn: [u8; 3]) -> Result<u64> {
    let amf = hex::encode(&vector.autn[6..8]);
    // With SQN 0 the first half of AUTN is AK itself (TS 33.102 §6.3.2).
    let bare = generate(subscriber, &amf, &vector.rand, &["-s", "0"])?;
    let ak =
        hex::decode(bare.get("AUTN").and_then(|autn| autn.get(..12)).context("osmo-auc-gen gives no AUTN")?)?;
    let sqn = ak.iter().zip(&vector.autn).fold(0, |sqn, (ak, octet)| (sqn << 8) | u64::from(ak ^ octet));
    let full = generate(subscriber, &amf, &vector.rand, &["-s", &sqn.to_string()])?;
    let wanted =
        |name: &str| full.get(name).with_context(|| format!("osmo-auc-gen gives no {name}")).cloned();
    ensure!(wanted("AUTN")? == hex::encode(vector.autn), "AUTN differs from osmo-auc-gen's");
    ensure!(wanted("RES")? == hex::encode(&vector.xres), "XRES differs from osmo-auc-gen's");
    let kasme = kasme(&wanted("CK")?, &wanted("IK")?, plmn, &vector.autn[..6])?;
    ensure!(
        kasme == hex::encode(vector.kasme),
        "KASME is not bound to the Visited-PLMN-Id as TS 33.401 A.2 says"
    );
    Ok(sqn)
}

/// SQN_MS that libosmocore reads from an AUTS.
///
/// # Errors
/// If it does not take the AUTS.
pub fn sqn_ms(subscriber: &Subscriber, rand: &[u8; 16], auts: &[u8; 14]) -> Result<u64> {
    let output = generate(subscriber, "8000", rand, &["-A", &hex::encode(auts)])?;
    let text = output.get("SQN.MS").with_context(|| format!("osmo-auc-gen gives no SQN.MS: {output:?}"))?;
    text.split_whitespace().next().and_then(|number| number.parse().ok()).with_context(|| text.clone())
}

fn kasme(ck: &str, ik: &str, plmn: [u8; 3], sqn_xor_ak: &[u8]) -> Result<String> {
    let output = Command::new(programs::python()?)
        .arg(programs::workspace().join("tests/python/kasme.py"))
        .args([ck, ik, &hex::encode(plmn), &hex::encode(sqn_xor_ak)])
        .output()?;
    ensure!(output.status.success(), "kasme.py: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
