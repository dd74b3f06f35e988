//! The subscription of a subscriber document of Open5GS, as overrides of the credential: what its HSS tells an MME of it
//! (`lib/dbi/subscription.c`, `src/hss/hss-s6a-path.c`).
//!
//! Of `slice` that is the first one (`slice[0].session`, in its order, the first being the default); slices and charging
//! rules mean nothing on S6a and are counted. Documents of releases before 2.3 have `pdn` instead, with PDN-Type and
//! pre-emption as Diameter has them and rates in units of 1024 bit/s, as their HSS sent them.

use std::net::IpAddr;

use schemas::{
    rest::{AccessRule, Rat},
    subscription::{
        AccessRestriction, AllocationType, Ambr, Apn, Arp, Barring, Gateway, NetworkAccessMode, Overrides,
        PdnType, Profile, StaticAddress,
    },
};
use serde_json::{Map, Value};

use super::{
    fields::{Fields, whole},
    names::Field,
    wrong::{Wrong, shown},
};

/// Names that the notes of one record list at most.
const LISTED: usize = 20;

/// What a document says of a subscription.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    /// As overrides.
    pub(super) overrides: Overrides,
    /// What has no meaning on S6a, or what the HSS would not send, by name.
    pub(super) not_taken: Vec<String>,
    /// What the document leaves open, with what was taken for it.
    pub(super) assumed: Vec<&'static str>,
}

/// Numbers of a document outside `slice`, `ambr` and `pdn`, with the field each is in.
pub(super) struct Numbers {
    pub(super) access_restriction_data: Option<u64>,
    pub(super) network_access_mode: Option<u64>,
    pub(super) rau_tau_timer: Option<u64>,
    pub(super) barring: Option<u64>,
    pub(super) additional_msisdn: Option<String>,
}

/// Reads the subscription of a record.
///
/// # Errors
/// What cannot be told to an MME, with its path in the document.
pub(super) fn read(fields: &Fields<'_>, numbers: &Numbers) -> Result<Subscription, Wrong> {
    let mut reader = Reader { said: Subscription::default(), overrides: Map::new() };
    reader.numbers(fields, numbers)?;
    reader.rates_and_apns(fields)?;
    let overrides = Overrides::new(reader.overrides).map_err(|why| Wrong::of(Field::Slice, why))?;
    Ok(Subscription { overrides, ..reader.said })
}

/// A value and where it stands.
#[derive(Clone, Copy)]
struct Node<'a> {
    value: &'a Value,
    parent: Option<&'a Node<'a>>,
    step: Step<'a>,
    field: Field,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

impl<'a> Node<'a> {
    fn root(field: Field, value: &'a Value) -> Self {
        Self { value, parent: None, step: Step::Member(field.name()), field }
    }

    /// A member of an object, if it is there and not null.
    fn get(&'a self, name: &'a str) -> Option<Node<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Node { value, parent: Some(self), step: Step::Member(name), field: self.field })
    }

    fn object(&self) -> Result<&'a Map<String, Value>, Wrong> {
        self.value.as_object().ok_or_else(|| self.wrong("is to be a JSON object, as mongoexport writes it"))
    }

    fn items(&'a self) -> Result<Vec<Node<'a>>, Wrong> {
        let Value::Array(items) = self.value else {
            return Err(self.wrong("is to be a JSON list, as mongoexport writes it"));
        };
        let node =
            |(place, value)| Node { value, parent: Some(self), step: Step::Item(place), field: self.field };
        Ok(items.iter().enumerate().map(node).collect())
    }

    /// `slice[0].session[1].qos.index`.
    fn path(&self) -> String {
        let before = self.parent.map(Node::path).unwrap_or_default();
        match self.step {
            Step::Member(name) if before.is_empty() => name.to_owned(),
            Step::Member(name) => format!("{before}.{name}"),
            Step::Item(place) => format!("{before}[{place}]"),
        }
    }

    /// `slice.session.qos.index`: the same in every record.
    fn name(&self) -> String {
        let before = self.parent.map(Node::name).unwrap_or_default();
        match self.step {
            Step::Member(name) if before.is_empty() => name.to_owned(),
            Step::Member(name) => format!("{before}.{name}"),
            Step::Item(_) => before,
        }
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Wrong {
        Wrong::of(self.field, format!("{}: {what}", self.path()))
    }

    /// A number that is whole and not negative: also of MongoDB's extended JSON, as a double, or as text of a CSV.
    fn number(&self) -> Result<u64, Wrong> {
        let plain = match self.value {
            Value::Object(object) => {
                let typed = ["$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"];
                typed.iter().find_map(|kind| object.get(*kind)).unwrap_or(self.value)
            }
            value => value,
        };
        let number = match plain {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => {
                let text = text.trim();
                text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
            }
            _ => None,
        };
        number.ok_or_else(|| self.wrong("is to be a whole number, not negative"))
    }

    /// A number of these.
    fn of(&self, range: std::ops::RangeInclusive<u64>, meaning: &str) -> Result<u8, Wrong> {
        let number = self.number()?;
        match u8::try_from(number) {
            Ok(small) if range.contains(&number) => Ok(small),
            _ => Err(self.wrong(format_args!("{number} is not {meaning}"))),
        }
    }

    fn text(&self) -> Result<&'a str, Wrong> {
        self.value.as_str().map(str::trim).ok_or_else(|| self.wrong("is to be a text, in quotes"))
    }
}

/// Nothing to count: null, an empty text, list or object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

struct Reader {
    said: Subscription,
    overrides: Map<String, Value>,
}

impl Reader {
    fn set(&mut self, field: &str, value: impl serde::Serialize) {
        if let Ok(value) = serde_json::to_value(value) {
            self.overrides.insert(field.to_owned(), value);
        }
    }

    fn not_taken(&mut self, name: String) {
        if self.said.not_taken.len() < LISTED && !self.said.not_taken.contains(&name) {
            self.said.not_taken.push(name);
        }
    }

    fn assumed(&mut self, what: &'static str) {
        if !self.said.assumed.contains(&what) {
            self.said.assumed.push(what);
        }
    }

    /// Counts the members that are not read. `_id` is the database's.
    fn rest(&mut self, node: &Node<'_>, read: &[&str]) -> Result<(), Wrong> {
        for (name, value) in node.object()? {
            if name != "_id" && !read.contains(&name.as_str()) && !is_empty(value) {
                self.not_taken(format!("{}.{}", node.name(), shown(name)));
            }
        }
        Ok(())
    }

    fn numbers(&mut self, fields: &Fields<'_>, numbers: &Numbers) -> Result<(), Wrong> {
        let wrong = |field: Field, what: String| Wrong::of(field, format!("{}: {what}", fields.label(field)));
        if let Some(mask) = numbers.access_restriction_data {
            let (rats, others) = restrictions(mask).ok_or_else(|| {
                let what =
                    format!("{mask} has bits that are not known here: 0 to 11 are (TS 29.272 §7.3.31)");
                wrong(Field::AccessRestrictionData, what)
            })?;
            self.set("allowed_rats", rats);
            self.set("access_restrictions", others);
        }
        if let Some(mode) = numbers.network_access_mode {
            let mode = match mode {
                0 => NetworkAccessMode::PacketAndCircuit,
                2 => NetworkAccessMode::OnlyPacket,
                _ => {
                    let what = format!(
                        "{mode} is neither 0, packet and circuit, nor 2, packet only (TS 29.272 §7.3.21)"
                    );
                    return Err(wrong(Field::NetworkAccessMode, what));
                }
            };
            self.set("network_access_mode", mode);
        }
        if let Some(minutes) = numbers.rau_tau_timer {
            let seconds = u32::try_from(minutes).ok().and_then(|minutes| minutes.checked_mul(60));
            let seconds = seconds.ok_or_else(|| {
                let what =
                    format!("{minutes} minutes are more seconds than 32 bits hold (TS 29.272 §7.3.134)");
                wrong(Field::RauTauTimer, what)
            })?;
            self.set("periodic_tau", seconds);
        }
        if let Some(mask) = numbers.barring {
            let barring = barring(mask).ok_or_else(|| {
                let what = format!("{mask} has bits that are not known here: 0 to 8 are (TS 29.272 §7.3.30)");
                wrong(Field::OperatorDeterminedBarring, what)
            })?;
            if !barring.is_empty() {
                self.set("barring", barring);
            }
        }
        if let Some(msisdn) = &numbers.additional_msisdn {
            self.set("additional_msisdn", msisdn);
        }
        Ok(())
    }

    fn rates_and_apns(&mut self, fields: &Fields<'_>) -> Result<(), Wrong> {
        let document = fields.document()?;
        let root = |field| {
            document.iter().find(|(it, _)| *it == field).map(|(_, value)| Node::root(field, value.as_ref()))
        };
        let (slice, pdn) = (root(Field::Slice), root(Field::Pdn));
        if let (Some(slice), Some(_)) = (&slice, &pdn) {
            return Err(slice.wrong("and pdn are the same of two schemas of Open5GS: leave one of them out"));
        }
        let ambr = root(Field::Ambr).map(|ambr| self.ambr(&ambr)).transpose()?;
        let apns = match (&slice, &pdn) {
            (Some(slice), _) => self.sessions_of(slice, ambr)?,
            (_, Some(pdn)) => self.apns(pdn, ambr, &PDN)?,
            (None, None) => Vec::new(),
        };
        // Whatever a profile of these APNs would be refused for.
        if !apns.is_empty() || ambr.is_some() {
            let check = match apns.is_empty() {
                true => vec![Apn::new("internet", Ambr { uplink: 0, downlink: 0 })],
                false => apns.clone(),
            };
            let profile = Profile::new("", check, ambr.unwrap_or(Ambr { uplink: 0, downlink: 0 }));
            let field = if pdn.is_some() { Field::Pdn } else { Field::Slice };
            if let Some(wrong) = profile.check_subscriber().into_iter().next() {
                let field = if wrong.pointer.starts_with("/ambr") { Field::Ambr } else { field };
                return Err(Wrong::of(
                    field,
                    format!("{}: {}", path_of(&wrong.pointer, field), wrong.detail),
                ));
            }
        }
        if let Some(ambr) = ambr {
            self.set("ambr", ambr);
        }
        if !apns.is_empty() {
            self.set("apns", apns);
        }
        Ok(())
    }

    /// The sessions of the first slice, which are all that the HSS sends.
    fn sessions_of(&mut self, slice: &Node<'_>, ambr: Option<Ambr>) -> Result<Vec<Apn>, Wrong> {
        let slices = slice.items()?;
        let Some(first) = slices.first() else { return Err(slice.wrong(NO_APN)) };
        for other in &slices {
            self.rest(other, &["session"])?;
        }
        if slices.len() > 1 {
            self.not_taken("slice after the first".to_owned());
        }
        if first.get("sst").is_none() {
            return Err(first.wrong("has no sst: Open5GS's HSS leaves such a slice out; give it one"));
        }
        let Some(sessions) = first.get("session") else { return Err(first.wrong(NO_APN)) };
        self.apns(&sessions, ambr, &SESSION)
    }

    fn apns(&mut self, list: &Node<'_>, ambr: Option<Ambr>, names: &Names) -> Result<Vec<Apn>, Wrong> {
        let sessions = list.items()?;
        if sessions.is_empty() {
            return Err(list.wrong(NO_APN));
        }
        sessions.iter().map(|session| self.apn(session, ambr, names)).collect()
    }

    fn apn(&mut self, session: &Node<'_>, ue_ambr: Option<Ambr>, names: &Names) -> Result<Apn, Wrong> {
        let known = [names.name, "type", "qos", "ambr", "ue", names.gateway];
        self.rest(session, &known)?;
        let Some(name) = session.get(names.name) else {
            return Err(session.wrong(format_args!("has no {}: give the APN's, as internet", names.name)));
        };
        let name = name.text()?;
        let mut rates = None;
        if let Some(ambr) = session.get("ambr") {
            // The HSS sends none of 0 and 0.
            rates = Some(self.ambr(&ambr)?).filter(|ambr| (ambr.uplink, ambr.downlink) != (0, 0));
        }
        let Some(rates) = rates.or(ue_ambr) else {
            return Err(session.wrong("has no ambr, nor has the subscriber: give downlink and uplink"));
        };
        if session.get("ambr").is_none() {
            self.assumed("ambr of an APN: the subscriber's");
        }
        let mut apn = Apn::new(name, rates);
        match session.get("type") {
            Some(kind) => {
                apn.pdn_type = (names.pdn_type)(kind.number()?).ok_or_else(|| kind.wrong(names.types))?
            }
            None => self.assumed("type of an APN: IPv4"),
        }
        self.qos(session, &mut apn, names)?;
        self.addresses(session, &mut apn)?;
        apn.gateway = self.gateway(session, names)?;
        apn.vplmn_dynamic_address = names.vplmn_dynamic_address;
        Ok(apn)
    }

    fn qos(&mut self, session: &Node<'_>, apn: &mut Apn, names: &Names) -> Result<(), Wrong> {
        let Some(qos) = session.get("qos") else {
            self.assumed("qos of an APN: QCI 9, priority level 15");
            return Ok(());
        };
        self.rest(&qos, &[names.qci, "arp"])?;
        match qos.get(names.qci) {
            Some(index) => apn.qci = index.of(1..=255, "a QCI, 1 to 255 (TS 23.203 table 6.1.7)")?,
            None => self.assumed("qos of an APN: QCI 9, priority level 15"),
        }
        let Some(arp) = qos.get("arp") else {
            self.assumed("qos of an APN: QCI 9, priority level 15");
            return Ok(());
        };
        self.rest(&arp, &["priority_level", "pre_emption_capability", "pre_emption_vulnerability"])?;
        let enabled = |name: &str| -> Result<bool, Wrong> {
            // The HSS reads what is missing as 0.
            let Some(value) = arp.get(name) else { return Ok(names.pre_emption_enabled == 0) };
            let number = value.number()?;
            if names.pre_emption.contains(&number) {
                Ok(number == names.pre_emption_enabled)
            } else {
                Err(value.wrong(format_args!(
                    "{number} is neither 1, disabled, nor {}, enabled",
                    names.pre_emption_enabled
                )))
            }
        };
        let (may_preempt, preemptable) =
            (enabled("pre_emption_capability")?, enabled("pre_emption_vulnerability")?);
        let priority = match arp.get("priority_level") {
            Some(level) => level.of(1..=15, "a priority level, 1 to 15 (TS 29.212 §5.3.45)")?,
            None => {
                self.assumed("qos of an APN: QCI 9, priority level 15");
                apn.arp.priority
            }
        };
        apn.arp = Arp { priority, may_preempt, preemptable };
        Ok(())
    }

    /// Served-Party-IP-Address: of an IP version that the PDN-Type has.
    fn addresses(&mut self, session: &Node<'_>, apn: &mut Apn) -> Result<(), Wrong> {
        let Some(ue) = session.get("ue") else { return Ok(()) };
        self.rest(&ue, &["ipv4", "addr", "ipv6", "addr6"])?;
        for (node, address) in addresses_of::<StaticAddress>(&ue, |address| address.0)? {
            let fits = match address.0 {
                IpAddr::V4(_) => apn.pdn_type.has_ipv4(),
                IpAddr::V6(_) => apn.pdn_type.has_ipv6(),
            };
            if fits {
                apn.addresses.push(address);
            } else {
                self.not_taken(format!("{} of a type without it", node));
            }
        }
        Ok(())
    }

    /// MIP6-Agent-Info, of which the HSS says that another gateway may be taken.
    fn gateway(&mut self, session: &Node<'_>, names: &Names) -> Result<Option<Gateway>, Wrong> {
        let Some(gateway) = session.get(names.gateway) else { return Ok(None) };
        self.rest(&gateway, &["ipv4", "addr", "ipv6", "addr6"])?;
        let addresses = addresses_of::<IpAddr>(&gateway, |address| *address)?;
        let addresses: Vec<IpAddr> = addresses.into_iter().map(|(_, address)| address).collect();
        Ok((!addresses.is_empty()).then_some(Gateway {
            addresses,
            name: None,
            allocation: AllocationType::Dynamic,
        }))
    }

    /// bit/s. Both directions, each a value with a unit or, of the older schema, a number of 1024 bit/s.
    fn ambr(&mut self, ambr: &Node<'_>) -> Result<Ambr, Wrong> {
        self.rest(ambr, &["downlink", "uplink"])?;
        let mut rate = |direction| match ambr.get(direction) {
            Some(rate) => self.rate(&rate),
            None => Err(ambr.wrong(format_args!("has no {direction}: give its value and unit"))),
        };
        let (downlink, uplink) = (rate("downlink")?, rate("uplink")?);
        Ok(Ambr { uplink, downlink })
    }

    fn rate(&mut self, rate: &Node<'_>) -> Result<u64, Wrong> {
        let is_number = |object: &Map<String, Value>| object.keys().any(|name| name.starts_with("$number"));
        let (value, factor) = match rate.value {
            Value::Object(object) if !is_number(object) => {
                self.rest(rate, &["value", "unit"])?;
                let Some(value) = rate.get("value") else { return Err(rate.wrong("has no value: give it")) };
                let unit = rate.get("unit").map(|unit| unit.of(0..=4, UNITS)).transpose()?.unwrap_or(0);
                (value.number()?, 1000_u64.pow(unit.into()))
            }
            _ => (rate.number()?, 1024),
        };
        value.checked_mul(factor).ok_or_else(|| rate.wrong("is more than 4.29 Tbit/s (TS 29.214 §5.3.52)"))
    }
}

const UNITS: &str = "a unit: 0 bit/s, 1 kbit/s, 2 Mbit/s, 3 Gbit/s, 4 Tbit/s";
const NO_APN: &str = "has no session, so that Open5GS's HSS refuses the subscriber; give it one, or let the profile decide \
     (--subscription profile, subscription=profile)";

/// What the two schemas call it, and what their numbers mean.
struct Names {
    name: &'static str,
    qci: &'static str,
    gateway: &'static str,
    types: &'static str,
    pdn_type: fn(u64) -> Option<PdnType>,
    pre_emption: &'static [u64],
    pre_emption_enabled: u64,
    vplmn_dynamic_address: Option<bool>,
}

/// `slice[0].session[]`: types as 5GC has them, and pre-emption: 2 is enabled, all else disabled.
const SESSION: Names = Names {
    name: "name",
    qci: "index",
    gateway: "smf",
    types: "is to be 1 (IPv4), 2 (IPv6) or 3 (IPv4v6); EPS has no other",
    pdn_type: |number| pdn_type(number.checked_sub(1)?),
    pre_emption: &[0, 1, 2],
    pre_emption_enabled: 2,
    vplmn_dynamic_address: Some(true),
};

/// `pdn[]`: types and pre-emption as Diameter has them (TS 29.272 §7.3.62, TS 29.212 §5.3.46).
const PDN: Names = Names {
    name: "apn",
    qci: "qci",
    gateway: "pgw",
    types: "is to be 0 (IPv4), 1 (IPv6) or 2 (IPv4v6)",
    pdn_type,
    pre_emption: &[0, 1],
    pre_emption_enabled: 0,
    vplmn_dynamic_address: None,
};

fn pdn_type(number: u64) -> Option<PdnType> {
    Some(match number {
        0 => PdnType::Ipv4,
        1 => PdnType::Ipv6,
        2 => PdnType::Ipv4v6,
        _ => return None,
    })
}

/// Addresses of `ue`, `smf`, `pgw`, each with its name in the notes. Until release 2.4 they were `addr` and `addr6`.
fn addresses_of<T: std::str::FromStr>(
    node: &Node<'_>,
    ip: impl Fn(&T) -> IpAddr,
) -> Result<Vec<(String, T)>, Wrong> {
    let mut all = Vec::new();
    for (name, v6) in [("ipv4", false), ("addr", false), ("ipv6", true), ("addr6", true)] {
        let Some(member) = node.get(name) else { continue };
        let text = member.text()?;
        if text.is_empty() {
            continue;
        }
        let what = if v6 {
            "is to be an IPv6 address, of a UE also a /64 prefix"
        } else {
            "is to be an IPv4 address"
        };
        let address: T = text.parse().map_err(|_| member.wrong(what))?;
        if ip(&address).is_ipv6() != v6 {
            return Err(member.wrong(what));
        }
        all.push((member.name(), address));
    }
    Ok(all)
}

/// Access-Restriction-Data as what a profile has of it; `None` if it has a bit that neither has.
fn restrictions(mask: u64) -> Option<(AccessRule<Rat>, Vec<AccessRestriction>)> {
    use AccessRestriction::*;
    let rats = [(Rat::Utran, 0), (Rat::Geran, 1), (Rat::Eutran, 4), (Rat::EutranNbIot, 6), (Rat::LteM, 11)];
    let others = [
        Gan,
        HspaEvolution,
        HandoverToNon3gpp,
        EnhancedCoverage,
        NrAsSecondaryRat,
        UnlicensedSpectrumAsSecondaryRat,
        NrIn5gs,
    ];
    if mask >> 12 != 0 {
        return None;
    }
    let allowed: Vec<Rat> =
        rats.iter().filter(|(_, bit)| mask >> bit & 1 == 0).map(|(rat, _)| *rat).collect();
    let rule = if allowed.len() == rats.len() { AccessRule::Any } else { AccessRule::Only(allowed) };
    let others = others.into_iter().filter(|other| mask & u64::from(other.bit()) != 0).collect();
    Some((rule, others))
}

/// Operator-Determined-Barring as what a profile has of it; `None` if it has another bit.
fn barring(mask: u64) -> Option<Vec<Barring>> {
    use Barring::*;
    let all = [
        AllPacketServices,
        HplmnAccessPointsWhileRoaming,
        VplmnAccessPoints,
        OutgoingCalls,
        OutgoingInternationalCalls,
        OutgoingInternationalCallsExceptHomeCountry,
        OutgoingInterzonalCalls,
        OutgoingInterzonalCallsExceptHomeCountry,
        OutgoingInternationalCallsExceptHomeCountryAndInterzonalCalls,
    ];
    (mask >> all.len() == 0).then(|| all.into_iter().filter(|one| mask & u64::from(one.bit()) != 0).collect())
}

/// A place in the profile, as one in the document: `/apns/1/arp/priority` is `slice[0].session[1].qos.arp.priority_level`.
fn path_of(pointer: &str, field: Field) -> String {
    let names = if field == Field::Pdn { &PDN } else { &SESSION };
    let list = if field == Field::Pdn { "pdn" } else { "slice[0].session" };
    let Some(rest) = pointer.strip_prefix("/apns") else {
        return pointer.trim_start_matches('/').replace('/', ".");
    };
    let mut parts = rest.trim_start_matches('/').splitn(2, '/');
    let (place, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if place.is_empty() {
        return list.to_owned();
    }
    let rest = match rest.split('/').next().unwrap_or_default() {
        "name" => names.name.to_owned(),
        "pdn_type" => "type".to_owned(),
        "qci" => format!("qos.{}", names.qci),
        "arp" => "qos.arp.priority_level".to_owned(),
        "addresses" => "ue".to_owned(),
        "gateway" => names.gateway.to_owned(),
        _ => rest.replace('/', "."),
    };
    format!("{list}[{place}].{rest}")
}
