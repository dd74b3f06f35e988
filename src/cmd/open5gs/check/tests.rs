use std::collections::BTreeSet;

use icf_auc::config::IcfConfig;
use schemas::rest::PeerState;

use super::super::finding::{Finding, Verdict};
use super::super::ours::{self, Device, Devices, From, PeerNow, Span, Told};
use super::broken::Broken;
use super::*;

const ICF: &str = r#"
[diameter]
origin_host = "icf.epc.mnc071.mcc999.3gppnetwork.org"
origin_realm = "epc.mnc071.mcc999.3gppnetwork.org"
listen = ["tcp://192.0.2.10:3868"]
peers = [{ identity = "mme.localdomain", realm = "localdomain" }]
[database]
url = "sqlite://icf.db"
[keys]
at_rest = { file = "at-rest.key" }
[icf]
address_pool = "10.45.128.0/17"
"#;

const MME_YAML: &str = "\
mme:
  freeDiameter: /etc/freeDiameter/mme.conf
  hss_map:
    - plmn_id: { mcc: 999, mnc: 71, realm: epc.mnc071.mcc999.3gppnetwork.org, host: icf.epc.mnc071.mcc999.3gppnetwork.org }
    - plmn_id: { mcc: 999, mnc: 70, realm: localdomain, host: hss.localdomain }
";

const MME_CONF: &str = r#"Identity = "mme.localdomain"; SecPort = 0;
Realm = "localdomain"; LoadExtension = "dict_rfc5777.fdx"; LoadExtension = "dict_mip6i.fdx"; LoadExtension = "dict_nasreq.fdx"; LoadExtension = "dict_dcca.fdx"; LoadExtension = "dict_dcca_3gpp.fdx";
ConnectPeer = "icf.epc.mnc071.mcc999.3gppnetwork.org" { ConnectTo = "192.0.2.10"; Port = 3868; No_TLS; Prefer_TCP; };
"#;

const SMF: &str = "\
smf:
  session:
    - subnet: 10.45.0.0/16
      gateway: 10.45.0.1
      range:
        - 10.45.0.1-10.45.127.255
";

const UPF: &str = "\
upf:
  session:
    - subnet: 10.45.0.0/16
      gateway: 10.45.0.1
      dev: ogstun
";

const PCRF: &str = "\
pcrf:
  policy:
    - supi_range: [ 999710000000001-999719999999999 ]
      session:
        - name: provisioning
          type: 1
          qos: { index: 9, arp: { priority_level: 15, pre_emption_capability: 1, pre_emption_vulnerability: 2 } }
";

const GOOD: [(&str, &str); 6] = [
    ("icf.toml", ICF),
    ("mme.yaml", MME_YAML),
    ("mme.conf", MME_CONF),
    ("smf.yaml", SMF),
    ("upf.yaml", UPF),
    ("pcrf.yaml", PCRF),
];

/// What the checks say of the good files with one of them changed, and of a peer in this state.
fn findings_of(file: &str, from: &str, to: &str, state: Option<PeerState>) -> Vec<Finding> {
    let (ours, core) = both_sides(file, from, to, state);
    compare(&ours, &core).0
}

fn named<T>(name: &str, content: Result<T, Fault>) -> Result<File<T>, Unusable> {
    let name = name.to_owned();
    match content {
        Ok(content) => Ok(File { name, content }),
        Err(fault) => Err(Unusable { name, fault }),
    }
}

fn device(imsi: &str, address: &str) -> Device {
    Device { imsi: imsi.parse().unwrap(), profile: "default".to_owned(), address: address.parse().unwrap() }
}

fn both_sides(file: &str, from: &str, to: &str, state: Option<PeerState>) -> (Ours, Core) {
    let text = |name: &str| {
        let (_, text) = GOOD.iter().find(|(known, _)| *known == name).unwrap();
        if name == file {
            assert!(text.contains(from), "{from:?} is not in {name}");
        }
        if name == file { text.replace(from, to) } else { (*text).to_owned() }
    };
    let config: IcfConfig = service::config::Loader::text("icf.toml", text("icf.toml")).load().unwrap();
    let mut ours = ours::from_config(config, "icf.toml".to_owned(), &Told::default()).unwrap();
    let issued = Span { first: "999710000000001".parse().unwrap(), last: "999710000010000".parse().unwrap() };
    ours.issued.push(From::new(issued, "batch first"));
    ours.peers = Some(match state {
        Some(state) => vec![PeerNow { identity: "mme.localdomain".to_owned(), state }],
        None => Vec::new(),
    });
    let with_address = vec![device("999710000000001", "10.45.128.1")];
    ours.devices = Some(Devices { looked_at: 2, more: false, with_address });
    let text = |name: &str| text(name).into_bytes();
    let mut core = Core::default();
    core.mme = core.keep(named("mme.yaml", theirs::mme(&text("mme.yaml"))));
    core.free_diameter = core.keep(named("mme.conf", free_diameter::read(&text("mme.conf"))));
    core.smf = core.keep(named("smf.yaml", theirs::subnets(&text("smf.yaml"), "smf")));
    core.upf = core.keep(named("upf.yaml", theirs::subnets(&text("upf.yaml"), "upf")));
    core.pcrf = core.keep(named("pcrf.yaml", theirs::policies(&text("pcrf.yaml"))));
    (ours, core)
}

/// The findings of a check, as they are printed.
fn said(findings: &[Finding], check: &str) -> Vec<String> {
    let of = findings.iter().filter(|one| one.check == check);
    of.map(|one| format!("{:?} {}: {}: {}", one.verdict, one.place, one.found, one.remedy)).collect()
}

#[test]
fn of_files_that_are_right_everything_is_good() {
    let findings = findings_of("icf.toml", "", "", Some(PeerState::Open));
    let bad: Vec<_> = findings.iter().filter(|one| one.verdict != Verdict::Good).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let checks: BTreeSet<&str> = findings.iter().map(|one| one.check).collect();
    assert_eq!(checks.len(), 18, "{checks:?}");
    assert!(verdict(&Findings(findings)).unwrap().starts_with("nothing is wrong"));
}

/// Nothing in the files of 2.7.0 to 2.7.2 tells them from those of later versions, and those versions read neither.
#[test]
fn what_only_newer_versions_read_is_good_for_those() {
    let findings = findings_of("icf.toml", "", "", Some(PeerState::Open));
    for check in ["hss-map", "policy"] {
        let said = said(&findings, check);
        assert!(
            !said.is_empty() && said.iter().all(|one| one.contains("(Open5GS 2.7.3 or later)")),
            "{said:?}"
        );
    }
}

const OURS: &str = "realm: epc.mnc071.mcc999.3gppnetwork.org, host: icf.epc.mnc071.mcc999.3gppnetwork.org";

#[rustfmt::skip]
const BROKEN: &[Broken] = &[
    // Peering.
    Broken { file: "mme.conf", from: "ConnectPeer = \"icf.", to: "ConnectPeer = \"hss.", check: "connect", verdict: Verdict::Wrong,
        place: "mme.conf", says: "connects to hss.epc.mnc071.mcc999.3gppnetwork.org only: add a peer of the name icf." },
    Broken { file: "mme.conf", from: "No_TLS; ", to: "", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "write No_TLS, or add tls://" },
    Broken { file: "icf.toml", from: "tcp://192.0.2.10:3868", to: "tls://192.0.2.10:5868", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "take No_TLS away, or add tcp://" },
    Broken { file: "mme.conf", from: "Port = 3868", to: "Port = 3869", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "goes to port 3869, where the ICF does not listen: write Port = 3868" },
    Broken { file: "mme.conf", from: "Prefer_TCP", to: "TLS_old_method", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "take TLS_old_method away" },
    Broken { file: "icf.toml", from: "tcp://192.0.2.10:3868", to: "sctp://192.0.2.10:3869", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "write Port = 3869" },
    Broken { file: "mme.conf", from: "192.0.2.10", to: "192.0.2.11", check: "address", verdict: Verdict::Doubtful,
        place: "mme.conf:3", says: "goes to 192.0.2.11: is that the ICF?" },
    Broken { file: "mme.conf", from: "ConnectTo = \"192.0.2.10\"; ", to: "", check: "address", verdict: Verdict::Doubtful,
        place: "mme.conf:3", says: "write ConnectTo" },
    Broken { file: "mme.conf", from: " Prefer_TCP;", to: "", check: "sctp-first", verdict: Verdict::Doubtful,
        place: "mme.conf:3", says: "write Prefer_TCP" },
    Broken { file: "mme.conf", from: "Identity = \"mme.", to: "Identity = \"mme1.", check: "peer", verdict: Verdict::Wrong,
        place: "icf.toml [diameter] peers", says: "mme1.localdomain, the MME's Identity, is not listed: add it" },
    Broken { file: "icf.toml", from: "realm = \"localdomain\"", to: "realm = \"example\"", check: "peer", verdict: Verdict::Wrong,
        place: "icf.toml [diameter] peers", says: "realm example, and the MME says localdomain: write realm = \"localdomain\"" },
    Broken { file: "icf.toml", from: "identity = \"mme.localdomain\", realm = \"localdomain\" }]", to: "identity = \"a.b\" }]\naccept_unknown_peers = true",
        check: "peer", verdict: Verdict::Doubtful, place: "icf.toml [diameter] peers", says: "list it, and take accept_unknown_peers away" },
    Broken { file: "icf.toml", from: "realm = \"localdomain\"", to: "max_vectors = 5", check: "max-vectors", verdict: Verdict::Doubtful,
        place: "icf.toml [diameter] peers", says: "5: nothing comes of it with Open5GS's MME, which asks for one vector" },
    Broken { file: "icf.toml", from: "[icf]", to: "[icf]\nmax_vectors = 2", check: "max-vectors", verdict: Verdict::Doubtful,
        place: "icf.toml [diameter] peers", says: "max_vectors = 1 for this peer keeps it so" },
    Broken { file: "mme.conf", from: "Realm = \"localdomain\"", to: "Realm = \"epc.mnc071.mcc999.3gppnetwork.org\"", check: "realm", verdict: Verdict::Doubtful,
        place: "icf.toml", says: "give the ICF a realm of its own" },
    Broken { file: "mme.conf", from: "Prefer_TCP", to: "No_TCP", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "No_TCP: TCP is never tried, and the ICF listens for nothing else: take No_TCP away, or add sctp:// to [diameter] listen" },
    Broken { file: "mme.conf", from: "SecPort = 0;", to: "SecPort = 0; No_TCP;", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "No_TCP: TCP is never tried" },
    Broken { file: "icf.toml", from: "tcp://192.0.2.10:3868", to: "tls://192.0.2.10:5868\", \"tcp://192.0.2.10:3869", check: "transport", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "write Port = 3869" },
    Broken { file: "mme.conf", from: "Prefer_TCP", to: "Prefer_TCP; No_IP", check: "address", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "No_IP: 192.0.2.10 is never tried, and there is no other address: take No_IP away" },
    Broken { file: "mme.conf", from: "SecPort = 0;", to: "SecPort = 0; No_IP;", check: "address", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "No_IP: 192.0.2.10 is never tried" },
    Broken { file: "mme.conf", from: "\"192.0.2.10\"", to: "\"2001:db8::1\"; No_IP", check: "address", verdict: Verdict::Wrong,
        place: "mme.conf:3", says: "No_IP, and the ICF listens on addresses of that kind only" },
    Broken { file: "mme.conf", from: "Prefer_TCP", to: "Prefer_TCP; Realm = \"localdomain\"", check: "connect", verdict: Verdict::Doubtful,
        place: "mme.conf:3", says: "write Realm = \"epc.mnc071" },
    Broken { file: "mme.conf", from: "Realm = \"localdomain\";", to: "", check: "peer", verdict: Verdict::Good,
        place: "icf.toml [diameter] peers", says: "mme.localdomain is listed" },
    Broken { file: "mme.conf", from: "Identity = \"mme.localdomain\";", to: "", check: "peer", verdict: Verdict::Doubtful,
        place: "mme.conf", says: "Identity is missing: freeDiameter takes the host's own name" },
    // What freeDiameter itself would say.
    Broken { file: "mme.conf", from: "SecPort = 0;", to: "SecPort = 0", check: "file", verdict: Verdict::Wrong,
        place: "mme.conf:2:1", says: "Realm stands where ; has to: end SecPort of line 1 with a ;" },
    Broken { file: "mme.conf", from: "SecPort = 0;", to: "", check: "mme-tls", verdict: Verdict::Wrong,
        place: "mme.conf", says: "TLS_Cred is missing" },
    Broken { file: "mme.conf", from: "LoadExtension = \"dict_nasreq.fdx\";", to: "", check: "extensions", verdict: Verdict::Wrong,
        place: "mme.conf:2:", says: "dict_dcca is loaded, and dict_nasreq, on which it depends, is not loaded before it" },
    Broken { file: "mme.conf", from: "LoadExtension = \"dict_dcca_3gpp.fdx\";", to: "", check: "extensions", verdict: Verdict::Wrong,
        place: "mme.conf", says: "dict_dcca_3gpp is not loaded, without which the MME has no dictionary of S6a" },
    Broken { file: "mme.conf", from: "\"192.0.2.10\"", to: "\"icf.example\"", check: "mme-conf", verdict: Verdict::Doubtful,
        place: "mme.conf:3:", says: "ConnectTo = \"icf.example\" is a name, which is looked up when freeDiameter starts: write the address" },
    Broken { file: "mme.conf", from: MME_CONF, to: MME_YAML, check: "file", verdict: Verdict::Wrong,
        place: "mme.conf:1:1", says: "this is YAML, as mme.yaml is, not a configuration of freeDiameter: give it as --mme-yaml" },
    Broken { file: "mme.yaml", from: MME_YAML, to: MME_CONF, check: "file", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "this is a configuration of freeDiameter, not YAML of Open5GS: give it as --mme-conf" },
    // Routing.
    Broken { file: "mme.yaml", from: "hss_map:", to: "hss_nap:", check: "hss-map", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "there is no hss_map: 999710000000001 (batch first) goes to the MME's own realm: add plmn_id with mcc: 999, mnc: 71" },
    Broken { file: "mme.yaml", from: "mnc: 71", to: "mnc: 72", check: "hss-map", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "no entry matches 999710000000001 (batch first): it goes to the MME's own realm: line 4 leads to the ICF, but is for 999-72: \
            write mcc: 999, mnc: 71 there if it is meant for these, else add plmn_id with mcc: 999, mnc: 71" },
    Broken { file: "mme.yaml", from: "  hss_map:", to: "hss_map:", check: "hss-map", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "hss_map stands outside of mme:, line 3, where it is not read: 999710000000001 (batch first) goes to the MME's own realm: \
            put it into the section mme:, two spaces further in; else add plmn_id" },
    Broken { file: "mme.yaml", from: "mnc: 71", to: "mnc: \"071\"", check: "hss-map", verdict: Verdict::Wrong,
        place: "mme.yaml", says: "line 4 has mnc 071, which Open5GS takes for three digits: write mnc: \"71\"" },
    Broken { file: "mme.yaml", from: "  hss_map:\n", to: "  hss_map:\n    - plmn_id: { mcc: 999, mnc: 71, realm: localdomain, host: hss.localdomain }\n",
        check: "hss-map", verdict: Verdict::Wrong, place: "mme.yaml:4",
        says: "goes to hss.localdomain in localdomain: this entry matches first: the first match wins: put the entry of line 5 before it" },
    Broken { file: "mme.yaml", from: "mnc: 71, realm: epc.mnc071.mcc999.3gppnetwork.org, host: icf.epc.mnc071.mcc999.3gppnetwork.org }",
        to: "mnc: 71 }\n      realm: epc.mnc071.mcc999.3gppnetwork.org\n      host: icf.epc.mnc071.mcc999.3gppnetwork.org",
        check: "hss-map", verdict: Verdict::Doubtful, place: "mme.yaml:4", says: "realm or host stands beside plmn_id, where the MME does not read it: \
            it goes to the realm epc.mnc071.mcc999.3gppnetwork.org, the ICF's all the same, and to whichever host of it is connected: move them inside" },
    Broken { file: "mme.yaml", from: OURS, to: "realm: localdomain }\n      host: icf.epc.mnc071.mcc999.3gppnetwork.org #",
        check: "hss-map", verdict: Verdict::Wrong, place: "mme.yaml:4", says: "where the MME does not read it: it goes to realm localdomain: move them inside" },
    Broken { file: "mme.yaml", from: OURS, to: "realm: localdomain, host: icf.epc.mnc071.mcc999.3gppnetwork.org", check: "hss-map", verdict: Verdict::Wrong,
        place: "mme.yaml:4", says: "in localdomain: write inside plmn_id realm: epc.mnc071" },
    // What the MME makes of an entry without realm is the realm of the PLMN; without host, whoever is of that realm.
    Broken { file: "mme.yaml", from: OURS, to: "x: y", check: "hss-map", verdict: Verdict::Doubtful,
        place: "mme.yaml:4", says: "999-71 goes to the realm epc.mnc071.mcc999.3gppnetwork.org, to no host: write host: icf." },
    // The bearer.
    Broken { file: "smf.yaml", from: "      gateway", to: "      dnn: internet\n      gateway", check: "apn-smf", verdict: Verdict::Wrong,
        place: "smf.yaml", says: "no subnet of IPv4 serves APN provisioning, only internet: add a session with dnn: provisioning" },
    Broken { file: "upf.yaml", from: "  session:", to: "  other:", check: "apn-upf", verdict: Verdict::Wrong,
        place: "upf.yaml", says: "no subnet of IPv4 serves APN provisioning: add" },
    Broken { file: "smf.yaml", from: "smf:\n  session:", to: "smf:\n  mtu: 1400\nsession:", check: "apn-smf", verdict: Verdict::Wrong,
        place: "smf.yaml", says: "serves APN provisioning: session stands outside of smf:, line 3, where it is not read: put it into the section smf:" },
    Broken { file: "upf.yaml", from: "upf:\n", to: "upf:\n  session:\n    - subnet: 10.45.0.0/16\n      gateway: 10.45.0.1\nupf:\n", check: "sections",
        verdict: Verdict::Doubtful, place: "upf.yaml:5", says: "a second section upf:, of which nothing is read; that of line 1 is: put what it has into the section upf: of line 1" },
    Broken { file: "smf.yaml", from: "10.45.0.0/16", to: "10.45.0.0/17", check: "assigned", verdict: Verdict::Wrong,
        place: "REST /v1/credentials", says: "999710000000001 has the address 10.45.128.1 (of 2 devices), outside of 10.45.0.0/17 (smf.yaml:3): no packet finds its way: \
            `callhome credentials set 999710000000001 --address pool`" },
    Broken { file: "upf.yaml", from: "10.45.0.0/16", to: "10.46.0.0/16", check: "assigned", verdict: Verdict::Wrong,
        place: "REST /v1/credentials", says: "outside of 10.46.0.0/16 (upf.yaml:3)" },
    Broken { file: "smf.yaml", from: "gateway: 10.45.0.1", to: "gateway: 10.45.128.1", check: "assigned", verdict: Verdict::Wrong,
        place: "REST /v1/credentials", says: "has the address 10.45.128.1 (of 2 devices), that of the gateway (smf.yaml:3)" },
    Broken { file: "upf.yaml", from: "10.45.0.0/16", to: "10.46.0.0/16", check: "pool-upf", verdict: Verdict::Wrong,
        place: "upf.yaml:3", says: "or widen it; devices that have an address of the old pool keep it, until `callhome credentials set IMSI --address pool`" },
    Broken { file: "smf.yaml", from: "10.45.0.0/16", to: "10.45.0.0/17", check: "pool-smf", verdict: Verdict::Wrong,
        place: "smf.yaml:3", says: "the ICF's pool 10.45.128.0/17 is not inside 10.45.0.0/17" },
    Broken { file: "upf.yaml", from: "10.45.0.0/16", to: "10.46.0.0/16", check: "pool-upf", verdict: Verdict::Wrong,
        place: "upf.yaml:3", says: "the ICF's pool 10.45.128.0/17 is not inside 10.46.0.0/16" },
    Broken { file: "upf.yaml", from: "10.45.0.0/16", to: "10.44.0.0/15", check: "subnets", verdict: Verdict::Wrong,
        place: "smf.yaml:3, upf.yaml:3", says: "10.45.0.0/16 in the SMF, 10.44.0.0/15 in the UPF: write the same" },
    Broken { file: "smf.yaml", from: "10.45.0.1-10.45.127.255", to: "10.45.127.0-10.45.200.1", check: "pool-dynamic", verdict: Verdict::Wrong,
        place: "smf.yaml:3", says: "some of it in the ICF's pool 10.45.128.0/17: write range without the pool" },
    Broken { file: "smf.yaml", from: "gateway: 10.45.0.1", to: "gateway: 10.45.128.1", check: "pool-gateway", verdict: Verdict::Wrong,
        place: "smf.yaml:3", says: "the gateway 10.45.128.1 is inside the ICF's pool" },
    Broken { file: "pcrf.yaml", from: "  policy:", to: "  other:", check: "policy", verdict: Verdict::Wrong,
        place: "pcrf.yaml", says: "there is no policy: every IMSI is looked up in the subscriber database" },
    Broken { file: "pcrf.yaml", from: "pcrf:\n  policy:", to: "pcrf:\n  metrics: x\npolicy:", check: "policy", verdict: Verdict::Wrong,
        place: "pcrf.yaml", says: "policy stands outside of pcrf:, line 3, where it is not read: every IMSI is looked up in the subscriber database, \
            and provisional ones are in none: put it into the section pcrf:, two spaces further in; else add a policy" },
    Broken { file: "pcrf.yaml", from: "999719999999999", to: "999710000000999", check: "policy", verdict: Verdict::Wrong,
        place: "pcrf.yaml", says: "no supi_range holds 999710000001000 (batch first: 999710000000001-999710000010000): add a policy" },
    Broken { file: "pcrf.yaml", from: "name: provisioning", to: "name: Provisioning", check: "policy-apn", verdict: Verdict::Wrong,
        place: "pcrf.yaml:3", says: "no session provisioning of profile default, only Provisioning: add the session provisioning" },
    // The first policy that holds an IMSI is its only one.
    Broken { file: "pcrf.yaml", from: "  policy:\n", to: "  policy:\n    - supi_range: 999710000000500-999710000000600\n      session: [ { name: internet } ]\n",
        check: "policy-apn", verdict: Verdict::Wrong, place: "pcrf.yaml:3", says: "no session provisioning of profile default, only internet" },
    Broken { file: "pcrf.yaml", from: "index: 9, ", to: "", check: "policy-apn", verdict: Verdict::Wrong,
        place: "pcrf.yaml:5", says: "session provisioning has no qos.index: write it" },
    // One value that cannot be read ends nothing else.
    Broken { file: "smf.yaml", from: "10.45.0.0/16", to: "10.45/16", check: "file", verdict: Verdict::Wrong,
        place: "smf.yaml:3", says: "subnet: \"10.45/16\" is none" },
    Broken { file: "pcrf.yaml", from: "999710000000001-999719999999999", to: "999710000000001", check: "file", verdict: Verdict::Wrong,
        place: "pcrf.yaml:3", says: "is no FIRST-LAST" },
    Broken { file: "upf.yaml", from: "upf:\n", to: "smf:\n", check: "file", verdict: Verdict::Wrong,
        place: "upf.yaml", says: "there is no section upf" },
    Broken { file: "mme.yaml", from: "mme:\n", to: "mme: [\n", check: "file", verdict: Verdict::Wrong,
        place: "mme.yaml:", says: "no YAML" },
    // Files of another age.
    Broken { file: "smf.yaml", from: SMF, to: "smf:\n  subnet:\n    - addr: 10.45.0.1/16\n", check: "core", verdict: Verdict::Wrong,
        place: "smf.yaml:2", says: "subnet: is read up to Open5GS 2.6 only, and hss_map: (mme.yaml:3) since 2.7.0 only: write session" },
    Broken { file: "mme.yaml", from: "  hss_map:", to: "  s1ap:\n    - addr: 127.0.0.2\n  hss_map:", check: "core", verdict: Verdict::Wrong,
        place: "mme.yaml:3", says: "s1ap: - addr: is read up to Open5GS 2.6 only, and hss_map: (mme.yaml:5) since 2.7.0 only: write server" },
];

#[test]
fn each_thing_that_can_be_wrong_is_found_with_its_place_and_remedy() {
    for broken in BROKEN {
        let findings = findings_of(broken.file, broken.from, broken.to, Some(PeerState::Open));
        broken.is_found(&findings);
        // A realm that changes is not that of the peer either.
        if broken.check != "realm" {
            broken.is_the_worst(findings);
        }
    }
}

#[test]
fn every_check_is_shown_to_fail() {
    let good: BTreeSet<&str> =
        findings_of("icf.toml", "", "", Some(PeerState::Open)).iter().map(|one| one.check).collect();
    let broken: BTreeSet<&str> = BROKEN.iter().map(|one| one.check).collect();
    let never: Vec<_> = good.difference(&broken).filter(|check| **check != "connected").collect();
    assert!(never.is_empty(), "no test breaks {never:?}");
}

#[test]
fn a_peer_that_is_not_open_is_found() {
    for (state, verdict, says) in [
        (Some(PeerState::Suspect), Verdict::Doubtful, "does not answer its watchdog"),
        (Some(PeerState::Down), Verdict::Wrong, "mme.localdomain is down"),
        (Some(PeerState::Connecting), Verdict::Wrong, "is connecting"),
    ] {
        let findings = findings_of("icf.toml", "", "", state);
        let one = findings.iter().find(|one| one.check == "connected").unwrap();
        assert_eq!(one.verdict, verdict);
        assert!(
            one.found.contains(says)
                && one.remedy.contains("is the MME running? It tries every 30 s (TcTimer"),
            "{one:?}"
        );
    }
}

#[test]
fn a_peer_that_the_running_icf_does_not_know_is_told_from_one_that_is_away() {
    for (from, to, says) in [
        (
            "",
            "",
            "mme.localdomain is not there, though icf.toml lists it: start the ICF again: it runs with an older icf.toml",
        ),
        (
            "\"mme.localdomain\"",
            "\"mme1.localdomain\"",
            "mme.localdomain is not there: add it to [diameter] peers of icf.toml, and start",
        ),
        (
            "peers = [{ identity = \"mme.localdomain\", realm = \"localdomain\" }]",
            "accept_unknown_peers = true",
            "mme.localdomain is not there: is the MME running?",
        ),
    ] {
        let said = said(&findings_of("icf.toml", from, to, None), "connected");
        assert!(said.len() == 1 && said[0].contains(says) && said[0].starts_with("Wrong"), "{said:?}");
    }
}

/// The pool was 10.99.0.0/16, a device attached, and then the pool was put right.
#[test]
fn devices_that_keep_an_address_of_another_pool_are_found() {
    let (mut ours, core) = both_sides("icf.toml", "", "", Some(PeerState::Open));
    let with = |addresses: &[(&str, &str)], more| Devices {
        looked_at: 20_000,
        more,
        with_address: addresses.iter().map(|(imsi, address)| device(imsi, address)).collect(),
    };
    let [a, b] = ["999710000000001", "999710000000002"];
    ours.devices =
        Some(with(&[(a, "10.99.0.1"), (b, "10.99.0.2"), ("999710000000003", "10.45.128.1")], true));
    let said_of = |ours: &Ours| said(&compare(ours, &core).0, "assigned");
    assert_eq!(
        said_of(&ours),
        [
            "Wrong REST /v1/credentials: 999710000000001 has the address 10.99.0.1, as 2 of the first 20000 devices, there are more \
          have one, outside of 10.45.0.0/16 (smf.yaml:3): no packet finds its way: `callhome credentials set \
          999710000000001 --address pool`, and for each of the others, gives it one of its profile's pool of now; it has it \
          from its next attach on"
        ]
    );
    // Of a pool that was put outside of what the SMF gives out: that one counts on nobody having them.
    ours.devices = Some(with(&[(a, "10.45.3.7")], false));
    let said_now = said_of(&ours);
    assert!(
        said_now[0].starts_with("Doubtful")
            && said_now[0].contains("10.45.0.1-10.45.16.0, which the SMF gives out by itself"),
        "{said_now:?}"
    );
    ours.devices = Some(with(&[], false));
    assert_eq!(said_of(&ours), ["Good REST /v1/credentials: none has an address yet (20000 devices): "]);
}

/// What `cat fragment >> file` makes of a file that has the section already: MME and PCRF read both.
#[test]
fn a_fragment_that_was_appended_to_the_file_is_read() {
    for (file, from, to) in [
        ("mme.yaml", "  hss_map", "mme:\n  hss_map"),
        ("pcrf.yaml", "pcrf:\n", "pcrf:\n  freeDiameter: /etc/freeDiameter/pcrf.conf\npcrf:\n"),
    ] {
        let findings = findings_of(file, from, to, Some(PeerState::Open));
        let bad: Vec<_> = findings.iter().filter(|one| one.verdict != Verdict::Good).collect();
        assert!(bad.is_empty(), "{file}: {bad:#?}");
    }
}

#[test]
fn remedies_are_of_the_network_of_the_imsi_that_they_are_for() {
    let (mut ours, mut core) = both_sides("icf.toml", "", "", Some(PeerState::Open));
    let other: Span = "999700000500001-999700000500009".parse().unwrap();
    ours.issued.push(From::new(other, "credentials (REST)"));
    core.mme = named("mme.yaml", theirs::mme(MME_YAML.replace("mnc: 70", "mnc: 99").as_bytes())).ok();
    let findings = compare(&ours, &core).0;
    let map = said(&findings, "hss-map").join("\n");
    assert!(
        map.contains("no entry matches 999700000500001")
            && map.contains("add plmn_id with mcc: 999, mnc: 70, realm"),
        "{map}"
    );
    assert!(!map.contains("mnc: 71, realm"), "{map}");
    let policy = said(&findings, "policy").join("\n");
    assert!(policy.contains("add a policy with supi_range: [999700000500001-999700000500009]"), "{policy}");
    // In other countries, and where the number of digits is known.
    for (imsi, mnc) in [("001010000000001", "mcc: 001, mnc: 01,"), ("310410000000001", "mcc: 310, mnc: 410,")]
    {
        let imsi = imsi.parse().unwrap();
        ours.issued = vec![From::new(Span { first: imsi, last: imsi }, "credentials (REST)")];
        let map = said(&compare(&ours, &core).0, "hss-map").join("\n");
        assert!(map.contains(mnc), "{map}");
    }
}

#[test]
fn a_file_that_mme_yaml_names_and_that_is_not_here_is_named() {
    let (ours, core) = both_sides("icf.toml", "", "", Some(PeerState::Open));
    let without = |mme: &str| {
        let core = Core {
            free_diameter: None,
            mme: named("mme.yaml", theirs::mme(mme.as_bytes())).ok(),
            smf: core.smf.clone(),
            ..Core::default()
        };
        said(&compare(&ours, &core).0, "connect").concat()
    };
    let said = without(MME_YAML);
    assert!(
        said.contains("say --mme-conf: /etc/freeDiameter/mme.conf, which mme.yaml names, is not here"),
        "{said}"
    );
    let said = without("mme: {}\n");
    assert!(said.contains("mme.yaml names no file of freeDiameter"), "{said}");
}

#[test]
fn what_was_not_given_is_said_to_be_unseen_and_is_not_wrong() {
    let config: IcfConfig = service::config::Loader::text("icf.toml", ICF).load().unwrap();
    let ours = ours::from_config(config, "icf.toml".to_owned(), &Told::default()).unwrap();
    let findings = compare(&ours, &Core::default());
    let unseen: Vec<&str> =
        findings.0.iter().filter(|one| one.verdict == Verdict::Unseen).map(|one| one.check).collect();
    assert_eq!(unseen, ["connect", "connected", "hss-map", "apn-smf", "apn-upf", "assigned", "policy"]);
    assert!(verdict(&findings).unwrap().contains("7 not looked at"));
}

#[test]
fn the_section_of_mme_yaml_is_taken_for_mme_conf() {
    let text = "mme:\n  freeDiameter:\n    identity: mme.localdomain\n    realm: localdomain\n    connect:\n      \
                - identity: icf.epc.mnc071.mcc999.3gppnetwork.org\n        address: 192.0.2.10\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mme.yaml");
    std::fs::write(&path, text).unwrap();
    let core = Where { mme_yaml: Some(path), ..Where::default() }.read(false).unwrap();
    let file = core.free_diameter.unwrap();
    assert_eq!((file.name.as_str(), file.content.connects.len()), ("mme.yaml", 1));
}
