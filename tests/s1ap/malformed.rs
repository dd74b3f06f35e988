//! What no MME should send: nothing breaks, the sender hears of it (TS 36.413 §10, TS 24.301 §7), and everybody else
//! goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::rig::{Phone, Rig, run};

/// Random numbers that are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn octets(&mut self, most: u64) -> Vec<u8> {
        let length = 1 + self.next() % most;
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

/// The UE has not noticed anything.
async fn lives(rig: &mut Rig, phone: &Phone) -> Result<()> {
    rig.mme.forget_events();
    rig.mme
        .order(json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": 1 }))
        .await?;
    rig.mme.nas("EMMIdentityResponse").await?;
    ensure!(rig.enb.is_up() && phone.state().connected);
    Ok(())
}

/// §10.2: what cannot be decoded at all is answered with ERROR INDICATION, transfer syntax error.
#[test]
fn random_octets_are_answered_with_error_indication() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        for octets in ["ff", "000b", "000b40ffffff", "e0000000", "0000000000000000"] {
            rig.mme.order(json!({ "do": "raw", "hex": octets })).await?;
            let answer = rig.mme.s1ap("ErrorIndication").await?;
            ensure!(answer["ies"]["Cause"][0] == "protocol", "{answer}");
        }
        let mut dice = Dice(0x5eed);
        for stream in 0..200 {
            let hex = hex::encode(dice.octets(80));
            rig.mme.order(json!({ "do": "raw", "hex": hex, "stream": stream % 8 })).await?;
        }
        lives(&mut rig, &phone).await
    })
}

/// Every message that the MME sends, cut off anywhere, and with any octet changed.
#[test]
fn messages_cut_off_and_changed_break_nothing() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        let mut samples = Vec::new();
        for name in [
            "setup_response",
            "setup_failure",
            "downlink_nas",
            "context_setup",
            "context_modification",
            "erab_setup",
            "erab_modify",
            "erab_release",
            "paging",
            "overload_stop",
            "configuration_update",
            "error_indication",
        ] {
            let sample = rig.mme.order(json!({ "do": "sample", "message": name })).await?;
            samples.push(hex::decode(sample["octets"].as_str().unwrap_or_default())?);
        }
        let mut dice = Dice(0xbad);
        let mut hostile: Vec<Vec<u8>> = Vec::new();
        for sample in &samples {
            hostile.extend((1..sample.len()).map(|length| sample[..length].to_vec()));
            for at in 0..sample.len() {
                let mut changed = sample.clone();
                changed[at] ^= 1 << (dice.next() % 8);
                hostile.push(changed);
            }
        }
        let all: Vec<Value> = hostile.iter().map(|octets| json!(hex::encode(octets))).collect();
        for some in all.chunks(200) {
            rig.mme.order(json!({ "do": "raw_many", "hex": some })).await?;
        }
        // OVERLOAD START may be among what came of it.
        rig.mme.order(json!({ "do": "overload", "start": false })).await?;
        rig.told("not overloaded any more").await?;
        lives(&mut rig, &phone).await?;
        rig.phone()?.attached().await?;
        Ok(())
    })
}

/// Elements that are missing, as Criticality Diagnostics name them (§9.2.1.21).
fn missing(elements: &[u16]) -> Value {
    let item = |id| json!({ "iECriticality": "reject", "iE-ID": id, "typeOfError": "missing" });
    elements.iter().map(item).collect()
}

/// §10.3.5: what has to be there is not. The answer says what: procedure, its message and criticality, and the elements;
/// a procedure's own failure the last two alone (§9.2.1.21).
#[test]
fn a_message_without_a_mandatory_element_is_an_abstract_syntax_error() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        for (message, procedure, criticality, elements) in [
            ("downlink_nas", 11, "ignore", &[26][..]),
            ("erab_setup", 5, "reject", &[16]),
            ("erab_modify", 6, "reject", &[30]),
        ] {
            rig.mme.order(json!({ "do": "incomplete", "message": message, "imsi": phone.imsi })).await?;
            let answer = rig.mme.s1ap("ErrorIndication").await?;
            let cause = &answer["ies"]["Cause"];
            ensure!(cause == &json!(["protocol", "abstract-syntax-error-reject"]), "{message}: {answer}");
            let expected = json!({ "procedureCode": procedure, "triggeringMessage": "initiating-message",
                "procedureCriticality": criticality, "iEsCriticalityDiagnostics": missing(elements) });
            ensure!(
                answer["ies"]["CriticalityDiagnostics"] == expected,
                "{message}: {answer}, not {expected}"
            );
            // About whom it is, and on the stream of that one (§8.7.2.2, TS 36.412 §7).
            ensure!(answer["ies"]["MME-UE-S1AP-ID"].is_u64() && answer["ies"]["ENB-UE-S1AP-ID"].is_u64());
            ensure!(answer["stream"].as_u64().is_some_and(|stream| stream > 0), "{answer}");
        }
        // That this list is missing is to be ignored (§9.1.3.5): nothing is released.
        rig.mme.order(json!({ "do": "incomplete", "message": "erab_release", "imsi": phone.imsi })).await?;
        let answer = rig.mme.s1ap("E-RABReleaseResponse").await?;
        ensure!(answer["ies"].as_object().is_some_and(|ies| ies.len() == 2), "{answer}");
        // This one has a failure of its own.
        rig.mme.order(json!({ "do": "incomplete", "message": "context_setup", "imsi": phone.imsi })).await?;
        let answer = rig.mme.s1ap("InitialContextSetupFailure").await?;
        ensure!(answer["ies"]["Cause"] == json!(["protocol", "abstract-syntax-error-reject"]), "{answer}");
        let expected = json!({ "procedureCriticality": "reject",
            "iEsCriticalityDiagnostics": missing(&[66, 24, 107, 73]) });
        ensure!(answer["ies"]["CriticalityDiagnostics"] == expected, "{answer}");
        lives(&mut rig, &phone).await
    })
}

/// §10.3.4.2: an element that nobody knows is obeyed as its criticality says.
#[test]
fn an_unknown_element_is_rejected_told_or_passed_over_as_its_criticality_says() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        for (criticality, cause, acted) in [
            ("reject", Some("abstract-syntax-error-reject"), false),
            ("notify", Some("abstract-syntax-error-ignore-and-notify"), true),
            ("ignore", None, true),
        ] {
            rig.mme.forget_events();
            let order = json!({ "do": "unknown_element", "imsi": phone.imsi, "criticality": criticality });
            rig.mme.order(order).await?;
            if let Some(cause) = cause {
                let answer = rig.mme.s1ap("ErrorIndication").await?;
                ensure!(answer["ies"]["Cause"] == json!(["protocol", cause]), "{answer}");
                let diagnostics = &answer["ies"]["CriticalityDiagnostics"];
                let item = json!([{ "iECriticality": criticality, "iE-ID": 60000, "typeOfError": "not-understood" }]);
                ensure!(diagnostics["iEsCriticalityDiagnostics"] == item, "{answer}");
                ensure!(diagnostics["procedureCode"] == 11, "{answer}");
            }
            if acted {
                rig.mme.nas("EMMIdentityResponse").await?;
            }
            lives(&mut rig, &phone).await?;
            // What came meanwhile was the answer to the other order alone.
            ensure!(
                rig.mme.left("nas", |event| event["name"] == "EMMIdentityResponse") == 0,
                "{criticality}"
            );
            ensure!(rig.mme.left("s1ap", |event| event["name"] == "ErrorIndication") == 0, "{criticality}");
        }
        Ok(())
    })
}

/// §10.3.4.2: a procedure that has a message to fail with fails, and that says why.
#[test]
fn a_procedure_that_can_fail_says_by_that_what_it_does_not_know() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        for (message, failure) in [
            ("context_modification", "UEContextModificationFailure"),
            ("configuration_update", "MMEConfigurationUpdateFailure"),
        ] {
            let order = json!({ "do": "unknown_element", "imsi": phone.imsi, "message": message,
                "criticality": "reject" });
            rig.mme.order(order).await?;
            let answer = rig.mme.s1ap(failure).await?;
            ensure!(
                answer["ies"]["Cause"] == json!(["protocol", "abstract-syntax-error-reject"]),
                "{answer}"
            );
            let item =
                json!([{ "iECriticality": "reject", "iE-ID": 60000, "typeOfError": "not-understood" }]);
            let expected = json!({ "procedureCriticality": "reject", "iEsCriticalityDiagnostics": item });
            ensure!(answer["ies"]["CriticalityDiagnostics"] == expected, "{answer}");
            ensure!((answer["stream"] == 0) == (message == "configuration_update"), "{answer}");
        }
        lives(&mut rig, &phone).await
    })
}

/// §10.6: a connection that the eNB does not know.
#[test]
fn an_unknown_connection_is_answered_with_its_cause() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "stranger", "ids": [77, 9999] })).await?;
        let answer = rig.mme.s1ap("ErrorIndication").await?;
        let cause = &answer["ies"]["Cause"];
        ensure!(cause == &json!(["radioNetwork", "unknown-enb-ue-s1ap-id"]), "{answer}");
        ensure!(answer["ies"]["MME-UE-S1AP-ID"] == 77, "{answer}");
        lives(&mut rig, &phone).await
    })
}

/// §10.6: the eNB's identifier is right and the MME's is not the one of this connection.
#[test]
fn an_inconsistent_pair_of_identifiers_is_answered_with_its_cause() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        let initial = rig.mme.s1ap("InitialUEMessage").await?;
        let enb = initial["ies"]["ENB-UE-S1AP-ID"].clone();
        rig.mme.order(json!({ "do": "stranger", "ids": [999_999, enb] })).await?;
        let answer = rig.mme.s1ap("ErrorIndication").await?;
        let cause = &answer["ies"]["Cause"];
        ensure!(cause == &json!(["radioNetwork", "unknown-pair-ue-s1ap-id"]), "{answer}");
        Ok(())
    })
}

/// §10.3: a procedure that the eNB does not have, criticality reject.
#[test]
fn a_procedure_that_the_enb_does_not_have_is_refused() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "kill" })).await?;
        let answer = rig.mme.s1ap("ErrorIndication").await?;
        ensure!(answer["ies"]["Cause"] == json!(["protocol", "abstract-syntax-error-reject"]), "{answer}");
        let expected = json!({ "procedureCode": 43, "triggeringMessage": "initiating-message",
            "procedureCriticality": "reject" });
        ensure!(answer["ies"]["CriticalityDiagnostics"] == expected, "{answer}");
        lives(&mut rig, &phone).await
    })
}

/// TS 24.301 §7: random NAS, and every message of the MME cut off, in plain and protected.
#[test]
fn nas_that_makes_no_sense_is_not_acted_upon() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let (phone, other) = (rig.phone()?, rig.phone()?);
        phone.attached().await?;
        other.attached().await?;
        let mut dice = Dice(0xfeed);
        for round in 0..150 {
            let mut octets = dice.octets(40);
            if round % 2 == 0 {
                // Looks like EMM or ESM, so that it gets further.
                octets[0] = if round % 4 == 0 { 0x07 } else { 0x52 };
            }
            // A detach would be one.
            if octets[0] & 0x0f == 0x07 && octets.get(1) == Some(&0x45) {
                continue;
            }
            for protect in ["plain", "ciphered"] {
                let order = json!({ "do": "nas", "imsi": phone.imsi, "message": "raw",
                    "hex": hex::encode(&octets), "protect": protect });
                rig.mme.order(order).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        lives(&mut rig, &other).await?;
        ensure!(rig.mme.left("association", |event| event["there"] == false) == 0);
        Ok(())
    })
}
