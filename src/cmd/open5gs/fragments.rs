//! What an Open5GS needs in its files so that provisional IMSIs come to the ICF and get their bearer; and what the
//! ICF needs in its own.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use s6a::net::Endpoint;
use serde::Serialize;

use super::super::client::Failure;
use super::ours::{Apn, From, Ours};

/// The subnet that Open5GS's samples have.
const USUAL_SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 45, 0, 0), 16);

/// What a person says about the core.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Core {
    /// Identity of the MME, as its mme.conf has it; without, the first of `[diameter] peers`.
    #[arg(long, value_name = "IDENTITY")]
    pub mme: Option<String>,
    /// Realm of the MME; without, that of the peer, or what follows the first dot of its identity.
    #[arg(long, value_name = "REALM")]
    pub mme_realm: Option<String>,
    /// Address that the MME connects from and listens on.
    #[arg(long, value_name = "ADDRESS")]
    pub mme_address: Option<IpAddr>,
    /// Address that the MME reaches the ICF at; without, that of `[diameter] listen`.
    #[arg(long, value_name = "ADDRESS")]
    pub icf_address: Option<IpAddr>,
    /// Subnet of SMF and UPF; without, 10.45.0.0/16 if the profile's pool is inside, else the pool and as much again.
    #[arg(long, value_name = "NETWORK")]
    pub subnet: Option<Ipv4Net>,
    /// The whole mme.conf, not only its ConnectPeer.
    #[arg(long)]
    pub whole: bool,
    /// Where freeDiameter's extensions are, for --whole.
    #[arg(long, value_name = "FOLDER", default_value = "/usr/lib/x86_64-linux-gnu/freeDiameter")]
    pub extensions: String,
    /// Where the MME's certificate mme.crt, mme.key and ca.crt are, for --whole.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/open5gs/tls")]
    pub tls_folder: String,
}

/// A value of a fragment, and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Used {
    /// What it is.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// Where it comes from.
    pub source: String,
}

/// Lines for one file.
#[derive(Debug, Clone, Serialize)]
pub struct Fragment {
    /// Which file they go into.
    pub file: &'static str,
    /// The lines, comments with them.
    pub text: String,
    /// Every value, with where it comes from.
    pub values: Vec<Used>,
}

/// The MME as it is known.
struct Mme {
    identity: From<String>,
    realm: From<String>,
    address: Option<IpAddr>,
}

/// Everything for one core.
///
/// # Errors
/// What is missing, and how to say it.
pub fn all(ours: &Ours, core: &Core) -> Result<Vec<Fragment>, Failure> {
    let mme = mme(ours, core)?;
    let pool = pool(ours);
    let mut fragments =
        vec![icf_toml(ours, &mme), mme_yaml(ours), mme_conf(ours, core, &mme)?, pcrf_yaml(ours)];
    if let Some(relay) = &ours.config.relay {
        fragments.push(hss_conf(ours, core, &relay.hss)?);
    }
    fragments.extend(pool.map(|pool| sessions(&pool, core)).transpose()?.into_iter().flatten());
    Ok(fragments)
}

fn mme(ours: &Ours, core: &Core) -> Result<Mme, Failure> {
    let listed = |identity: &str| ours.config.diameter.peers.iter().find(|peer| peer.identity == identity);
    let first = ours.config.diameter.peers.first();
    let identity = match (&core.mme, first) {
        (Some(identity), _) => From::new(identity.clone(), "--mme"),
        (None, Some(peer)) => From::new(peer.identity.clone(), format!("[diameter] peers of {}", ours.file)),
        (None, None) => {
            return Err(Failure::Usage(format!(
                "{} has no peers yet: say --mme with the Identity of the MME's mme.conf",
                ours.file
            )));
        }
    };
    let peer = listed(&identity.value);
    let realm = match (&core.mme_realm, peer.and_then(|peer| peer.realm.clone())) {
        (Some(realm), _) => From::new(realm.clone(), "--mme-realm"),
        (None, Some(realm)) => From::new(realm, format!("[diameter] peers of {}", ours.file)),
        (None, None) => match identity.value.split_once('.') {
            Some((_, realm)) => {
                From::new(realm.to_owned(), "what follows the first dot of the MME's identity")
            }
            None => return Err(Failure::Usage("the MME's realm cannot be told: say --mme-realm".to_owned())),
        },
    };
    let address = core.mme_address.or_else(|| peer.and_then(|peer| peer.addresses.first().copied()));
    Ok(Mme { identity, realm, address })
}

/// A fragment with the sources of its values in front of it.
fn fragment(file: &'static str, comment: &str, why: &[&str], values: Vec<Used>, body: &str) -> Fragment {
    let mut text = String::new();
    for line in why {
        let _ = writeln!(text, "{comment} {line}");
    }
    for used in &values {
        let _ = writeln!(text, "{comment}   {}: {} <- {}", used.name, used.value, used.source);
    }
    text.push_str(body);
    Fragment { file, text, values }
}

fn used(name: &'static str, value: impl ToString, source: impl Into<String>) -> Used {
    Used { name, value: value.to_string(), source: source.into() }
}

fn origin_host(ours: &Ours) -> Used {
    used("host", &ours.config.diameter.origin_host, format!("[diameter] origin_host of {}", ours.file))
}

fn icf_toml(ours: &Ours, mme: &Mme) -> Fragment {
    let listed = ours.config.diameter.peers.iter().find(|peer| peer.identity == mme.identity.value);
    let mut values = vec![
        used("identity", &mme.identity.value, &mme.identity.source),
        used("realm", &mme.realm.value, &mme.realm.source),
    ];
    let mut line = format!("{{ identity = \"{}\", realm = \"{}\"", mme.identity.value, mme.realm.value);
    if let Some(address) = mme.address {
        let _ = write!(line, ", addresses = [\"{address}\"]");
        values.push(used("addresses", address, "--mme-address, or the peer as it is"));
    }
    line += ", max_vectors = 1 }";
    values.push(used(
        "max_vectors",
        1,
        "a precaution: freeDiameter in the MME would drop an answer with two; it asks for one, and gets no more",
    ));
    let why = ["Who may connect. Everybody else gets 3010 and is not served."];
    let body = match listed {
        Some(_) => format!("# The peer is there already. As it would be written anew:\n# {line}\n"),
        None => format!("# In [diameter], one line among peers = [ … ]:\npeers = [\n  {line},\n]\n"),
    };
    fragment("icf.toml", "#", &why, values, &body)
}

/// A number of a network as YAML text: leading zeros are digits, not octal.
fn quoted(digits: &str) -> String {
    if digits.starts_with('0') { format!("\"{digits}\"") } else { digits.to_owned() }
}

fn mme_yaml(ours: &Ours) -> Fragment {
    let diameter = &ours.config.diameter;
    let values = vec![
        used("mcc, mnc", ours.plmn.value, &ours.plmn.source),
        used("realm", &diameter.origin_realm, format!("[diameter] origin_realm of {}", ours.file)),
        origin_host(ours),
    ];
    let why = [
        "Which IMSIs go to the ICF: the PLMN is that of the IMSI, not that of the cell.",
        "The first match wins: this has to stand before whatever else matches these IMSIs.",
        "realm and host belong inside plmn_id: elsewhere they are not read.",
        "IMSIs that nothing here matches go to the MME's own realm, as before.",
    ];
    let body = format!(
        "mme:\n  hss_map:\n    - plmn_id:\n        mcc: {}\n        mnc: {}\n        realm: {}\n        host: {}\n",
        quoted(&ours.plmn.value.mcc()),
        quoted(&ours.plmn.value.mnc()),
        diameter.origin_realm,
        diameter.origin_host
    );
    fragment("mme.yaml", "#", &why, values, &body)
}

/// The line of freeDiameter that connects to the ICF, and its values.
fn connect_peer(ours: &Ours, core: &Core) -> Result<(String, Vec<Used>), Failure> {
    let Some(listen) = ours.listen.first() else {
        return Err(Failure::Usage(format!("{}: [diameter] listen is empty: nobody can connect", ours.file)));
    };
    let (addresses, port, how) = match listen {
        Endpoint::Tcp(address) => (vec![address.ip()], address.port(), "No_TLS; No_SCTP; Prefer_TCP;"),
        Endpoint::Tls(address) => (vec![address.ip()], address.port(), "No_SCTP; Prefer_TCP;"),
        Endpoint::Sctp(all) => {
            (all.iter().map(|one| one.ip()).collect(), all.first().map_or(3868, |one| one.port()), "No_TLS;")
        }
    };
    let source = format!("[diameter] listen of {}", ours.file);
    let addresses = match core.icf_address {
        Some(address) => From::new(vec![address], "--icf-address"),
        None if addresses.iter().any(|one| one.is_unspecified()) => {
            return Err(Failure::Usage(format!(
                "the ICF listens on every address ({listen}): say --icf-address with the one that the MME reaches"
            )));
        }
        None => From::new(addresses, source.clone()),
    };
    let mut connect = format!("ConnectPeer = \"{}\" {{", ours.config.diameter.origin_host);
    for address in &addresses.value {
        let _ = write!(connect, " ConnectTo = \"{address}\";");
    }
    let _ = writeln!(connect, " Port = {port}; {how} }};");
    let written: Vec<String> = addresses.value.iter().map(ToString::to_string).collect();
    let values = vec![
        Used { name: "ConnectPeer", ..origin_host(ours) },
        used("ConnectTo", written.join(", "), addresses.source),
        used("Port", port, &source),
        used("transport", how, &source),
    ];
    Ok((connect, values))
}

/// Of the HSS that `[relay]` sends ordinary IMSIs on to.
fn hss_conf(ours: &Ours, core: &Core, hss: &str) -> Result<Fragment, Failure> {
    let (connect, mut values) = connect_peer(ours, core)?;
    values.push(used("the HSS", hss, format!("[relay] hss of {}", ours.file)));
    let why = [
        "freeDiameter of the HSS that has the ordinary IMSIs: they come to it by the ICF.",
        "This takes the place of its ConnectPeer for the MME: what the MME would be told goes by the ICF too.",
    ];
    Ok(fragment("hss.conf", "#", &why, values, &connect))
}

fn mme_conf(ours: &Ours, core: &Core, mme: &Mme) -> Result<Fragment, Failure> {
    let (connect, mut values) = connect_peer(ours, core)?;
    let mut why = vec![
        "freeDiameter of the MME. The name has to be the ICF's Origin-Host letter for letter: the CEA is compared with it.",
    ];
    if !core.whole {
        return Ok(fragment("mme.conf", "#", &why, values, &connect));
    }
    why.push("The MME's certificate has to carry Identity, even where every peer is No_TLS: else freeDiameter does not start.");
    let Some(address) = mme.address else {
        return Err(Failure::Usage(
            "a whole mme.conf needs what the MME listens on: --mme-address".to_owned(),
        ));
    };
    values.push(used("Identity", &mme.identity.value, &mme.identity.source));
    values.push(used("Realm", &mme.realm.value, &mme.realm.source));
    values.push(used("ListenOn", address, "--mme-address, or the peer of the configuration"));
    let mut body = format!(
        "Identity = \"{}\";\nRealm = \"{}\";\nListenOn = \"{address}\";\nTLS_Cred = \"{folder}/mme.crt\", \
         \"{folder}/mme.key\";\nTLS_CA = \"{folder}/ca.crt\";\nNoRelay;\n",
        mme.identity.value,
        mme.realm.value,
        folder = core.tls_folder
    );
    for extension in ["rfc5777", "mip6i", "nasreq", "nas_mipv6", "dcca", "dcca_3gpp"] {
        let _ = writeln!(body, "LoadExtension = \"{}/dict_{extension}.fdx\";", core.extensions);
    }
    body += "# The MME's HSS for everybody else, if it has one:\n\
             # ConnectPeer = \"hss.localdomain\" { ConnectTo = \"127.0.0.8\"; No_TLS; };\n";
    body += &connect;
    Ok(fragment("mme.conf", "#", &why, values, &body))
}

/// A rate as the PCRF's policy has it: unit 0 is bit/s, and each step up is a thousand.
fn rate(bits: u64) -> String {
    let (mut value, mut unit) = (bits, 0);
    while value >= 1000 && value.is_multiple_of(1000) && unit < 4 {
        value /= 1000;
        unit += 1;
    }
    format!("{{ value: {value}, unit: {unit} }}")
}

/// 5GC's values, which the policy has for EPC too: 1 disabled, 2 enabled.
fn preemption(enabled: bool) -> u8 {
    if enabled { 2 } else { 1 }
}

fn session(apn: &Apn) -> String {
    format!(
        "        - name: {}\n          type: {}\n          ambr:\n            uplink: {}\n            downlink: {}\n          \
         qos:\n            index: {}\n            arp:\n              priority_level: {}\n              \
         pre_emption_capability: {}\n              pre_emption_vulnerability: {}\n",
        apn.name,
        apn.session_type,
        rate(apn.uplink),
        rate(apn.downlink),
        apn.qci,
        apn.priority,
        preemption(apn.may_preempt),
        preemption(apn.preemptable)
    )
}

fn pcrf_yaml(ours: &Ours) -> Fragment {
    let mut values = vec![used("supi_range", ours.range.value, &ours.range.source)];
    let mut body =
        format!("pcrf:\n  policy:\n    - supi_range:\n        - {}\n      session:\n", ours.range.value);
    let mut seen: Vec<&str> = Vec::new();
    for profile in &ours.profiles {
        for apn in &profile.value.apns {
            // Two profiles may share an APN; the policy knows the APN only, and the first profile's rates stand.
            if seen.contains(&apn.name.as_str()) {
                continue;
            }
            seen.push(&apn.name);
            values.push(used("session", &apn.name, &profile.source));
            body += &session(apn);
        }
    }
    let why = [
        "The bearer of provisional IMSIs. They are in no subscriber database of this core; a policy by range needs none.",
        "The first policy whose range holds an IMSI is used, and it has to have every APN of the ICF's profiles.",
        "type 1 IPv4, 2 IPv6, 3 both; unit 0 bit/s, 1 kbit/s, 2 Mbit/s; pre-emption 1 no, 2 yes.",
    ];
    fragment("pcrf.yaml", "#", &why, values, &body)
}

/// The pool of the first profile that has one of IPv4.
fn pool(ours: &Ours) -> Option<From<Ipv4Net>> {
    ours.profiles.iter().find_map(|profile| match profile.value.pool {
        Some(IpNet::V4(pool)) => Some(From::new(pool, profile.source.clone())),
        _ => None,
    })
}

/// SMF and UPF: one subnet with the pool inside, and what they give out by themselves outside of it.
fn sessions(pool: &From<Ipv4Net>, core: &Core) -> Result<Vec<Fragment>, Failure> {
    let around = pool.value.supernet().unwrap_or(pool.value);
    let subnet = match core.subnet {
        Some(subnet) => From::new(subnet.trunc(), "--subnet"),
        None if USUAL_SUBNET.contains(&pool.value) => {
            From::new(USUAL_SUBNET, "the subnet of Open5GS's samples")
        }
        None => From::new(around, "the pool and as much again"),
    };
    if !subnet.value.contains(&pool.value) {
        let why =
            format!("--subnet {} does not hold the pool {} ({})", subnet.value, pool.value, pool.source);
        return Err(Failure::Usage(why));
    }
    let ranges = beside(subnet.value, pool.value);
    if ranges.is_empty() {
        return Err(Failure::Usage(format!(
            "the pool {} fills the subnet {}: nothing is left for a gateway and for others; give the profile a \
             smaller pool, or say a larger --subnet",
            pool.value, subnet.value
        )));
    }
    let gateway =
        subnet.value.hosts().find(|host| !pool.value.contains(host)).unwrap_or(subnet.value.network());
    let values = || {
        vec![
            used("subnet", subnet.value, &subnet.source),
            used("gateway", gateway, "the first address of the subnet outside the pool"),
            used(
                "range",
                ranges.join(", "),
                format!("the subnet without the pool {}: {}", pool.value, pool.source),
            ),
        ]
    };
    let why = [
        "The ICF gives each provisional IMSI an address of its pool; it has to lie inside the subnet of SMF and UPF,",
        "and outside what the SMF gives out by itself (range). An entry without dnn serves every APN.",
    ];
    let entry = |role: &str, more: &str| {
        let mut text = format!(
            "{role}:\n  session:\n    - subnet: {}\n      gateway: {gateway}\n{more}      range:\n",
            subnet.value
        );
        for range in &ranges {
            let _ = writeln!(text, "        - {range}");
        }
        text
    };
    let mut also = why.to_vec();
    also.push("dev is the tunnel that has the gateway's address.");
    Ok(vec![
        fragment("smf.yaml", "#", &why, values(), &entry("smf", "")),
        fragment("upf.yaml", "#", &also, values(), &entry("upf", "      dev: ogstun\n")),
    ])
}

/// What is left of a subnet beside a pool, as FIRST-LAST.
fn beside(subnet: Ipv4Net, pool: Ipv4Net) -> Vec<String> {
    let (first, last) = (u32::from(subnet.network()) + 1, u32::from(subnet.broadcast()).saturating_sub(1));
    let (low, high) = (u32::from(pool.network()), u32::from(pool.broadcast()));
    let mut ranges = Vec::new();
    if first < low {
        ranges.push(format!("{}-{}", Ipv4Addr::from(first), Ipv4Addr::from(low - 1)));
    }
    if high < last {
        ranges.push(format!("{}-{}", Ipv4Addr::from(high + 1), Ipv4Addr::from(last)));
    }
    ranges
}
