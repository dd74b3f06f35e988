//! Two operators side by side at one DPF and one DRF: none sees what is the other's, on any path.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    child::Child,
    ports,
    roles::{Role, Roles, wait},
};
use serde_json::{Value, json};

use super::rig::{Device, Rig, field, session_of, status};

/// The second operator, with an HSS of its own, and a subscriber of each.
struct Two {
    rig: Rig,
    /// REST of the second SHO, and of its HSS.
    sho: u16,
    hss: u16,
    _others: [Child; 2],
    devices: [(Device, String); 2],
    imsis: [String; 2],
}

const IDS: [&str; 2] = ["sho-a", "sho-b"];

impl Two {
    fn start() -> Result<Self> {
        let mut roles = Roles::new()?;
        let folder = roles.folder().to_owned();
        let base = roles.hss_diameter - 8;
        let (sho, hss, diameter) = (ports::free()?, ports::free()?, ports::free()?);
        callhome::run(&[
            "pki",
            "init",
            "--out",
            &folder.join("pki").to_string_lossy(),
            "--operator",
            "sho-b",
        ])?;
        let port = |number: u16| format!("127.0.0.1:{number}\"");
        rewrite(
            &folder,
            "sho",
            "sho-b",
            &[
                (&port(base + 4), &port(sho)),
                (&port(base + 7), &port(hss)),
                ("sho.db", "sho-b.db"),
                ("sho-a", "sho-b"),
                // Not the names of the token files.
                ("sho-bt-", "sho-at-"),
                ("999-01", "999-02"),
            ],
        )?;
        rewrite(
            &folder,
            "hss",
            "hss-b",
            &[
                (&port(base + 7), &port(hss)),
                (&port(base + 8), &port(diameter)),
                ("hss.db", "hss-b.db"),
                ("mnc001", "mnc002"),
            ],
        )?;
        for (role, scopes) in [("dpf", "\"sessions:read\""), ("drf", "\"devices:read\", \"triggers:read\"")] {
            let mut tokens = "tokens = [\n".to_owned();
            for operator in IDS {
                let hash = token(&folder.join(format!("{operator}-at-{role}")))?;
                tokens += &format!(
                    "  {{ name = \"{operator}-people\", hash = \"{hash}\", scopes = [{scopes}, \"operator:{operator}\"] }},\n"
                );
            }
            rewrite(&folder, role, role, &[("tokens = [\n", &tokens)])?;
        }
        let dpf = std::fs::read_to_string(folder.join("dpf.toml"))?;
        let (_, first) = dpf.split_once("[[operators]]").context("the lab's DPF has an operator")?;
        let second = first.replace("sho-a", "sho-b").replace(&port(base + 4), &port(sho));
        std::fs::write(folder.join("dpf.toml"), format!("{dpf}\n[[operators]]{second}"))?;
        for role in Role::ALL {
            roles.start(role)?;
        }
        let others = [child(&folder, "icf", "hss-b")?, child(&folder, "sho", "sho-b")?];
        let mut rig = Rig::with(roles)?;
        rig.put(Role::Drf, "/v1/operators/sho-b", json!({ "name": "B", "plmns": ["999-02"] }))?;
        let devices = [rig.made("sho-a", json!({}))?, rig.made("sho-b", json!({}))?];
        let [a, b] = devices;
        let sessions = [String::new(), String::new()];
        let [at_a, at_b] = sessions;
        let mut two = Self {
            rig,
            sho,
            hss,
            _others: others,
            devices: [(a, at_a), (b, at_b)],
            imsis: [String::new(), String::new()],
        };
        two.put(
            sho,
            "/v1/number-ranges/tests",
            json!({ "kind": "imsi", "first": "999020000000001", "count": 9 }),
        )?;
        two.contract(1)?;
        for which in 0..2 {
            let device = two.devices[which].0.clone();
            two.devices[which].1 = two.rig.authorised(&device)?;
            // Signed by the device's own operator, which the device verifies against its RNCT.
            let installed = two.rig.fetches(&device)?;
            two.imsis[which] = field(&installed, "imsi")?;
            ensure!(status(&two.rig.does(&device, "report", json!({}))?) == 204);
        }
        let dpf = two.rig.base + 2;
        for which in 0..2 {
            let path = format!("/v1/sessions/{}", two.devices[which].1);
            wait("the session to be closed", || {
                Ok(two.get(dpf, &path, "token")?["json"]["state"] == "closed")
            })?;
        }
        Ok(two)
    }

    fn contract(&mut self, which: usize) -> Result<()> {
        let path = format!("/v1/contracts/{}", self.devices[which].0.id);
        self.put(self.sho, &path, json!({ "terms": { "plan": "tests" } }))
    }

    fn put(&mut self, port: u16, path: &str, body: Value) -> Result<()> {
        let answer = self.rest("PUT", port, path, "token", Some(body))?;
        ensure!(status(&answer) / 100 == 2, "{path}: {answer}");
        Ok(())
    }

    /// What a role at `port` answers to who has the token of this name.
    fn get(&mut self, port: u16, path: &str, token: &str) -> Result<Value> {
        self.rest("GET", port, path, token, None)
    }

    fn rest(
        &mut self,
        method: &str,
        port: u16,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let token = self.rig.roles.folder().join(token);
        let mut order = json!({
            "do": "rest", "method": method, "path": path, "token": token,
            "url": format!("https://127.0.0.1:{port}"),
        });
        if let Some(body) = body {
            order["body"] = body;
        }
        let answer = self.rig.ask(&order)?;
        ensure!(answer["error"].is_null(), "{method} {path}: {}", answer["error"]);
        Ok(answer)
    }
}

/// A configuration made of another one; each replacement has to find something.
fn rewrite(folder: &Path, from: &str, to: &str, replacements: &[(&str, &str)]) -> Result<()> {
    let mut text = std::fs::read_to_string(folder.join(format!("{from}.toml")))?;
    for (old, new) in replacements {
        ensure!(text.contains(old), "{from}.toml has no {old}");
        text = text.replace(old, new);
    }
    std::fs::write(folder.join(format!("{to}.toml")), text)?;
    Ok(())
}

/// Writes a new token to a file; gives its hash.
fn token(file: &Path) -> Result<String> {
    let printed = callhome::run(&["keys", "token"])?;
    let field = |name: &str| {
        let mut pairs = printed.lines().filter_map(|line| line.split_once(char::is_whitespace));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
    };
    std::fs::write(file, field("token").context("`callhome keys token` prints no token")?)?;
    field("hash").context("`callhome keys token` prints no hash")
}

fn child(folder: &Path, subcommand: &str, name: &str) -> Result<Child> {
    let mut command = Command::new(callhome::binary()?);
    command.arg(subcommand).arg("--config").arg(folder.join(format!("{name}.toml"))).env_remove("RUST_LOG");
    let mut child = Child::start(name, command, &folder.join(format!("{name}.log")))?;
    // What is said of REST is said when it listens.
    child.wait_for("REST", Duration::from_secs(60), |log| log.contains("/docs"))?;
    Ok(child)
}

/// The items of a page.
fn items(answer: &Value) -> Result<Vec<Value>> {
    ensure!(status(answer) == 200, "{answer}");
    answer["json"]["items"].as_array().cloned().with_context(|| format!("no page: {answer}"))
}

#[test]
fn no_operator_sees_another_ones_subscriber() -> Result<()> {
    let mut two = Two::start()?;
    ensure!(two.imsis[0].starts_with("99901") && two.imsis[1].starts_with("99902"), "{:?}", two.imsis);
    let (drf, dpf) = (two.rig.base, two.rig.base + 2);
    let (sho, hss) = ([two.rig.base + 4, two.sho], [two.rig.base + 7, two.hss]);
    for (mine, theirs) in [(0, 1), (1, 0)] {
        let (other, session) = two.devices[theirs].clone();
        let own = two.devices[mine].0.clone();
        let (at_dpf, at_drf) = (format!("{}-at-dpf", IDS[mine]), format!("{}-at-drf", IDS[mine]));

        // DPF, with the token of the operator's people.
        let sessions = items(&two.get(dpf, "/v1/sessions", &at_dpf)?)?;
        ensure!(sessions.len() == 1 && sessions[0]["device_id"] == own.id.as_str(), "{sessions:?}");
        let asked = two.get(dpf, &format!("/v1/sessions/{session}"), &at_dpf)?;
        ensure!(status(&asked) == 404, "{asked}");
        let asked = two.get(dpf, &format!("/v1/sessions?operator={}", IDS[theirs]), &at_dpf)?;
        ensure!(status(&asked) == 403, "{asked}");
        let of_pcid = items(&two.get(dpf, &format!("/v1/sessions?pcid={}", other.pcid), &at_dpf)?)?;
        ensure!(of_pcid.is_empty(), "{of_pcid:?}");

        // DRF.
        let devices = items(&two.get(drf, "/v1/devices", &at_drf)?)?;
        ensure!(devices.len() == 1 && devices[0]["pcid"] == own.pcid.as_str(), "{devices:?}");
        let asked = two.get(drf, &format!("/v1/devices/{}", other.pcid), &at_drf)?;
        ensure!(status(&asked) == 404, "{asked}");
        let triggers = two.get(drf, "/v1/triggers", &at_drf)?;
        ensure!(!triggers.to_string().contains(&other.pcid), "{triggers}");

        // SHO, as its administrator; and what its connector wrote to its HSS.
        let subscriptions = items(&two.get(sho[mine], "/v1/subscriptions", "token")?)?;
        ensure!(subscriptions.len() == 1 && subscriptions[0]["imsi"] == two.imsis[mine].as_str());
        let missing = [
            format!("/v1/subscriptions/{}", two.imsis[theirs]),
            format!("/v1/provisioning/{session}"),
            format!("/v1/contracts/{}", other.id),
        ];
        for path in missing {
            let asked = two.get(sho[mine], &path, "token")?;
            ensure!(status(&asked) == 404, "{path}: {asked}");
        }
        let audit = two.get(sho[mine], "/v1/audit?limit=499", "token")?;
        ensure!(status(&audit) == 200 && audit.to_string().contains(&own.id), "{audit}");
        ensure!(!audit.to_string().contains(&session), "{audit}");
        let known = items(&two.get(hss[mine], "/v1/credentials", "token")?)?;
        ensure!(known.len() == 1 && known[0]["imsi"] == two.imsis[mine].as_str(), "{known:?}");
    }
    Ok(())
}

/// The device of one operator names another one, and an operator asks for an update in another one's name.
#[test]
fn no_operator_is_reached_in_another_ones_name() -> Result<()> {
    let mut two = Two::start()?;
    let device = two.rig.made("sho-b", json!({}))?;
    two.rig.does(&device, "hello", json!({}))?;
    let answer = two.rig.does(&device, "start", json!({ "body": { "operator": "sho-a" } }))?;
    let session = session_of(&answer)?;
    ensure!(status(&two.rig.does(&device, "evidence", json!({}))?) == 200);
    let decided = two.rig.decided(&device)?;
    ensure!(decided["state"] == "refused" && decided["problem"]["code"] == "no-contract", "{decided}");
    two.rig.audited(Role::Sho, "provisioning.refuse", &session, "no-contract")?;
    let subscriptions = two.rig.roles.items(Role::Sho, "/v1/subscriptions")?;
    ensure!(subscriptions.len() == 1, "{subscriptions:?}");

    // The lab's token of sho-a, which may ask for updates.
    let (dpf, other) = (two.rig.base + 2, two.devices[1].0.clone());
    let update = json!({
        "id": "00000000-0000-4000-8000-000000000003", "pcid": other.pcid, "operator": "sho-b",
    });
    let asked = two.rest("POST", dpf, "/v1/updates", "tokens/sho-at-dpf", Some(update))?;
    ensure!(status(&asked) == 403, "{asked}");
    two.rig.audited(Role::Dpf, "updates.create", "", "403")
}
