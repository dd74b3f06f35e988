//! R5: who hosts what. A role is where its configuration says and whose token it takes; so each can be hosted by another
//! role's operator, and a device comes to its end all the same.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    child::{Child, tail},
    gate::Held,
    roles::{self, Access, Role, Roles},
};
use serde_json::{Value, json};

/// Authentication-Information (TS 29.272 §7.2.5).
const AIR: u32 = 318;

/// A device by 3GPP access, to its end: what it told, its PCID, and its IMSI.
fn device(roles: &Roles) -> Result<(Vec<Value>, String, String)> {
    through(roles.device(Access::Eps, "device.log")?)
}

/// As [`device`], of one that is under way.
fn through(mut device: Child) -> Result<(Vec<Value>, String, String)> {
    let end = device.wait(Duration::from_secs(120))?;
    ensure!(end.success(), "the device ends with {end}:\n{}", tail(&device.log()));
    let story = roles::told(&device.log());
    let told = roles::steps(&story);
    ensure!(told == (1..=19).collect::<Vec<u64>>(), "steps {told:?}");
    let begin = story.iter().find(|line| line["device"].is_string()).context("nobody has begun")?;
    let pcid = begin["pcid"].as_str().context("no PCID")?.to_owned();
    let last = story.iter().rfind(|line| line["attached"].is_string()).context("nobody is attached")?;
    ensure!(last["authenticated_by"] == "the SHO's HSS", "{last}");
    let imsi = last["attached"].as_str().context("no IMSI")?.to_owned();
    Ok((story, pcid, imsi))
}

fn put(roles: &Roles, role: Role, path: &str, body: &Value) -> Result<()> {
    let answer = roles.request(role, "PUT", path, Some(body))?;
    ensure!(answer.status / 100 == 2, "{} {path}: {} {}", role.name(), answer.status, answer.body);
    Ok(())
}

/// "In some cases the role of the Platform Validation Authority and the Download and Provisioning Function may be hosted by
/// the Selected Home Telecoms Operator" (seed, section 1). The operator's entry in the registry names its own DPF, which has
/// the operator's certificate, and the one that the registry would have sent devices to is not there at all; the PVA too is
/// the operator's, by its certificate. All three run on its machine.
#[test]
fn pva_and_dpf_are_hosted_by_the_selected_home_operator() -> Result<()> {
    let mut roles = Roles::new()?;
    let tls = |of: &str| {
        let path = |extension: &str| roles.folder().join(format!("pki/{of}.tls.{extension}"));
        format!("{{ cert = {:?}, key = {:?} }}", path("crt"), path("key"))
    };
    // The operator's certificate says that it serves these roles too; with one that does not, nobody would speak to them.
    let pki = roles.folder().join("pki");
    for file in ["sho-a.tls.crt", "sho-a.tls.key"] {
        std::fs::remove_file(pki.join(file))?;
    }
    let pki = pki.to_str().context("a folder whose name is not UTF-8")?;
    callhome::run(&["pki", "init", "--out", pki, "--serves", "sho-a=dpf", "--serves", "sho-a=pva"])?;
    for role in [Role::Dpf, Role::Pva] {
        roles.rewrite(role, &[(&tls(role.name()), &tls("sho-a"))])?;
    }
    // Nobody listens at the registry's own.
    let own = format!("https://127.0.0.1:{}", (roles.hss_diameter - 8) + 3);
    roles.rewrite(Role::Drf, &[(&format!("dpf = \"{own}\""), "dpf = \"https://127.0.0.1:9\"")])?;
    let gate = roles.gate_at_icf()?;
    roles.start_all()?;
    // The lab knows the operator without a DPF of its own: its entry is changed when the device attaches.
    gate.hold(Held::Request(AIR));
    let device = roles.device(Access::Eps, "device.log")?;
    roles::wait("the device to attach", || Ok(gate.holds()))?;
    let entry = json!({ "name": "A", "plmns": ["999-01"], "dpf": own });
    put(&roles, Role::Drf, "/v1/operators/sho-a", &entry)?;
    gate.open();
    let (_, pcid, imsi) = through(device)?;
    ensure!(imsi.starts_with("99901") && pcid.starts_with("99971"), "{pcid} became {imsi}");
    Ok(())
}

/// A role is not spoken to as another, though both are on one host and under one root: so who has broken into one has no
/// other's name.
#[test]
fn a_role_with_the_certificate_of_another_role_is_not_spoken_to() -> Result<()> {
    let mut roles = Roles::new()?;
    for role in [Role::Pva, Role::Drf] {
        roles.start(role)?;
    }
    let at = |file: &str| roles.folder().join(file).display().to_string();
    let drf = format!("https://127.0.0.1:{}", roles.hss_diameter - 8);
    let (ca, token) = (at("pki/root.crt"), at("token"));
    // The client of the ICF's REST, led to the DRF.
    let error = callhome::run(&["credentials", "list", "--url", &drf, "--ca", &ca, "--token-file", &token]);
    let said = error.err().context("the DRF is taken for an ICF")?.to_string();
    ensure!(said.contains("its certificate is that of DRF, and the ICF is asked"), "{said}");
    Ok(())
}

/// "The App-ID Registry could also serve as the Visited Telecoms Operator" (seed, section 1): the MME is of the PLMN that the
/// PCIDs have, and the ICF is in its own realm.
#[test]
fn the_registry_is_the_visited_operator_too() -> Result<()> {
    let mut roles = Roles::new()?;
    roles.start_all()?;
    put(&roles, Role::Icf, "/v1/profiles/default", &only_in("999-71"))?;
    roles.visited = "registry";
    let (story, pcid, imsi) = device(&roles)?;
    ensure!(imsi.starts_with("99901"), "{pcid} became {imsi}");
    ensure!(began_at(&story, &pcid, "999-71"), "{story:?}");
    Ok(())
}

/// "The Visited Telecoms Operator and Selected Home Telecoms Operator may be the same operator, although they will be logically
/// separate entities until the device has declared the identity of its Selected Home Operator" (seed, section 1).
#[test]
fn the_visited_operator_is_the_selected_home_operator() -> Result<()> {
    let mut roles = Roles::new()?;
    roles.start_all()?;
    put(&roles, Role::Icf, "/v1/profiles/default", &only_in("999-01"))?;
    roles.visited = "home";
    let (story, pcid, imsi) = device(&roles)?;
    // In one network all the time: first as a visitor, then at home.
    ensure!(began_at(&story, &pcid, "999-01") && began_at(&story, &imsi, "999-01"), "{story:?}");
    // Logically separate: what it was as a visitor, its home has never heard of.
    let known = |role: Role, imsi: &str| -> Result<u16> {
        Ok(roles.request(role, "GET", &format!("/v1/credentials/{imsi}"), None)?.status)
    };
    ensure!(known(Role::Hss, &pcid)? == 404 && known(Role::Icf, &imsi)? == 404);
    Ok(())
}

/// A network that is not allowed to lend the first attach gets no vector: so the two tests above show what they say.
#[test]
fn another_network_than_is_allowed_does_not_lend_the_first_attach() -> Result<()> {
    let mut roles = Roles::new()?;
    roles.start_all()?;
    put(&roles, Role::Icf, "/v1/profiles/default", &only_in("999-01"))?;
    let mut device = roles.device(Access::Eps, "device.log")?;
    ensure!(!device.wait(Duration::from_secs(60))?.success(), "{}", tail(&device.log()));
    ensure!(device.log().contains("not attached"), "{}", tail(&device.log()));
    Ok(())
}

/// Whether the device began an attach as this IMSI in this network.
fn began_at(story: &[Value], imsi: &str, plmn: &str) -> bool {
    story.iter().any(|line| {
        let detail = line["event"]["detail"].as_str().unwrap_or_default();
        line["event"]["step"] == "attach_begins" && detail == format!("IMSI {imsi} at network {plmn}")
    })
}

/// What the lab's profile allows, in one visited network.
fn only_in(plmn: &str) -> Value {
    let rates = json!({ "uplink": 256_000, "downlink": 256_000 });
    json!({
        "apns": [{ "name": "provisioning", "ambr": rates }], "ambr": rates,
        "address_pool": "127.45.128.0/17", "allowed_plmns": { "only": [plmn] },
    })
}
