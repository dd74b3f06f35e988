use std::collections::BTreeSet;

use icf_auc::config::IcfConfig;

use super::super::super::fault::Fault;
use super::super::super::finding::{Finding, Verdict};
use super::super::super::ours::{self, From, PeerNow, Span, Told};
use super::super::super::{free_diameter, theirs};
use super::super::broken::Broken;
use super::super::compare;
use super::*;

const ICF: &str = r#"
[diameter]
origin_host = "icf.example"
origin_realm = "example"
listen = ["tcp://192.0.2.10:3868"]
peers = [
  { identity = "mme.localdomain" },
  { identity = "hss.localdomain", connect = "tcp://127.0.0.8:3868" },
]
[database]
url = "sqlite://icf.db"
[keys]
at_rest = { file = "at-rest.key" }
[relay]
hss = "hss.localdomain"
realm = "localdomain"
prefixes = ["99970"]
ours = ["999700000500000-999700000599999"]
"#;

const MME_YAML: &str = "\
mme:
  freeDiameter: /etc/freeDiameter/mme.conf
  hss_map:
    - plmn_id: { mcc: 999, mnc: 70, realm: example, host: icf.example }
";

const MME_CONF: &str = r#"Identity = "mme.localdomain"; SecPort = 0;
Realm = "localdomain"; LoadExtension = "dict_rfc5777.fdx"; LoadExtension = "dict_mip6i.fdx"; LoadExtension = "dict_nasreq.fdx"; LoadExtension = "dict_dcca.fdx"; LoadExtension = "dict_dcca_3gpp.fdx";
ConnectPeer = "icf.example" { ConnectTo = "192.0.2.10"; No_TLS; Prefer_TCP; };
"#;

const HSS_CONF: &str = r#"Identity = "hss.localdomain";
Realm = "localdomain";
ConnectPeer = "icf.example" { ConnectTo = "192.0.2.10"; No_TLS; };
"#;

const GOOD: [(&str, &str); 4] =
    [("icf.toml", ICF), ("mme.yaml", MME_YAML), ("mme.conf", MME_CONF), ("hss.conf", HSS_CONF)];

fn named<T>(name: &str, content: Result<T, Fault>) -> Option<File<T>> {
    Some(File { name: name.to_owned(), content: content.unwrap() })
}

/// What is said of the good files with one of them changed, and of an HSS in this state.
fn findings_of(file: &str, from: &str, to: &str, hss: Option<PeerState>) -> Vec<Finding> {
    let text = |name: &str| {
        let (_, text) = GOOD.iter().find(|(known, _)| *known == name).unwrap();
        if name != file {
            return (*text).to_owned();
        }
        assert!(text.contains(from), "{from:?} is not in {name}");
        text.replace(from, to)
    };
    let config: IcfConfig = service::config::Loader::text("icf.toml", text("icf.toml")).load().unwrap();
    let told = Told {
        provisional: Some("999-70".parse().unwrap()),
        range: Some("999700000500000-999700000599999".parse().unwrap()),
    };
    let mut ours = ours::from_config(config, "icf.toml".to_owned(), &told).unwrap();
    let issued = Span { first: "999700000500001".parse().unwrap(), last: "999700000500100".parse().unwrap() };
    ours.issued.push(From::new(issued, "batch first"));
    let now = |identity: &str, state| PeerNow { identity: identity.to_owned(), state };
    ours.peers = Some(
        [("mme.localdomain", Some(PeerState::Open)), ("hss.localdomain", hss)]
            .into_iter()
            .filter_map(|(identity, state)| Some(now(identity, state?)))
            .collect(),
    );
    let core = Core {
        mme: named("mme.yaml", theirs::mme(text("mme.yaml").as_bytes())),
        free_diameter: named("mme.conf", free_diameter::read(text("mme.conf").as_bytes())),
        hss: named("hss.conf", free_diameter::read(text("hss.conf").as_bytes())),
        ..Core::default()
    };
    compare(&ours, &core).0
}

fn of_relay(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|one| one.check.starts_with("relay-")).collect()
}

#[test]
fn of_files_that_are_right_everything_is_good() {
    let findings = findings_of("icf.toml", "", "", Some(PeerState::Open));
    let bad: Vec<_> =
        findings.iter().filter(|one| !matches!(one.verdict, Verdict::Good | Verdict::Unseen)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let checks: BTreeSet<&str> = of_relay(&findings).iter().map(|one| one.check).collect();
    assert_eq!(checks.len(), 8, "{checks:?}");
}

#[rustfmt::skip]
const BROKEN: &[Broken] = &[
    Broken { file: "icf.toml", from: "prefixes = [\"99970\"]", to: "prefixes = [\"9997\"]", check: "relay-keys", verdict: Verdict::Wrong,
        place: "icf.toml [relay]", says: "relay.prefixes: digits that the shared IMSIs begin with" },
    Broken { file: "icf.toml", from: "ours = ", to: "pending = 0\nours = ", check: "relay-keys", verdict: Verdict::Wrong,
        place: "icf.toml [relay]", says: "relay.pending: 1 to 65536 requests each way" },
    Broken { file: "icf.toml", from: "identity = \"hss.localdomain\"", to: "identity = \"hss2.localdomain\"", check: "relay-peer", verdict: Verdict::Wrong,
        place: "icf.toml [diameter] peers", says: "hss.localdomain, the HSS of [relay], is not listed: add { identity = \"hss.localdomain\"" },
    Broken { file: "icf.toml", from: "\"hss.localdomain\", connect", to: "\"hss.localdomain\", realm = \"far\", connect", check: "relay-peer",
        verdict: Verdict::Wrong, place: "icf.toml [diameter] peers", says: "has to be of realm far, and [relay] sends to localdomain" },
    Broken { file: "hss.conf", from: "Identity = \"hss.", to: "Identity = \"hss7.", check: "relay-hss", verdict: Verdict::Wrong,
        place: "hss.conf", says: "Identity is hss7.localdomain, and [relay] of icf.toml says hss.localdomain: write hss7.localdomain in [relay]" },
    Broken { file: "hss.conf", from: "Realm = \"localdomain\"", to: "Realm = \"home\"", check: "relay-hss", verdict: Verdict::Wrong,
        place: "hss.conf", says: "Realm is home, and [relay] of icf.toml says localdomain" },
    Broken { file: "hss.conf", from: "ConnectPeer = \"icf.example\"", to: "ConnectPeer = \"mme.localdomain\"", check: "relay-hss", verdict: Verdict::Wrong,
        place: "hss.conf", says: "no ConnectPeer for icf.example: add one" },
    Broken { file: "hss.conf", from: "No_TLS; ", to: "", check: "relay-hss", verdict: Verdict::Wrong,
        place: "hss.conf:3", says: "has to come with TLS, and the ICF connects without: write No_TLS" },
    Broken { file: "icf.toml", from: "tcp://127.0.0.8:3868", to: "tls://127.0.0.8:5868", check: "relay-hss", verdict: Verdict::Wrong,
        place: "hss.conf:3", says: "is No_TLS, and the ICF connects with TLS: take No_TLS away" },
    Broken { file: "icf.toml", from: "999700000500000-", to: "999700000500050-", check: "relay-ours", verdict: Verdict::Wrong,
        place: "icf.toml [relay] ours", says: "999700000500001 (batch first) is in none of these ranges: it goes on to hss.localdomain: add its range" },
    Broken { file: "icf.toml", from: "599999\"]", to: "599999\", \"999710000000000-999710000000009\"]", check: "relay-ours", verdict: Verdict::Doubtful,
        place: "icf.toml [relay] ours", says: "999710000000000-999710000000009 begins with none of prefixes: 99970: a slip?" },
    Broken { file: "mme.yaml", from: "realm: example, host: icf.example", to: "realm: localdomain, host: hss.localdomain", check: "relay-map", verdict: Verdict::Wrong,
        place: "mme.yaml:4", says: "999700000000000 (prefix 99970 of [relay]) goes to hss.localdomain in localdomain, past the ICF: one entry for this network, with realm: example, host: icf.example" },
    Broken { file: "mme.yaml", from: "mnc: 70", to: "mnc: 71", check: "relay-map", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "goes to the MME's own realm localdomain, past the ICF" },
    Broken { file: "icf.toml", from: "prefixes = [\"99970\"]", to: "prefixes = [\"99970\", \"00101\"]", check: "relay-map", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "001010000000000 (prefix 00101 of [relay]) goes to the MME's own realm" },
    Broken { file: "icf.toml", from: "prefixes = [\"99970\"]", to: "prefixes = [\"999700000\"]", check: "relay-prefixes", verdict: Verdict::Doubtful,
        place: "icf.toml [relay] prefixes", says: "999700000: all of 999-70 comes here (mme.yaml:4), and what does not begin with it is unknown here: write \"99970\"" },
    Broken { file: "mme.conf", from: "ConnectPeer", to: "ConnectPeer = \"hss.localdomain\" { ConnectTo = \"127.0.0.8\"; No_TLS; };\nConnectPeer",
        check: "relay-direct", verdict: Verdict::Doubtful, place: "mme.conf:3", says: "connects to hss.localdomain as well: take it away" },
];

#[test]
fn each_thing_that_can_be_wrong_is_found_with_its_place_and_remedy() {
    for broken in BROKEN {
        let findings = findings_of(broken.file, broken.from, broken.to, Some(PeerState::Open));
        broken.is_found(&findings);
        broken.is_the_worst(findings);
    }
}

#[test]
fn every_check_is_shown_to_fail() {
    let findings = findings_of("icf.toml", "", "", Some(PeerState::Open));
    let good: BTreeSet<&str> = of_relay(&findings).iter().map(|one| one.check).collect();
    let broken: BTreeSet<&str> = BROKEN.iter().map(|one| one.check).collect();
    let never: Vec<_> = good.difference(&broken).filter(|check| **check != "relay-connected").collect();
    assert!(never.is_empty(), "no test breaks {never:?}");
}

#[test]
fn an_hss_that_is_not_open_is_found() {
    for (state, says, remedy) in [
        (Some(PeerState::Down), "hss.localdomain is down", "is the HSS running?"),
        (None, "is not there, though icf.toml lists it", "start the ICF again"),
    ] {
        let findings = findings_of("icf.toml", "", "", state);
        let one = findings.iter().find(|one| one.check == "relay-connected").unwrap();
        assert_eq!(one.verdict, Verdict::Wrong);
        assert!(one.found.contains(says) && one.remedy.contains(remedy), "{one:?}");
    }
}

#[test]
fn what_was_not_given_is_unseen_and_without_a_relay_nothing_is_said() {
    let load = |text: String| service::config::Loader::text("icf.toml", text).load::<IcfConfig>().unwrap();
    let told = Told { provisional: Some("999-70".parse().unwrap()), ..Told::default() };
    let ours = ours::from_config(load(ICF.to_owned()), "icf.toml".to_owned(), &told).unwrap();
    let findings = compare(&ours, &Core::default()).0;
    let unseen = of_relay(&findings).into_iter().filter(|one| one.verdict == Verdict::Unseen);
    assert_eq!(unseen.map(|one| one.check).collect::<Vec<_>>(), ["relay-connected", "relay-hss"]);
    let (without, _) = ICF.split_once("[relay]").unwrap();
    let ours = ours::from_config(load(without.to_owned()), "icf.toml".to_owned(), &told).unwrap();
    assert!(of_relay(&compare(&ours, &Core::default()).0).is_empty());
}

#[test]
fn hss_yaml_leads_to_its_freediameter_as_mme_yaml_does_and_need_not_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let place = super::super::Where { folder: Some(folder.path().to_owned()), ..Default::default() };
    assert!(place.read(true).unwrap().hss.is_none());
    let conf = at("hss.conf");
    std::fs::write(&conf, HSS_CONF).unwrap();
    std::fs::write(at("hss.yaml"), format!("hss:\n  freeDiameter: {}\n", conf.display())).unwrap();
    let hss = place.read(true).unwrap().hss.unwrap();
    assert_eq!((hss.name.as_str(), hss.content.connects.len()), ("hss.conf", 1));
    std::fs::write(
        at("hss.yaml"),
        "hss:\n  freeDiameter:\n    identity: hss.localdomain\n    realm: localdomain\n",
    )
    .unwrap();
    let hss = place.read(true).unwrap().hss.unwrap();
    assert_eq!((hss.name.as_str(), hss.content.identity.as_deref()), ("hss.yaml", Some("hss.localdomain")));
}
