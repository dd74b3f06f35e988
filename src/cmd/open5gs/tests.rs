//! What `config` writes: golden, read back as Open5GS reads it, and found right by `check`.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;

use super::check::{Core, compare};
use super::fault::Fault;
use super::finding::Verdict;
use super::fragments::{self, Fragment};
use super::ours::{self, Apn, Ours, Told};
use super::{free_diameter, theirs, yaml};

const ICF: &str = r#"
[diameter]
origin_host = "icf.epc.mnc071.mcc999.3gppnetwork.org"
origin_realm = "epc.mnc071.mcc999.3gppnetwork.org"
listen = ["tcp://192.0.2.10:3868"]
[database]
url = "sqlite://icf.db"
[keys]
at_rest = { file = "at-rest.key" }
[icf]
address_pool = "10.45.128.0/17"
"#;

const RELAY: &str = r#"
[relay]
hss = "hss.localdomain"
realm = "localdomain"
prefixes = ["99971"]
ours = ["999710000500000-999710000599999"]
"#;

fn ours_with(text: &str, told: &Told) -> Ours {
    let config = service::config::Loader::text("icf.toml", text).load().unwrap();
    ours::from_config(config, "icf.toml".to_owned(), told).unwrap()
}

fn core() -> fragments::Core {
    fragments::Core {
        mme: Some("mme.localdomain".to_owned()),
        mme_address: Some([192, 0, 2, 20].into()),
        extensions: "/usr/lib/freeDiameter".to_owned(),
        tls_folder: "/etc/open5gs/tls".to_owned(),
        ..Default::default()
    }
}

fn text<'a>(fragments: &'a [Fragment], file: &str) -> &'a str {
    &fragments.iter().find(|one| one.file == file).unwrap().text
}

/// `CALLHOME_REFRESH_GOLDENS=1 cargo test` writes them anew.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/cmd/open5gs/golden").join(name);
    if std::env::var_os("CALLHOME_REFRESH_GOLDENS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn fragments_are_as_the_golden_files_have_them() {
    let ours = ours_with(ICF, &Told::default());
    for fragment in fragments::all(&ours, &core()).unwrap() {
        golden(fragment.file, &fragment.text);
    }
    let whole = fragments::Core { whole: true, ..core() };
    golden("whole-mme.conf", text(&fragments::all(&ours, &whole).unwrap(), "mme.conf"));
    let ours = ours_with(&format!("{ICF}{RELAY}"), &Told::default());
    golden("hss.conf", text(&fragments::all(&ours, &core()).unwrap(), "hss.conf"));
}

#[test]
fn what_config_writes_check_finds_right() {
    for (icf, told) in [
        (ICF.to_owned(), Told::default()),
        (ICF.replace("tcp://192.0.2.10:3868", "tls://192.0.2.10:5868"), Told::default()),
        (ICF.replace("tcp://192.0.2.10:3868", "sctp://192.0.2.10:3868,192.0.2.11:3868"), Told::default()),
        (ICF.replace("10.45.128.0/17", "10.99.4.0/22"), Told::default()),
        (ICF.to_owned(), Told { provisional: Some("001-01".parse().unwrap()), range: None }),
        (
            ICF.replace("epc.mnc071.mcc999.3gppnetwork.org", "epc.mnc410.mcc310.3gppnetwork.org"),
            Told { provisional: None, range: Some("310410000000001-310410000000999".parse().unwrap()) },
        ),
        (
            format!("{ICF}{RELAY}"),
            Told { provisional: None, range: Some("999710000500000-999710000599999".parse().unwrap()) },
        ),
    ] {
        let mut ours = ours_with(&icf, &told);
        let fragments = fragments::all(&ours, &core()).unwrap();
        // What is to be added to a file of freeDiameter is a file of freeDiameter itself.
        free_diameter::read(text(&fragments, "mme.conf").as_bytes()).unwrap();
        let (extensions, tls_folder) = ("/nonexistent/fd".to_owned(), "/nonexistent/tls".to_owned());
        let whole = fragments::Core { whole: true, extensions, tls_folder, ..core() };
        let whole = fragments::all(&ours, &whole).unwrap();
        // The ICF's own line, laid into its file, is TOML that it takes.
        let line = text(&fragments, "icf.toml");
        let line =
            line.replace("\n]\n", "\n  { identity = \"hss.localdomain\", realm = \"localdomain\" },\n]\n");
        let with_peer = icf.replace("[database]", &format!("{line}[database]"));
        ours = ours_with(&with_peer, &told);
        let read = |file: &str| text(&fragments, file);
        fn named<T>(name: &str, content: Result<T, Fault>) -> Option<theirs::File<T>> {
            Some(theirs::File { name: name.to_owned(), content: content.unwrap() })
        }
        let core = Core {
            mme: named("mme.yaml", theirs::mme(read("mme.yaml").as_bytes())),
            free_diameter: named("mme.conf", free_diameter::read(text(&whole, "mme.conf").as_bytes())),
            hss: fragments.iter().find(|one| one.file == "hss.conf").and_then(|one| {
                let head = "Identity = \"hss.localdomain\";\nRealm = \"localdomain\";\n";
                named("hss.conf", free_diameter::read(format!("{head}{}", one.text).as_bytes()))
            }),
            smf: named("smf.yaml", theirs::subnets(read("smf.yaml").as_bytes(), "smf")),
            upf: named("upf.yaml", theirs::subnets(read("upf.yaml").as_bytes(), "upf")),
            pcrf: named("pcrf.yaml", theirs::policies(read("pcrf.yaml").as_bytes())),
            unusable: Vec::new(),
        };
        let bad: Vec<_> = compare(&ours, &core).0;
        let bad: Vec<_> = bad
            .iter()
            // What the running ICF would tell.
            .filter(|one| !matches!(one.check, "connected" | "relay-connected" | "assigned"))
            // What is on the MME's machine only.
            .filter(|one| !(matches!(one.check, "mme-tls" | "extensions") && one.verdict == Verdict::Unseen))
            .filter(|one| one.verdict != Verdict::Good)
            .collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

/// Where Open5GS's parsers look for each value: mme-context.c, pcrf-context.c and ogs-config.c, pfcp/context.c.
#[test]
fn values_stand_where_the_parsers_of_open5gs_read_them() {
    let fragments = fragments::all(&ours_with(ICF, &Told::default()), &core()).unwrap();
    let at = |file: &str, path: &[&str]| {
        let root = yaml::read(text(&fragments, file)).unwrap();
        // A number is an element of a sequence.
        let found = path.iter().try_fold(&root, |node, step| match step.parse::<usize>() {
            Ok(at) => node.each().get(at),
            Err(_) => node.get(step),
        });
        found.and_then(|node| node.text()).unwrap_or_else(|| panic!("{file} has no {path:?}")).to_owned()
    };
    for (path, value) in [
        (["mme", "hss_map", "0", "plmn_id", "mcc"], "999"),
        (["mme", "hss_map", "0", "plmn_id", "mnc"], "71"),
        (["mme", "hss_map", "0", "plmn_id", "realm"], "epc.mnc071.mcc999.3gppnetwork.org"),
        (["mme", "hss_map", "0", "plmn_id", "host"], "icf.epc.mnc071.mcc999.3gppnetwork.org"),
    ] {
        assert_eq!(at("mme.yaml", &path), value);
    }
    let session = ["pcrf", "policy", "0", "session", "0"];
    for (path, value) in [
        (&["name"][..], "provisioning"),
        (&["type"], "1"),
        (&["ambr", "downlink", "value"], "128"),
        (&["ambr", "uplink", "unit"], "1"),
        (&["qos", "index"], "9"),
        (&["qos", "arp", "priority_level"], "15"),
        (&["qos", "arp", "pre_emption_capability"], "1"),
        (&["qos", "arp", "pre_emption_vulnerability"], "2"),
    ] {
        assert_eq!(at("pcrf.yaml", &[&session[..], path].concat()), value, "{path:?}");
    }
    for role in ["smf", "upf"] {
        assert_eq!(at(&format!("{role}.yaml"), &[role, "session", "0", "subnet"]), "10.45.0.0/16");
        assert_eq!(at(&format!("{role}.yaml"), &[role, "session", "0", "gateway"]), "10.45.0.1");
    }
    assert_eq!(at("upf.yaml", &["upf", "session", "0", "dev"]), "ogstun");
}

#[test]
fn every_value_says_where_it_comes_from() {
    for fragment in fragments::all(&ours_with(ICF, &Told::default()), &core()).unwrap() {
        assert!(!fragment.values.is_empty());
        for used in &fragment.values {
            assert!(!used.source.is_empty(), "{used:?}");
            let line = format!("{}: {} <- {}", used.name, used.value, used.source);
            assert!(fragment.text.contains(&line), "{line}\n{}", fragment.text);
        }
    }
}

#[test]
fn a_policy_has_the_apns_of_all_profiles_once() {
    let mut ours = ours_with(ICF, &Told::default());
    let mut second = ours.profiles[0].clone();
    second.value.name = "fast".to_owned();
    second.value.apns.push(Apn {
        name: "internet".to_owned(),
        uplink: 1_500_000,
        ..second.value.apns[0].clone()
    });
    ours.profiles.push(second);
    let fragments = fragments::all(&ours, &core()).unwrap();
    let policies = theirs::policies(text(&fragments, "pcrf.yaml").as_bytes()).unwrap();
    let names: Vec<&str> = policies[0].sessions.iter().map(|session| session.name.as_str()).collect();
    assert_eq!(names, ["provisioning", "internet"]);
    assert!(text(&fragments, "pcrf.yaml").contains("uplink: { value: 1500, unit: 1 }"));
}

#[test]
fn what_cannot_be_told_is_asked_for() {
    let told = Told::default();
    let said = |text: &str, told: &Told, core: &fragments::Core| {
        let config = service::config::Loader::text("icf.toml", text).load().unwrap();
        match ours::from_config(config, "icf.toml".to_owned(), told) {
            Err(error) => error.to_string(),
            Ok(ours) => fragments::all(&ours, core).unwrap_err().to_string(),
        }
    };
    let nobody = fragments::Core { mme: None, ..core() };
    assert!(said(ICF, &told, &nobody).contains("say --mme "));
    let plain = fragments::Core { mme: Some("mme".to_owned()), ..core() };
    assert!(said(ICF, &told, &plain).contains("say --mme-realm"));
    let anywhere = ICF.replace("192.0.2.10", "0.0.0.0");
    assert!(said(&anywhere, &told, &core()).contains("say --icf-address"));
    let whole = fragments::Core { whole: true, mme_address: None, ..core() };
    assert!(said(ICF, &told, &whole).contains("--mme-address"));
    let own = ICF.replace("epc.mnc071.mcc999.3gppnetwork.org\"\nlisten", "localdomain\"\nlisten");
    assert!(said(&own, &told, &core()).contains("say --provisional"));
    let foreign = Told { provisional: None, range: Some("001010000000001-001010000000002".parse().unwrap()) };
    assert!(said(ICF, &foreign, &core()).contains("is not of network 999-71"));
    let small =
        fragments::Core { subnet: Some(Ipv4Net::new(Ipv4Addr::new(10, 45, 0, 0), 17).unwrap()), ..core() };
    assert!(said(ICF, &told, &small).contains("does not hold the pool"));
    let full =
        fragments::Core { subnet: Some(Ipv4Net::new(Ipv4Addr::new(10, 45, 128, 0), 17).unwrap()), ..core() };
    assert!(said(ICF, &told, &full).contains("fills the subnet"));
}

/// open5gs-integration/compose.yaml, whose addresses and names have to be those that `config` writes.
struct Compose(yaml::Node);

impl Compose {
    fn read() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("open5gs-integration").join("compose.yaml");
        Self(yaml::read(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    fn services(&self) -> &[(String, yaml::Node)] {
        self.0.get("services").unwrap().pairs()
    }

    fn names(&self) -> Vec<&str> {
        self.services().iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A key of a service, its own or one that it has from `<<`.
    fn of<'a>(&'a self, service: &str, key: &str) -> Option<&'a yaml::Node> {
        let (_, node) = self.services().iter().find(|(name, _)| name == service)?;
        node.get(key).or_else(|| node.at(&["<<", key]))
    }

    fn texts(&self, service: &str, key: &str) -> Vec<&str> {
        self.of(service, key).map(yaml::Node::texts).unwrap_or_default()
    }
}

#[test]
fn the_compose_file_names_nothing_that_is_not_there() {
    let compose = Compose::read();
    let names = compose.names();
    assert!(names.contains(&"icf") && names.contains(&"net"), "{names:?}");
    // `name` is unknown to docker-compose 1.29; whatever begins with x- may be there.
    let tops = compose.0.pairs().iter().map(|(key, _)| key.as_str()).filter(|key| !key.starts_with("x-"));
    assert_eq!(tops.collect::<Vec<_>>(), ["services", "volumes"]);
    for name in &names {
        for on in compose.texts(name, "depends_on") {
            assert!(names.contains(&on) && on != *name, "{name} depends on {on}");
        }
        // One namespace, whose ports and settings only its holder has.
        if *name != "net" {
            assert_eq!(compose.texts(name, "network_mode"), ["service:net"], "{name}");
            assert!(compose.of(name, "ports").is_none() && compose.of(name, "sysctls").is_none(), "{name}");
        }
        for volume in compose.texts(name, "volumes") {
            let (source, target) = volume.split_once(':').unwrap();
            let known = source.starts_with("./") || compose.0.at(&["volumes", source]).is_some();
            assert!(known && target.starts_with('/'), "{name}: {volume}");
        }
        assert!(compose.of(name, "build").is_none(), "there is no Dockerfile to build {name} from");
    }
    let icf = compose.texts("icf", "command");
    assert_eq!(icf, ["callhome", "icf", "--config", "icf.toml"]);
    let mounted = compose.of("icf", "volumes").unwrap().each().iter().filter_map(|one| one.text_of("target"));
    assert_eq!(mounted.collect::<Vec<_>>(), ["/callhome", "/usr/local/bin/callhome"]);
    assert_eq!(compose.texts("icf", "working_dir"), ["/callhome"]);
}

#[test]
fn the_compose_file_has_the_files_and_addresses_that_config_writes() {
    let compose = Compose::read();
    for (name, _) in compose.services() {
        let Some(daemon) = compose.texts(name, "entrypoint").first().and_then(|path| path.rsplit('/').next())
        else {
            continue;
        };
        let Some(role) = daemon.strip_prefix("open5gs-").and_then(|daemon| daemon.strip_suffix('d')) else {
            continue;
        };
        assert_eq!(role, name);
        let file = format!("/etc/open5gs/{role}.yaml");
        assert_eq!(compose.texts(name, "entrypoint")[1..], ["-c", &*file], "{name}");
        assert_eq!(compose.texts(name, "volumes"), ["./open5gs:/etc/open5gs:ro"], "{name}");
    }
    // The ICF that its comment describes, which is that of a new database.
    let icf = ICF.replace("192.0.2.10", "127.0.0.1");
    let fragments = fragments::all(&ours_with(&icf, &Told::default()), &core()).unwrap();
    let roles: Vec<&str> = fragments.iter().filter_map(|one| one.file.strip_suffix(".yaml")).collect();
    for role in roles {
        assert!(compose.names().contains(&role), "config writes {role}.yaml, and nothing there reads it");
    }
    let text_of = |file: &str| text(&fragments, file);
    assert!(text_of("mme.conf").contains("ConnectTo = \"127.0.0.1\"; Port = 3868;"));
    let upf = yaml::read(text_of("upf.yaml")).unwrap();
    let session = upf.at(&["upf", "session"]).and_then(|all| all.each().first()).unwrap();
    let [subnet, gateway, dev] = ["subnet", "gateway", "dev"].map(|key| session.text_of(key).unwrap());
    let script = compose.texts("net", "command").concat();
    let (_, length) = subnet.split_once('/').unwrap();
    for line in [
        format!("ip tuntap add name {dev} mode tun\n"),
        format!("ip addr add {gateway}/{length} dev {dev}\n"),
        format!("ip link set {dev} up\n"),
        format!("-s {subnet} ! -o {dev} -j MASQUERADE\n"),
    ] {
        assert!(script.contains(&line), "{line}{script}");
    }
    // What makes and what opens the tunnel may do so.
    for name in ["net", "upf"] {
        assert_eq!(compose.texts(name, "cap_add"), ["NET_ADMIN"], "{name}");
        assert_eq!(compose.texts(name, "devices"), ["/dev/net/tun"], "{name}");
        assert_eq!(compose.texts(name, "user"), ["root"], "{name}");
    }
    // S1AP (TS 36.412 §7) and GTP-U (TS 29.281 §4.4.2.1).
    assert_eq!(compose.texts("net", "ports"), ["36412:36412/sctp", "2152:2152/udp"]);
}
