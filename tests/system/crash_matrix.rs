//! kill -9 at each of the nineteen steps: of every role, one after another, and of the device. Whatever was killed is
//! started again, and the device comes to its end: once.
//!
//! The flow is held at a step by stopping (SIGSTOP) whoever has to act next, so that a kill is not a matter of luck.

use std::cell::OnceCell;

use anyhow::{Context, Result, ensure};
use harness::{
    child::{Child, tail},
    roles::{self, Access, Role, Roles},
};
use serde_json::Value;

/// Who can be killed, or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Role(Role),
    Device,
}

/// A place where the flow can be held.
struct Step {
    /// The seed's numbers of what cannot happen here.
    seed: &'static str,
    /// Who has to act next.
    next: Who,
    /// Whether everything before has happened.
    reached: fn(&Flow) -> Result<bool>,
}

/// In the order of the seed. No two neighbours are held by the same one: the next is stopped before the last goes on.
const STEPS: &[Step] = &[
    Step { seed: "2", next: Who::Role(Role::Icf), reached: |flow| flow.connected() },
    Step { seed: "7", next: Who::Role(Role::Drf), reached: |flow| flow.attached_with_pcid() },
    Step { seed: "8", next: Who::Device, reached: |flow| flow.triggered() },
    Step { seed: "9", next: Who::Role(Role::Dpf), reached: |flow| flow.says("trigger_taken") },
    Step { seed: "11", next: Who::Role(Role::Sho), reached: |flow| flow.session(&["relaying"]) },
    Step { seed: "12", next: Who::Role(Role::Pva), reached: |flow| flow.operator(&["received"]) },
    Step { seed: "14", next: Who::Role(Role::Hss), reached: |flow| flow.operator(&["composed"]) },
    Step {
        seed: "15",
        next: Who::Role(Role::Dpf),
        reached: |flow| flow.operator(&["published", "answered"]),
    },
    Step { seed: "16", next: Who::Device, reached: |flow| flow.session(&["authorised"]) },
    Step { seed: "19", next: Who::Role(Role::Sho), reached: |flow| flow.session(&["reported"]) },
];

/// A device on its way.
struct Flow<'a> {
    roles: &'a mut Roles,
    device: Child,
    log: String,
    /// Of the DPF's session, which a stopped DPF cannot tell.
    session: OnceCell<String>,
}

impl<'a> Flow<'a> {
    /// Starts the next device of the batch and holds it at a step.
    fn held_at(roles: &'a mut Roles, step: usize, log: String) -> Result<Self> {
        if let Who::Role(role) = STEPS[0].next {
            roles.freeze(role)?;
        }
        let device = roles.device(Access::Eps, &log)?;
        let mut flow = Self { roles, device, log, session: OnceCell::new() };
        for at in 0..=step {
            if at > 0 {
                flow.freeze(STEPS[at].next)?;
                flow.thaw(STEPS[at - 1].next)?;
            }
            roles::wait(&format!("step {} to be next", STEPS[at].seed), || (STEPS[at].reached)(&flow))
                .with_context(|| format!("the device's last words:\n{}", tail(&flow.device.log())))?;
        }
        Ok(flow)
    }

    fn freeze(&mut self, who: Who) -> Result<()> {
        match who {
            Who::Role(role) => self.roles.freeze(role),
            Who::Device => roles::freeze(&mut self.device),
        }
    }

    fn thaw(&mut self, who: Who) -> Result<()> {
        match who {
            Who::Role(role) => self.roles.thaw(role),
            Who::Device => self.device.signal("CONT"),
        }
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

    /// Whether the MME has a connection to the ICF, which a stopped one accepts too: all that the lab prepares at the
    /// other roles is done then.
    fn connected(&self) -> Result<bool> {
        let port = format!(":{:04X}", self.roles.diameter);
        // proc_pid_net(5): number, local and remote address, state; 01 is ESTABLISHED.
        Ok(std::fs::read_to_string("/proc/net/tcp")?.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            matches!(fields[..], [_, _, remote, "01", ..] if remote.ends_with(&port))
        }))
    }

    fn attached_with_pcid(&self) -> Result<bool> {
        let pcid = self.identity()?.1;
        Ok(self.story().iter().any(|line| line["attached"] == pcid.as_str()))
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

    /// Waits for the device's end. One that gives up is started again, as a user would.
    fn finish(&mut self) -> Result<()> {
        const ATTEMPTS: usize = 5;
        for _ in 0..ATTEMPTS {
            if self.device.wait(std::time::Duration::from_secs(90))?.success() {
                return Ok(());
            }
            self.device = self.roles.device(Access::Eps, &self.log)?;
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
        let taken = story.iter().filter(|line| line["step"] == "trigger_taken").count();
        ensure!(taken == 1, "the device has taken {taken} triggers");

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

/// Holds a device at each step, does `harm`, and looks whether it comes to its end, once.
fn at_each_step(harm: impl Fn(&mut Flow, Who) -> Result<()>) -> Result<()> {
    let mut roles = Roles::started()?;
    for (at, step) in STEPS.iter().enumerate() {
        let case = || -> Result<()> {
            let mut flow = Flow::held_at(&mut roles, at, format!("device-{at}.log"))?;
            harm(&mut flow, step.next)?;
            flow.finish()?;
            // Each device before it has used one number.
            flow.once(at as u64)
        }();
        case.with_context(|| format!("held before step {}", step.seed))?;
    }
    Ok(())
}

#[test]
fn each_role_is_killed_at_each_step() -> Result<()> {
    at_each_step(|flow, held| {
        for role in Role::ALL.into_iter().filter(|role| held != Who::Role(*role)) {
            flow.roles.restart(role)?;
        }
        match held {
            // Who starts again is not stopped any more.
            Who::Role(role) => flow.roles.restart(role),
            Who::Device => flow.thaw(held),
        }
    })
}

#[test]
fn the_device_is_killed_at_each_step() -> Result<()> {
    at_each_step(|flow, held| {
        flow.device.kill()?;
        if let Who::Role(_) = held {
            flow.thaw(held)?;
        }
        flow.device = flow.roles.device(Access::Eps, &flow.log)?;
        Ok(())
    })
}
