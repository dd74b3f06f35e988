//! What was on the wire, in words: every AVP by its name, secrets left out.

use ::s6a::codec::avp::MAX_DEPTH;
use ::s6a::codec::dictionary::{self, s6a as avp};
use ::s6a::codec::{Avp, Experimental, Kind, Message, ResultCode};
use schemas::identity::Plmn;
use serde::{Deserialize, Serialize};

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the MME to the home network.
    Sent,
    /// From the home network to the MME.
    Received,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSummary {
    /// Which way it went.
    pub direction: Direction,
    /// Its short name, as `AIR`; the number where none is known.
    pub command: String,
    /// Command flags, as `RP--`.
    pub flags: String,
    /// Octets of the whole message.
    pub octets: usize,
    /// Hop-by-Hop id.
    pub hop_by_hop: u32,
    /// End-to-End id.
    pub end_to_end: u32,
    /// Its AVPs, in order.
    pub avps: Vec<AvpSummary>,
}

/// One AVP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvpSummary {
    /// Its name in the specification; code and vendor where it is not known.
    pub name: String,
    /// Its value as text; empty for a group. Secrets are `(N octets)`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The AVPs of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Self>,
}

impl WireSummary {
    /// Of a message; an AVP that cannot be read ends the list.
    #[must_use]
    pub fn of(direction: Direction, message: &Message<'_>) -> Self {
        let header = &message.header;
        Self {
            direction,
            command: command_name(header.command, header.is_request()),
            flags: format!("{:?}", header.flags),
            octets: message.octets().len(),
            hop_by_hop: header.hop_by_hop,
            end_to_end: header.end_to_end,
            avps: message.avps().map_while(Result::ok).map(|avp| AvpSummary::of(&avp, MAX_DEPTH)).collect(),
        }
    }
}

impl std::fmt::Display for WireSummary {
    /// One line: `→ AIR RP-- 312 octets: Session-Id=…, …`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let arrow = match self.direction {
            Direction::Sent => '→',
            Direction::Received => '←',
        };
        write!(f, "{arrow} {} {} {} octets: ", self.command, self.flags, self.octets)?;
        list(f, &self.avps)
    }
}

impl std::fmt::Display for AvpSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.inside.is_empty() {
            return write!(f, "{}={}", self.name, self.value);
        }
        write!(f, "{}{{", self.name)?;
        list(f, &self.inside)?;
        f.write_str("}")
    }
}

fn list(f: &mut std::fmt::Formatter<'_>, avps: &[AvpSummary]) -> std::fmt::Result {
    for (at, avp) in avps.iter().enumerate() {
        write!(f, "{}{avp}", if at > 0 { ", " } else { "" })?;
    }
    Ok(())
}

impl AvpSummary {
    fn of(avp: &Avp<'_>, depth: u8) -> Self {
        let Some(def) = dictionary::find(avp.code, avp.vendor) else {
            let name = match avp.vendor {
                0 => format!("AVP {}", avp.code),
                vendor => format!("AVP {} of vendor {vendor}", avp.code),
            };
            return Self { name, value: octets(avp.data), inside: Vec::new() };
        };
        let mut summary = Self { name: def.name.into(), value: String::new(), inside: Vec::new() };
        match avp.group(depth) {
            Ok(inside) if def.kind == Kind::Grouped => {
                let inside = inside.map_while(Result::ok);
                summary.inside = inside.map(|one| Self::of(&one, depth.saturating_sub(1))).collect();
            }
            _ => summary.value = value(avp, def.kind),
        }
        summary
    }
}

/// What only the two ends of an authentication may know: XRES and keys.
fn is_secret(one: &Avp<'_>) -> bool {
    let secrets = [avp::XRES, avp::KASME, avp::CONFIDENTIALITY_KEY, avp::INTEGRITY_KEY, avp::KC, avp::SRES];
    secrets.iter().any(|secret| one.is(secret))
}

fn value(one: &Avp<'_>, kind: Kind) -> String {
    if is_secret(one) {
        return octets_count(one.data);
    }
    if one.is(&avp::VISITED_PLMN_ID)
        && let Ok(Ok(plmn)) = one.array().map(Plmn::from_octets)
    {
        return plmn.to_string();
    }
    if one.is(&dictionary::base::RESULT_CODE)
        && let Ok(code) = one.u32()
    {
        return ResultCode(code).to_string();
    }
    if one.is(&dictionary::base::EXPERIMENTAL_RESULT_CODE)
        && let Ok(code) = one.u32()
    {
        return Experimental(code).to_string();
    }
    let text = match kind {
        Kind::Utf8 | Kind::Identity | Kind::Uri => one.str().ok().map(printable),
        Kind::Address => one.address().ok().map(|address| address.to_string()),
        Kind::U32 | Kind::Enumerated | Kind::Time => one.u32().ok().map(|number| number.to_string()),
        Kind::I32 => one.u32().ok().map(|number| number.cast_signed().to_string()),
        Kind::U64 => one.u64().ok().map(|number| number.to_string()),
        Kind::Octets | Kind::Grouped => None,
    };
    text.unwrap_or_else(|| octets(one.data))
}

/// Nothing that a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// At most so many octets are shown.
const SHOWN: usize = 32;

fn octets(data: &[u8]) -> String {
    if data.len() > SHOWN { octets_count(data) } else { hex::encode(data) }
}

fn octets_count(data: &[u8]) -> String {
    format!("({} octets)", data.len())
}

/// The short names of RFC 6733 §3.1 and TS 29.272 §7.2.2.
fn command_name(command: u32, request: bool) -> String {
    let stem = match command {
        257 => "CE",
        280 => "DW",
        282 => "DP",
        316 => "UL",
        317 => "CL",
        318 => "AI",
        319 => "ID",
        320 => "DS",
        321 => "PU",
        322 => "RS",
        323 => "NO",
        _ => return format!("{command}{}", if request { " request" } else { " answer" }),
    };
    format!("{stem}{}", if request { 'R' } else { 'A' })
}
