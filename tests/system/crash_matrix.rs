//! kill -9 at each of the nineteen steps: of every role at once, and of the device, by 3GPP access and by other means.
//! Whatever was killed is started again, and the device comes to its end: once.
//!
//! The flow is held before a step, so that a kill is not a matter of luck ([`steps`] says where and how).

mod hold;
mod steps;

use std::cell::OnceCell;

use anyhow::{Context, Result, ensure};
use harness::{
    child::{Child, tail},
    roles::{self, Access, Role, Roles},
};
use hold::{Gates, Hold, Who};
use serde_json::Value;
use steps::Step;

/// A device on its way.
struct Flow<'a> {
    roles: &'a mut Roles,
    gates: &'a Gates,
    access: Access,
    device: Child,
    log: String,
    /// Of the DPF's session, which a stopped DPF cannot tell.
    session: OnceCell<String>,
}

impl<'a> Flow<'a> {
    /// Starts the next device of the batch and holds it at the last of these steps.
    fn held_at(
        roles: &'a mut Roles,
        gates: &'a Gates,
        access: Access,
        steps: &[Step],
        log: String,
    ) -> Result<Self> {
        let first = steps.first().context("no step")?;
        first.hold.before_the_device(roles, gates)?;
        let device = roles.device(access, &log)?;
        let mut flow = Self { roles, gates, access, device, log, session: OnceCell::new() };
        let mut held: Option<Hold> = None;
        for step in steps {
            // The next is stopped before the last goes on: nothing gets away between them.
            if let Some(last) = held {
                step.hold.arm(&mut flow)?;
                if !last.is_replaced_by(step.hold) {
                    last.release(&mut flow)?;
                }
            }
            roles::wait(&format!("step {} to be next", step.before), || {
                flow.device.running()?;
                Ok(step.hold.holds(&flow)? && (step.reached)(&flow)?)
            })
            .with_context(|| format!("the device's last words:\n{}", tail(&flow.device.log())))?;
            step.hold.settle(&mut flow)?;
            held = Some(step.hold);
        }
        Ok(flow)
    }

    fn story(&self) -> Vec<Value> {
        roles::told(&self.device.log())
    }

    /// Its name and its PCID.
    fn identity(&self) -> Result<(String, String)> {
        let story = self.story();
        let begin = story.iter().find(|line| line["device"].is_string()).context("no device has begun")?;
        let field = |name: &str| begin[name].as_str().map(str::to_owned).context("no identity");
        Ok((field("device")?, field("pcid")?))
    }

    fn says(&self, step: &str) -> Result<bool> {
        Ok(self.story().iter().any(|line| line["step"] == step))
    }

    fn attached_with_pcid(&self) -> Result<bool> {
        let pcid = self.identity()?.1;
        Ok(self.story().iter().any(|line| line["attached"] == pcid.as_str()))
    }

    /// AKA is done.
    fn authenticated(&self) -> Result<bool> {
        Ok(self.story().iter().any(|line| line["event"]["step"] == "device_authenticated"))
    }

    fn triggers(&self) -> Result<Vec<Value>> {
        self.roles.items(Role::Drf, &format!("/v1/triggers?pcid={}", self.identity()?.1))
    }

    fn triggered(&self) -> Result<bool> {
        Ok(!self.triggers()?.is_empty())
    }

    fn sessions(&self) -> Result<Vec<Value>> {
        self.roles.items(Role::Dpf, &format!("/v1/sessions?pcid={}", self.identity()?.1))
    }

    /// Whether the DPF's session is in one of these states.
    fn session(&self, states: &[&str]) -> Result<bool> {
        Ok(self
            .sessions()?
            .first()
            .is_some_and(|session| states.iter().any(|state| session["state"] == *state)))
    }

    /// Whether the SHO's is.
    fn operator(&self, states: &[&str]) -> Result<bool> {
        if self.session.get().is_none() {
            let sessions = self.sessions()?;
            let id = sessions.first().and_then(|session| session["id"].as_str()).context("no session")?;
            self.session.get_or_init(|| id.to_owned());
        }
        let id = self.session.get().context("no session")?;
        let session = self.roles.get(Role::Sho, &format!("/v1/provisioning/{id}"))?;
        Ok(states.iter().any(|state| session["state"] == *state))
    }

    /// Whether the PVA has given its verdict in the DPF's session.
    fn validated(&self) -> Result<bool> {
        let session = self.session.get().context("no session")?;
        Ok(self.roles.items(Role::Pva, "/v1/audit?limit=499")?.iter().any(|entry| {
            let target = entry["target"].as_str().unwrap_or_default();
            entry["action"] == "validations.judge" && entry["outcome"] == "good" && target.contains(session)
        }))
    }

    /// Waits for the device's end. One that gives up is started again, as a user would.
    fn finish(&mut self) -> Result<()> {
        const ATTEMPTS: usize = 5;
        for _ in 0..ATTEMPTS {
            if self.device.wait(std::time::Duration::from_secs(90))?.success() {
                return Ok(());
            }
            self.device = self.roles.device(self.access, &self.log)?;
        }
        anyhow::bail!(
            "the device does not come to its end in {ATTEMPTS} attempts:\n{}",
            tail(&self.device.log())
        )
    }

    /// The device is its operator's subscriber, and nothing has happened twice. `before`: numbers that were used.
    fn once(&self, before: u64) -> Result<()> {
        let (device, pcid) = self.identity()?;
        let story = self.story();
        let mut homes = story.iter().filter(|line| line["authenticated_by"] == "the SHO's HSS");
        let imsi =
            homes.next_back().and_then(|line| line["attached"].as_str()).context("it is not attached")?;

        let subscriptions = self.roles.items(Role::Sho, &format!("/v1/subscriptions?device_id={device}"))?;
        ensure!(subscriptions.len() == 1, "{} subscriptions: {subscriptions:?}", subscriptions.len());
        ensure!(subscriptions[0]["imsi"] == imsi, "attached as {imsi}, subscribed as {}", subscriptions[0]);
        let used = used(self.roles)?;
        ensure!(used == before + 1, "{} numbers are used for one device", used - before);
        let at_hss = self.roles.items(Role::Hss, "/v1/credentials?limit=500")?;
        ensure!(at_hss.len() as u64 == used, "{} credentials in the HSS, {used} numbers", at_hss.len());
        let there = self.roles.items(Role::Hss, "/v1/registrations?limit=500")?;
        ensure!(there.iter().any(|entry| entry["imsi"] == imsi), "{imsi} is not registered at the HSS");

        let sessions = self.sessions()?;
        ensure!(sessions.len() == 1, "{} sessions: {sessions:?}", sessions.len());
        ensure!(sessions[0]["state"] == "closed" && sessions[0]["result"] == "installed", "{}", sessions[0]);
        let triggers = self.triggers()?;
        // A device that attaches a second time is triggered anew; the trigger that did not reach it ends there.
        let replaced = |trigger: &&Value| trigger["last_error"] == "a newer trigger has taken its place";
        let left = triggers.len() - triggers.iter().filter(replaced).count();
        ensure!(left == 1, "{left} triggers: {triggers:?}");
        // One that was replaced while its acknowledgement was on the way was taken all the same; none is taken twice.
        let taken = story.iter().filter(|line| line["step"] == "trigger_taken").count();
        ensure!(
            (1..=triggers.len()).contains(&taken),
            "the device has taken {taken} triggers, the DRF knows {}",
            triggers.len()
        );

        // What is in an outbox comes when it comes.
        roles::wait("the subscription to be active", || {
            let found = self.roles.get(Role::Sho, &format!("/v1/subscriptions/{imsi}"))?;
            Ok(found["state"] == "active")
        })?;
        roles::wait("the provisional credential to be withdrawn", || {
            let found = self.roles.get(Role::Icf, &format!("/v1/credentials/{pcid}"))?;
            Ok(found["state"] != "active")
        })
    }
}

/// Numbers that the SHO has given away.
fn used(roles: &Roles) -> Result<u64> {
    let ranges = roles.items(Role::Sho, "/v1/number-ranges")?;
    Ok(ranges.iter().filter_map(|range| range["used"].as_u64()).sum())
}

/// Holds a device at each step, does `harm`, lets go, and looks whether the device comes to its end, once.
fn at_each_step(access: Access, harm: impl Fn(&mut Flow, Hold) -> Result<()>) -> Result<()> {
    let mut roles = Roles::new()?;
    let gates = Gates::put(&mut roles)?;
    roles.start_all()?;
    let steps = steps::of(access);
    for (at, step) in steps.iter().enumerate() {
        let case = || -> Result<()> {
            let log = format!("device-{at}.log");
            let mut flow = Flow::held_at(&mut roles, &gates, access, &steps[..=at], log)?;
            harm(&mut flow, step.hold)?;
            flow.finish()?;
            // Each device before it has used one number.
            flow.once(at as u64)
        }();
        case.with_context(|| format!("by {access:?}, held before step {}", step.before))?;
    }
    Ok(())
}

fn each_role_is_killed(access: Access) -> Result<()> {
    at_each_step(access, |flow, held| {
        let others: Vec<Role> =
            Role::ALL.into_iter().filter(|role| held.who() != Some(Who::Role(*role))).collect();
        // Each alone, while the others run: they see it go, and come back.
        for role in others {
            flow.roles.restart(role)?;
        }
        match held.who() {
            // Who starts again is not stopped any more.
            Some(Who::Role(role)) => flow.roles.restart(role),
            _ => held.release(flow),
        }
    })
}

fn the_device_is_killed(access: Access) -> Result<()> {
    at_each_step(access, |flow, held| {
        flow.device.kill()?;
        if held.who() != Some(Who::Device) {
            held.release(flow)?;
        }
        flow.device = flow.roles.device(access, &flow.log)?;
        Ok(())
    })
}

#[test]
fn each_role_is_killed_at_each_step_by_3gpp_access() -> Result<()> {
    each_role_is_killed(Access::Eps)
}

#[test]
fn each_role_is_killed_at_each_step_by_other_access() -> Result<()> {
    each_role_is_killed(Access::Ip)
}

#[test]
fn the_device_is_killed_at_each_step_by_3gpp_access() -> Result<()> {
    the_device_is_killed(Access::Eps)
}

#[test]
fn the_device_is_killed_at_each_step_by_other_access() -> Result<()> {
    the_device_is_killed(Access::Ip)
}
