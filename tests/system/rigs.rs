//! Whether the rigs themselves would notice a mistake: a judge that never objects judges nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{
    aka::{Subscriber, Vector},
    osmo,
    wire::{Avp, Message, flag},
};

/// Test set 1 of TS 35.208 §4.3 with SQN and AMF of its own, for PLMN 999-71.
fn known_vector() -> Result<(Subscriber, Vector)> {
    let octets = |hex: &str| hex::decode(hex).map_err(anyhow::Error::from);
    let array = |hex: &str| -> Result<[u8; 16]> { Ok(octets(hex)?.as_slice().try_into()?) };
    let subscriber = Subscriber {
        imsi: "999710000000001".into(),
        k: array("465b5ce8b199b49faa5f0a2ee238a6bc")?,
        opc: array("cd63cb71954a9f4e48a5994e37a02baf")?,
    };
    let vector = Vector {
        rand: array("23553cbe9637a89d218ae64dae47bf35")?,
        xres: octets("a54211d5e3ba50bf")?,
        // SQN ff9bb4d0b607 ⊕ AK aa689c648370; MAC-A of the set.
        autn: array("55f328b43577b9b94a9ffac354dfafb3")?,
        kasme: [0; 32],
    };
    Ok((subscriber, vector))
}

#[test]
fn osmo_auc_gen_and_the_usim_read_the_sqn_of_ts_35_208_set_1() -> Result<()> {
    let (subscriber, vector) = known_vector()?;
    ensure!(subscriber.sqn(&vector)? == 0xff9b_b4d0_b607);
    let refused = osmo::verify(&subscriber, &vector, [0x99, 0xf9, 0x17]);
    // Everything but KASME is right, and that is what is said.
    ensure!(refused.is_err_and(|error| error.to_string().contains("KASME")));
    Ok(())
}

#[test]
fn osmo_auc_gen_objects_to_a_wrong_xres_and_to_a_wrong_autn() -> Result<()> {
    let (subscriber, mut vector) = known_vector()?;
    vector.xres[7] ^= 1;
    ensure!(
        osmo::verify(&subscriber, &vector, [0x99, 0xf9, 0x17]).is_err_and(|e| e.to_string().contains("XRES"))
    );
    vector.autn[15] ^= 1;
    ensure!(
        osmo::verify(&subscriber, &vector, [0x99, 0xf9, 0x17]).is_err_and(|e| e.to_string().contains("AUTN"))
    );
    ensure!(subscriber.sqn(&vector).is_err());
    Ok(())
}

#[test]
fn osmo_auc_gen_reads_the_auts_of_the_usim() -> Result<()> {
    let (subscriber, vector) = known_vector()?;
    let auts = subscriber.auts(&vector, 0x1234_5678_9a05)?;
    ensure!(osmo::sqn_ms(&subscriber, &vector.rand, &auts)? == 0x1234_5678_9a05);
    let mut forged = auts;
    forged[13] ^= 1;
    ensure!(osmo::sqn_ms(&subscriber, &vector.rand, &forged).is_err());
    Ok(())
}

#[test]
fn the_raw_peer_encodes_what_it_decodes() -> Result<()> {
    let message = Message {
        flags: flag::REQUEST | flag::PROXIABLE,
        command: 318,
        application: harness::s6a::S6A,
        hop_by_hop: 7,
        end_to_end: 8,
        avps: vec![Avp::base(1, "999710000000001"), Avp::tgpp(1407, [0x99, 0xf9, 0x17])],
    };
    let octets = message.encode();
    ensure!(octets.len().is_multiple_of(4) && Message::decode(&octets)? == message);
    ensure!(Message::decode(&octets[..octets.len() - 4]).is_err());
    Ok(())
}

#[test]
fn a_child_that_ends_is_noticed_with_its_last_words() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo no such luck; exit 3"]);
    let mut child = harness::child::Child::start("sh", command, &folder.path().join("log"))?;
    let refused = child.wait_for("luck", Duration::from_secs(10), |log| log.contains("such much luck"));
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("no such luck")));
    Ok(())
}
