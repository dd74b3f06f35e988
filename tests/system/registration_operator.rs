//! R13: a PCID that already belongs to the Registration Operator is kept. The device needs no RNCP: what its IMSI was good for
//! was narrow, and from now on is not. ICF and DRF are processes of their own, and the MME is python-diameter's.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    aka::Subscriber,
    osmo,
    python::{self, Mme},
    roles::{Role, Roles, wait},
};
use serde_json::{Value, json};

const PLMN: [u8; 3] = [0x99, 0xf9, 0x07];
/// The ICF of the lab.
const ICF: &str = "icf.epc.mnc071.mcc999.3gppnetwork.org";
const REALM: &str = "epc.mnc071.mcc999.3gppnetwork.org";

/// What a profile allows: its APN, bit/s, and how many attaches.
fn profile(apn: &str, rate: u32, attaches: Option<u32>) -> Value {
    let rates = json!({ "uplink": rate, "downlink": 2 * rate });
    json!({
        "apns": [{ "name": apn, "ambr": rates }], "ambr": rates, "attach_budget": attaches,
        "address_pool": "127.45.128.0/17",
    })
}

fn put(roles: &Roles, role: Role, path: &str, body: &Value) -> Result<()> {
    let answer = roles.request(role, "PUT", path, Some(body))?;
    ensure!(answer.status / 100 == 2, "{} {path}: {} {}", role.name(), answer.status, answer.body);
    Ok(())
}

/// APN and UE-AMBR, up, in Subscription-Data.
fn allowed(avps: &Value) -> Result<(String, u64)> {
    let data = |path: &[&str]| {
        let whole: Vec<&str> = ["Subscription-Data"].iter().chain(path).copied().collect();
        python::at(avps, &whole).with_context(|| format!("no {whole:?} in {avps:#}"))
    };
    let apn = data(&["APN-Configuration-Profile", "APN-Configuration", "Service-Selection"])?;
    let rate = data(&["AMBR", "Max-Requested-Bandwidth-UL"])?;
    Ok((apn.as_str().context("no APN")?.to_owned(), rate.as_u64().context("no rate")?))
}

/// An ICF, a DRF, and a device in the registry, bound to `operator`.
fn roles(subscriber: &Subscriber, operator: &str) -> Result<Roles> {
    let mut roles = Roles::new()?;
    roles.start(Role::Icf)?;
    roles.start(Role::Drf)?;
    put(&roles, Role::Icf, "/v1/profiles/default", &profile("provisioning", 64_000, Some(5)))?;
    put(&roles, Role::Icf, "/v1/profiles/full", &profile("internet", 50_000_000, None))?;
    let credential = serde_json::from_str(&subscriber.line())?;
    let stored = roles.request(Role::Icf, "POST", "/v1/credentials", Some(&credential))?;
    ensure!(stored.status == 201, "{} {}", stored.status, stored.body);
    let operator_of = json!({ "name": operator, "plmns": ["999-71"] });
    put(&roles, Role::Drf, &format!("/v1/operators/{operator}"), &operator_of)?;
    let device = format!("/v1/devices/{}", subscriber.imsi);
    put(
        &roles,
        Role::Drf,
        &device,
        &json!({ "device_id": "meter-1", "supplier": "acme", "model": "meter" }),
    )?;
    put(&roles, Role::Drf, &format!("{device}/contract"), &json!({ "operator": operator }))?;
    Ok(roles)
}

fn order(what: &str, imsi: &str) -> Value {
    json!({ "do": what, "imsi": imsi, "plmn": hex::encode(PLMN) })
}

/// The device attaches: AKA by another Milenage than ours, then what the MME is told that it may.
fn attach(mme: &mut Mme, subscriber: &Subscriber) -> Result<(String, u64)> {
    let answer = mme.ask(&order("air", &subscriber.imsi))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    osmo::verify(subscriber, &answer.vector()?, PLMN)?;
    let answer = mme.ask(&order("ulr", &subscriber.imsi))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    allowed(&answer.0["avps"])
}

#[test]
fn keeps_a_pcid_that_is_its_own_and_the_mme_is_told_what_it_is_good_for_now() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let imsi = &subscriber.imsi;
    let roles = roles(&subscriber, "registry")?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect_to(folder.path(), roles.diameter, ICF, REALM)?;
    mme.wait_ready()?;
    ensure!(attach(&mut mme, &subscriber)? == ("provisioning".into(), 64_000));

    let request = mme.event("request", Duration::from_secs(30))?;
    ensure!(request["class"] == "InsertSubscriberDataRequest", "{request:#}");
    ensure!(python::complaints(&request).is_empty(), "{:?}", python::complaints(&request));
    ensure!(python::at(&request["avps"], &["User-Name"]) == Some(&json!(imsi)));
    ensure!(allowed(&request["avps"])? == ("internet".into(), 50_000_000), "{request:#}");

    let credential = roles.get(Role::Icf, &format!("/v1/credentials/{imsi}"))?;
    ensure!(credential["profile"] == "full" && credential["state"] == "active", "{credential}");
    let device = roles.get(Role::Drf, &format!("/v1/devices/{imsi}"))?;
    ensure!(device["current_operator"] == "registry", "{device}");
    ensure!(roles.items(Role::Drf, &format!("/v1/triggers?pcid={imsi}"))?.is_empty(), "an RNCT was made");
    let registered = roles.items(Role::Icf, &format!("/v1/registrations/{imsi}"))?;
    ensure!(registered.len() == 1 && registered[0]["imsi"] == imsi.as_str(), "{registered:?}");

    // It stays so: more often than the narrow profile would have allowed, and without another word to the MME.
    for _ in 0..6 {
        ensure!(attach(&mut mme, &subscriber)? == ("internet".into(), 50_000_000));
    }
    let more = mme.event("request", Duration::from_secs(2));
    ensure!(more.is_err(), "the MME is told again: {more:?}");
    mme.stop()?;
    Ok(())
}

/// Two things that go wrong on the way: a DRF that is away at first, and one that dies before it is through.
#[test]
fn keeps_it_also_when_the_drf_is_away_for_a_while() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let mut roles = roles(&subscriber, "registry")?;
    roles.kill(Role::Drf)?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect_to(folder.path(), roles.diameter, ICF, REALM)?;
    mme.wait_ready()?;
    ensure!(attach(&mut mme, &subscriber)? == ("provisioning".into(), 64_000));
    roles.start(Role::Drf)?;
    roles.restart(Role::Drf)?;
    let request = mme.event("request", Duration::from_secs(60))?;
    ensure!(allowed(&request["avps"])? == ("internet".into(), 50_000_000), "{request:#}");
    mme.stop()?;
    Ok(())
}

#[test]
fn lifts_nothing_of_a_device_that_is_another_operators() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let imsi = &subscriber.imsi;
    let roles = roles(&subscriber, "sho-a")?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect_to(folder.path(), roles.diameter, ICF, REALM)?;
    mme.wait_ready()?;
    ensure!(attach(&mut mme, &subscriber)? == ("provisioning".into(), 64_000));
    wait("an RNCT", || Ok(!roles.items(Role::Drf, &format!("/v1/triggers?pcid={imsi}"))?.is_empty()))?;
    let told = mme.event("request", Duration::from_secs(2));
    ensure!(told.is_err(), "the MME is told: {told:?}");
    let credential = roles.get(Role::Icf, &format!("/v1/credentials/{imsi}"))?;
    ensure!(credential["profile"] == "default", "{credential}");
    mme.stop()?;
    Ok(())
}
