//! An association of several paths (TS 36.412 §7, RFC 9260 §5.4): one of two is lost, and nobody notices but SCTP.

use std::{
    io::{BufRead, BufReader},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use harness::{
    callhome,
    child::Child,
    icf::Settings,
    mme::{Core, Mme},
    network::{Cable, Network},
};
use serde_json::{Value, json};
use ue_sim::access::s1ap::{Asked, End};

use crate::rig::{Phone, Rig, run};

/// How long a path that is there again has to prove itself, else the next loss would be that of the only one.
const PROOF: Duration = Duration::from_secs(5);

/// A service request, which a device sends again when T3417 expires, five seconds after it (TS 24.301 §5.6.1.6 c): SCTP
/// needs a retransmission timeout in each direction to find the other path, and a busy machine some time of its own.
async fn served(phone: &Phone, paged: bool) -> Result<()> {
    const TRIES: usize = 5;
    for _ in 1..TRIES {
        let report = phone.service(paged).await?;
        match report.end {
            End::Unanswered => {}
            _ if report.is_success() => return Ok(()),
            _ => bail!("{report:?}"),
        }
    }
    let report = phone.service(paged).await?;
    ensure!(report.is_success(), "{TRIES} times: {report:?}");
    Ok(())
}

/// Whatever a registered UE does, from idle to idle, and whatever the MME begins; how long the slowest took.
async fn goes_on(rig: &mut Rig, phone: &mut Phone) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    let mut took = |begun: Instant| slowest = slowest.max(begun.elapsed());

    let begun = Instant::now();
    served(phone, false).await?;
    took(begun);
    phone.idle().await?;

    let begun = Instant::now();
    let report = phone.update(false, false).await?;
    ensure!(report.is_success(), "{report:?}");
    took(begun);
    phone.until("idle", |state| !state.connected).await?;

    let begun = Instant::now();
    rig.mme.order(json!({ "do": "page", "imsi": phone.imsi, "by": "tmsi" })).await?;
    // Releases come this way too.
    while phone.asked().await? != Asked::Paged {}
    served(phone, true).await?;
    took(begun);

    let begun = Instant::now();
    let report = phone.detach(false).await?;
    ensure!(report.is_success(), "{report:?}");
    took(begun);

    let begun = Instant::now();
    phone.attached().await?;
    took(begun);
    phone.idle().await?;
    Ok(slowest)
}

/// Issue 4: first one cable loses whatever goes into it, then the other. NAS goes on, UEs come and go, and there is one
/// association from the first message to the last.
#[test]
fn one_path_of_two_is_lost_and_every_procedure_goes_on() -> Result<()> {
    run(async {
        let core = Core::over_there(&Settings::default())?;
        core.icf.network()?.give_up_fast()?;
        let mut rig = Rig::with(&core, json!({})).await?;
        let mut phone = rig.phone()?;
        phone.attached().await?;
        phone.idle().await?;
        for cable in [Cable::First, Cable::Second] {
            core.icf.network()?.lose(cable)?;
            let slowest = goes_on(&mut rig, &mut phone).await?;
            ensure!(
                slowest > Duration::from_millis(500) || cable == Cable::Second,
                "no cable was lost: the slowest procedure took {slowest:?}"
            );
            // A device that nobody knew when the path was there.
            rig.phone()?.attached().await?;
            core.icf.network()?.restore(cable)?;
            let restored = Instant::now();
            while restored.elapsed() < PROOF {
                goes_on(&mut rig, &mut phone).await?;
            }
        }
        ensure!(rig.enb.is_up());
        ensure!(rig.mme.left("association", |event| event["there"] == true) == 1, "made anew");
        ensure!(rig.mme.left("association", |event| event["there"] == false) == 0, "lost");
        ensure!(rig.mme.left("s1ap", |event| event["name"] == "S1SetupRequest") == 1, "set up anew");
        Ok(())
    })
}

/// `callhome ue` with two addresses of its own and two of the MME's says which path is lost, and when it is there again.
#[test]
fn callhome_ue_says_that_a_path_is_lost_and_that_it_is_there_again() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let host = Network::new()?;
        host.give_up_fast()?;
        let mme = Mme::listen_at(&core, &host.mme(), json!({})).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("devices.ndjson");
        std::fs::write(&file, core.subscriber()?.line() + "\n")?;
        let [here, there] = host.icf();
        let mut command = host.icf_command(&callhome::binary()?)?;
        command.args(["ue", "--json", "--plmn", "999-70", "--bind", &format!("{here},{there}")]);
        for address in &mme.addresses {
            command.args(["--mme", &address.to_string()]);
        }
        command.arg("--credentials").arg(&file).args(["attach", "wait:15", "tau", "detach"]);
        let (mut child, output) = Child::start_piped("callhome ue", command, &folder.path().join("ue.log"))?;
        let path = format!("that to {}", mme.addresses[0]);
        let mut lines = BufReader::new(output).lines();
        let mut until = |what: &str| -> Result<Value> {
            for line in lines.by_ref() {
                let line: Value = serde_json::from_str(&line?)?;
                if line.to_string().contains(what) {
                    return Ok(line);
                }
            }
            bail!("never told: {what}")
        };
        until("\"end\":\"attached\"")?;
        host.lose(Cable::First)?;
        until(&format!("a path of the association is lost: {path}"))?;
        host.restore(Cable::First)?;
        until(&format!("a path of the association can be used: {path}"))?;
        until("\"procedure\":\"detach\"")?;
        let status = child.wait(Duration::from_secs(20))?;
        ensure!(status.success(), "{status}: {}", child.log());
        Ok(())
    })
}
