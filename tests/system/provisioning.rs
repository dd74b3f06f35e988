//! From a file of credentials to a device that authenticates.

use anyhow::{Result, ensure};
use harness::{
    aka::{self, Subscriber},
    callhome,
    icf::{Icf, MME, Settings},
    osmo,
};

use crate::PLMN;

#[test]
fn imported_credentials_authenticate_whether_the_icf_ran_meanwhile_or_not() -> Result<()> {
    let subscribers: Vec<Subscriber> = (1..=20).map(Subscriber::random).collect::<Result<_>>()?;
    let (before, meanwhile) = subscribers.split_at(10);
    let mut icf = Icf::new(&Settings::default())?;
    icf.import(before)?;
    icf.start()?;
    let mut peer = icf.connect(MME)?;
    // Asked for before it is there: what the ICF remembers of that must not outlive the import for long.
    ensure!(aka::vector(&peer.air(&meanwhile[0].imsi, PLMN, 1, None)?).is_err());
    icf.import(meanwhile)?;
    for subscriber in &subscribers {
        let vector = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
        osmo::verify(subscriber, &vector, PLMN)?;
    }
    Ok(())
}

#[test]
fn a_wrong_line_is_named_with_its_reason_and_without_its_key() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::new(&Settings::default())?;
    let file = icf.folder().join("wrong.ndjson");
    let wrong = subscriber.line().replace(&subscriber.imsi, "99971");
    std::fs::write(&file, format!("{}\n{wrong}\n", subscriber.line()))?;
    let (file, config) = (file.display().to_string(), icf.config().display().to_string());
    let Err(refused) = callhome::run(&["credentials", "import", &file, "--config", &config]) else {
        anyhow::bail!("an IMSI of five digits was imported")
    };
    let said = format!("{refused:#}");
    ensure!(said.contains("line 2") || said.contains(":2"), "the line is not named: {said}");
    ensure!(!said.contains(&hex::encode(subscriber.k)), "the key is repeated: {said}");
    Ok(())
}
