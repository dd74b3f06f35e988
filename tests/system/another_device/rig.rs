//! All roles, and the device's process.

use std::{
    io::{BufRead, BufReader, Write},
    process::{ChildStdout, Command},
};

use anyhow::{Context, Result, ensure};
use harness::{
    child::{Child, tail},
    programs,
    roles::{Role, Roles, wait},
};
use serde_json::{Value, json};

/// The roles of a lab that know supplier, operator and numbers, and Python's devices.
pub(super) struct Rig {
    pub(super) roles: Roles,
    python: Child,
    answers: BufReader<ChildStdout>,
    made: u32,
    /// The first of the ports of the roles.
    pub(super) base: u16,
}

/// A device.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) pcid: String,
}

impl Device {
    pub(super) fn tre(&self) -> String {
        format!("tre-{}", self.id)
    }
}

impl Rig {
    /// All roles, running.
    pub(super) fn start() -> Result<Self> {
        Self::with(Roles::started()?)
    }

    /// Roles that run already.
    pub(super) fn with(roles: Roles) -> Result<Self> {
        let base = roles.hss_diameter - 8;
        let home = roles.folder().join("others");
        std::fs::create_dir_all(&home)?;
        let mut command = Command::new(programs::python()?);
        command.arg(programs::workspace().join("tests/python/device.py"));
        command.arg(&home).arg(roles.folder().join("pki")).env("PYTHONDONTWRITEBYTECODE", "1");
        let (python, output) = Child::start_piped("device.py", command, &home.join("device.log"))?;
        let rig = Self { roles, python, answers: BufReader::new(output), made: 0, base };
        rig.put(Role::Pva, "/v1/suppliers/acme", json!({ "name": "Acme", "enrols": true }))?;
        let range = json!({ "kind": "imsi", "first": "999010000000001", "count": 100 });
        rig.put(Role::Sho, "/v1/number-ranges/tests", range)?;
        rig.put(Role::Drf, "/v1/operators/sho-a", json!({ "name": "A", "plmns": ["999-01"] }))?;
        Ok(rig)
    }

    /// Has Python do something, and waits for what it says.
    pub(super) fn ask(&mut self, order: &Value) -> Result<Value> {
        let input = self.python.input()?;
        writeln!(input, "{order}")?;
        input.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line)
            .with_context(|| format!("device.py has ended:\n{}", tail(&self.python.log())))?;
        Ok(answer)
    }

    /// Has a device do something; `how` holds what is to be different. A verdict of the device's own is an error.
    pub(super) fn does(&mut self, device: &Device, what: &str, how: Value) -> Result<Value> {
        let answer = self.tries(device, what, how)?;
        ensure!(answer["error"].is_null(), "{}: {what}: {}", device.id, answer["error"]);
        Ok(answer)
    }

    /// As [`Rig::does`], and the device may find that it is no good.
    pub(super) fn tries(&mut self, device: &Device, what: &str, mut how: Value) -> Result<Value> {
        how["do"] = what.into();
        how["device"] = device.id.as_str().into();
        self.ask(&how)
    }

    /// PUTs to a role's REST.
    pub(super) fn put(&self, role: Role, path: &str, body: Value) -> Result<()> {
        let answer = self.roles.request(role, "PUT", path, Some(&body))?;
        ensure!(answer.status / 100 == 2, "{} {path}: {} {}", role.name(), answer.status, answer.body);
        Ok(())
    }

    /// A device that is enrolled, has a contract and is known to the registry.
    pub(super) fn device(&mut self) -> Result<Device> {
        self.made("sho-a", json!({}))
    }

    /// As [`Rig::device`], of an operator, and made otherwise than it should be.
    pub(super) fn made(&mut self, operator: &str, otherwise: Value) -> Result<Device> {
        self.made += 1;
        let device = Device { id: format!("sensor-{}", self.made), pcid: format!("99971{:010}", self.made) };
        let mut order = otherwise;
        for (name, value) in [
            ("do", "manufacture".to_owned()),
            ("device_id", device.id.clone()),
            ("tre_id", device.tre()),
            ("pcid", device.pcid.clone()),
            ("token", self.roles.folder().join("token").to_string_lossy().into_owned()),
            ("drf", format!("https://127.0.0.1:{}", self.base + 1)),
            ("dpf", format!("https://127.0.0.1:{}", self.base + 3)),
            ("pva", format!("https://127.0.0.1:{}", self.base + 5)),
        ] {
            order[name] = value.into();
        }
        let made = self.ask(&order)?;
        ensure!(made["error"].is_null(), "{made}");
        let state = json!({
            "boot_digest": made["firmware"], "software": "sensor-firmware", "software_version": "1.0",
        });
        self.put(Role::Pva, "/v1/reference-values/acme/sensor/released", state)?;
        if operator == "sho-a" {
            self.put(
                Role::Sho,
                &format!("/v1/contracts/{}", device.id),
                json!({ "terms": { "plan": "tests" } }),
            )?;
        }
        let path = format!("/v1/devices/{}", device.pcid);
        let known = json!({ "device_id": device.id, "supplier": "acme", "model": "sensor" });
        self.put(Role::Drf, &path, known)?;
        self.put(Role::Drf, &format!("{path}/contract"), json!({ "operator": operator }))?;
        Ok(device)
    }

    /// Hello, session, evidence: to where the operator decides. `how` is for the evidence. Gives the session.
    pub(super) fn begins(&mut self, device: &Device, how: Value) -> Result<String> {
        let rnct = self.does(device, "hello", json!({}))?;
        ensure!(status(&rnct) == 200, "{rnct}");
        let session = session_of(&self.does(device, "start", json!({}))?)?;
        let taken = self.does(device, "evidence", how)?;
        ensure!(status(&taken) == 200, "{taken}");
        Ok(session)
    }

    /// The session, when the operator has decided.
    pub(super) fn decided(&mut self, device: &Device) -> Result<Value> {
        let answer = self.does(device, "poll", json!({ "wait": 45 }))?;
        ensure!(status(&answer) == 200, "{answer}");
        Ok(answer["json"].clone())
    }

    /// As [`Rig::begins`], until it is authorised.
    pub(super) fn authorised(&mut self, device: &Device) -> Result<String> {
        let session = self.begins(device, json!({}))?;
        let decided = self.decided(device)?;
        ensure!(decided["state"] == "authorised", "{decided}");
        Ok(session)
    }

    /// What follows when it is authorised: manifest, parts, installation. Gives what is installed.
    pub(super) fn fetches(&mut self, device: &Device) -> Result<Value> {
        let manifest = self.does(device, "manifest", json!({}))?;
        ensure!(status(&manifest) == 200, "{manifest}");
        let agreed = self.does(device, "agree", json!({}))?;
        ensure!(status(&agreed) == 200, "{agreed}");
        for part in agreed["json"]["needed"].as_array().into_iter().flatten() {
            let part = self.does(device, "part", json!({ "digest": part["digest"] }))?;
            ensure!(status(&part) == 200, "{part}");
        }
        self.does(device, "install", json!({}))
    }

    /// Waits for a record of a role's audit log: what was done, to or by whom, and how it ended, as far as given.
    pub(super) fn audited(&self, role: Role, action: &str, about: &str, outcome: &str) -> Result<()> {
        wait(&format!("{}'s record of {action} {about}: {outcome}", role.name()), || {
            Ok(self.roles.items(role, "/v1/audit?limit=499")?.iter().any(|entry| {
                let has =
                    |name: &str, text: &str| entry[name].as_str().is_some_and(|found| found.contains(text));
                has("action", action)
                    && (has("target", about) || has("who", about))
                    && has("outcome", outcome)
            }))
        })
    }

    /// That no number was used, no subscription is there, and the HSS knows nobody.
    pub(super) fn nothing_done(&self) -> Result<()> {
        let ranges = self.roles.items(Role::Sho, "/v1/number-ranges")?;
        ensure!(ranges.len() == 1 && ranges[0]["used"] == 0, "a number is used: {ranges:?}");
        let subscriptions = self.roles.items(Role::Sho, "/v1/subscriptions")?;
        ensure!(subscriptions.is_empty(), "{subscriptions:?}");
        let known = self.roles.items(Role::Hss, "/v1/credentials")?;
        ensure!(known.is_empty(), "the HSS knows {known:?}");
        Ok(())
    }

    /// That whatever was prepared for a device is taken back: by the operator and at its HSS.
    pub(super) fn taken_back(&self) -> Result<()> {
        wait("the subscription to be withdrawn", || {
            let subscriptions = self.roles.items(Role::Sho, "/v1/subscriptions")?;
            let known = self.roles.items(Role::Hss, "/v1/credentials")?;
            Ok(subscriptions.iter().all(|one| one["state"] == "withdrawn") && known.is_empty())
        })
    }
}

/// Status of an answer to a device; 0 if TLS did not come so far.
pub(super) fn status(answer: &Value) -> u64 {
    answer["status"].as_u64().unwrap_or(999)
}

/// The session that was opened.
pub(super) fn session_of(answer: &Value) -> Result<String> {
    ensure!(status(answer) == 201, "no session is opened: {answer}");
    field(&answer["json"], "id")
}

/// A text.
pub(super) fn field(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}
