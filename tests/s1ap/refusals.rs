//! What a device hears when it is refused: of the ICF, by way of the MME (docs/CAUSES.md), and of anybody (TS 24.301
//! annex A).

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    aka::Subscriber,
    icf::{Icf, Settings},
    mme::Core,
};
use serde_json::{Value, json};
use ue_sim::{access::s1ap::Asked, nas::UeOptions};

use crate::rig::{Rig, refusal, run};

/// Each refusal of the ICF gets another answer, so that every row of the table of answers is seen at the UE.
const CAUSES: &str = "
[causes]
unknown = \"user-unknown\"
expired = \"unknown-eps-subscription\"
exhausted = \"authorization-rejected\"
blocked = \"rat-not-allowed\"
disabled = \"roaming-not-allowed\"
roaming-not-allowed = \"unable-to-comply\"
";

fn create(icf: &Icf, subscriber: &Subscriber, more: &Value) -> Result<()> {
    let mut body: Value = serde_json::from_str(&subscriber.line())?;
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    icf.rest_ok("POST", "/v1/credentials", Some(&body)).map(drop)
}

fn patch(icf: &Icf, imsi: &str, what: &Value) -> Result<()> {
    icf.rest_ok("PATCH", &format!("/v1/credentials/{imsi}"), Some(what)).map(drop)
}

/// A profile that is good in another network alone.
fn elsewhere(icf: &Icf) -> Result<()> {
    let mut profile = icf.rest_ok("GET", "/v1/profiles/default", None)?.json()?;
    profile["allowed_plmns"] = json!({ "only": ["00101"] });
    let fields = profile.as_object_mut().context("no profile")?;
    for name in ["name", "version"] {
        fields.remove(name);
    }
    icf.rest_ok("PUT", "/v1/profiles/elsewhere", Some(&profile)).map(drop)
}

/// Refusals of the ICF by name: what the ICF is brought to, and the UE attaches.
async fn refused(core: &std::sync::Arc<Core>, expected: &[(&str, u8)]) -> Result<()> {
    let mut rig = Rig::with(core, json!({})).await?;
    elsewhere(&core.icf)?;
    for (cause, emm) in expected {
        let subscriber = core.stranger()?;
        let soon = humantime(SystemTime::now() + Duration::from_secs(3600));
        match *cause {
            "unknown" => {}
            "expired" => {
                create(&core.icf, &subscriber, &json!({ "expires_at": soon }))?;
                patch(&core.icf, &subscriber.imsi, &json!({ "expires_at": "2020-01-01T00:00:00Z" }))?;
            }
            "exhausted" => create(&core.icf, &subscriber, &json!({ "attach_budget": 1 }))?,
            "blocked" | "disabled" => {
                create(&core.icf, &subscriber, &json!({}))?;
                patch(&core.icf, &subscriber.imsi, &json!({ "state": cause }))?;
            }
            "roaming-not-allowed" => {
                create(&core.icf, &subscriber, &json!({ "profile": "elsewhere" }))?;
            }
            other => anyhow::bail!("{other} is no refusal of this test"),
        }
        let phone = rig.phone_of(&subscriber, UeOptions::default())?;
        if *cause == "exhausted" {
            // The budget is one attach; the next, without what the MME remembers, is one too many.
            phone.attached().await?;
            phone.detach(true).await?;
            rig.mme.policy(json!({ "reuse": false })).await?;
            phone.until("idle", |state| !state.connected).await?;
        }
        let report = phone.attach().await?;
        let (heard, _) = refusal(&report).with_context(|| format!("{cause}: {report:?}"))?;
        ensure!(heard == *emm, "{cause}: the UE hears #{heard}, not #{emm}");
        rig.told(&format!("EMM cause #{emm}")).await?;
    }
    Ok(())
}

/// RFC 3339.
fn humantime(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Of the civil calendar from days, by eras of 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The defaults of docs/CAUSES.md: what may pass by itself lets the device try again.
#[test]
fn refusals_of_the_icf_as_they_are_by_default() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let defaults = [
            ("unknown", 17),
            ("expired", 17),
            ("exhausted", 17),
            ("blocked", 17),
            ("disabled", 15),
            ("roaming-not-allowed", 11),
        ];
        refused(&core, &defaults).await
    })
}

/// Every row of the table of answers.
#[test]
fn refusals_of_the_icf_as_they_are_configured() -> Result<()> {
    run(async {
        let core = Core::start(&Settings { icf: CAUSES, ..Settings::default() })?;
        let configured = [
            ("unknown", 8),
            ("expired", 15),
            ("exhausted", 15),
            ("blocked", 13),
            ("disabled", 11),
            ("roaming-not-allowed", 17),
        ];
        refused(&core, &configured).await
    })
}

/// TS 24.301 §5.5.1.2.5 and §5.5.1.2.6 d, for every cause that there is and every one that there is not.
#[test]
fn every_cause_of_an_attach_reject_is_understood() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        for cause in 2..=111_u8 {
            // #25 is not believed unless it is protected (§4.4.4.2).
            let at = if cause == 25 { "accept" } else { "request" };
            let reject = json!({ "message": "attach_reject", "cause": cause, "at": at, "t3346": 0x21,
                "esm_cause": 27 });
            rig.mme.policy(json!({ "attach": reject, "reuse": false })).await?;
            let report = phone.attach().await?;
            let (heard, consequence) = refusal(&report)?;
            ensure!(heard == cause, "#{heard}, not #{cause}");
            let expected = match cause {
                3 | 6 | 7 | 8 => "the USIM counts as invalid",
                11 | 14 | 35 => "does not try this network again",
                12 | 13 | 15 => "does not try this tracking area again",
                9 | 10 | 40 => "attaches anew",
                22 => "waits as long as the network says",
                _ => "tries again after 10 s",
            };
            ensure!(consequence.contains(expected), "#{cause}: {consequence}");
            let told = rig.told(&format!("attach refused: EMM cause #{cause}, ")).await?;
            ensure!(told.contains("ESM cause #27, ") && told.contains("T3346 60 s"), "{told}");
            phone.until("idle", |state| !state.connected).await?;
            if forbids(cause, true).is_some() {
                ensure!(phone.detach(true).await?.is_success(), "#{cause}");
            }
        }
        Ok(())
    })
}

/// The list that a cause leads to (TS 24.301 §5.5.1.2.5), or, if nothing protects it, §5.3.7b.
fn forbids(cause: u8, plain: bool) -> Option<&'static str> {
    Some(match cause {
        3 | 6 | 7 | 8 if plain => "\"forbidden tracking areas for roaming\"",
        3 | 6 | 7 | 8 => "the USIM counts as invalid",
        11 | 35 => "\"forbidden PLMNs\"",
        14 => "\"forbidden PLMNs for GPRS service\"",
        12 => "\"forbidden tracking areas for regional provision of service\"",
        13 | 15 => "\"forbidden tracking areas for roaming\"",
        _ => return None,
    })
}

/// Where a reject has led to a list, the UE does not ask the network any more: it says which list and what takes it off.
/// A reject that was protected can be taken for true, and one that was not for an hour (§5.3.7b).
#[test]
fn what_is_forbidden_is_not_tried_again_and_said_why() -> Result<()> {
    run(async {
        for at in ["request", "accept"] {
            let mut rig = Rig::new(json!({})).await?;
            for cause in [3, 6, 7, 8, 11, 12, 13, 14, 15, 35] {
                let phone = rig.phone()?;
                let reject = json!({ "message": "attach_reject", "cause": cause, "at": at });
                rig.mme.policy(json!({ "attach": reject, "reuse": false })).await?;
                ensure!(refusal(&phone.attach().await?)?.0 == cause);
                phone.until("idle", |state| !state.connected).await?;
                rig.mme.policy(json!({ "attach": null })).await?;
                rig.mme.forget_events();
                let Err(refused) = phone.attach().await else { bail!("#{cause} is tried again") };
                let refused = refused.to_string();
                let list = forbids(cause, at == "request").context("no list")?;
                let in_usim = at == "accept" && matches!(cause, 11 | 35);
                // EF FPLMN has networks and no causes.
                let since = if in_usim { "in the USIM".into() } else { format!("#{cause},") };
                ensure!(refused.contains(list) && refused.contains(&since), "{refused}");
                ensure!(refused.contains("T3247") == (at == "request"), "{refused}");
                ensure!(
                    rig.mme.left("s1ap", |event| event["name"] == "InitialUEMessage") == 0,
                    "#{cause} is asked"
                );
                ensure!(phone.detach(true).await?.is_success());
                if in_usim {
                    ensure!(phone.attach().await.is_err_and(|error| error.to_string().contains("--manual")));
                } else {
                    phone.attached().await.with_context(|| format!("#{cause} after off"))?;
                }
            }
        }
        Ok(())
    })
}

/// §5.5.2.3.2: a detach without re-attach has causes too.
#[test]
fn a_detach_by_the_network_forbids_as_a_reject_does() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let mut phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.nas("EMMAttachComplete").await?;
        let order = json!({ "do": "nas", "imsi": phone.imsi, "message": "detach_request", "cause": 13 });
        rig.mme.order(order).await?;
        ensure!(phone.asked().await? == Asked::Detached { reattach: false, cause: Some(13) });
        phone.until("idle", |state| !state.connected).await?;
        let refused = phone.attach().await;
        ensure!(
            refused.is_err_and(|error| error.to_string().contains("forbidden tracking areas for roaming"))
        );
        ensure!(phone.detach(true).await?.is_success());
        phone.attached().await?;
        Ok(())
    })
}
