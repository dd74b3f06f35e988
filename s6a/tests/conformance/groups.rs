//! Every AVP that the sixteen commands of S6a name, down into each group: typed, written, read again, and held against
//! what other dictionaries put into the same groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Cursor,
    path::Path,
    sync::Arc,
};

use diameter::DiameterMessage;
use s6a::{
    app::*,
    base::ProxyInfo,
    codec::{
        CommandFlags, Header, Kind, Member, Message, Occurs, Writer,
        dictionary::{self, base::*},
    },
};

use super::independent::{compare, theirs, under_their_header};

struct Command {
    name: &'static str,
    code: u32,
    application: u32,
    flags: CommandFlags,
    members: &'static [Member],
}

macro_rules! commands {
    ($($type:ident)*) => {
        [$(Command {
            name: stringify!($type),
            code: $type::CODE,
            application: $type::APPLICATION,
            flags: $type::FLAGS,
            members: $type::MEMBERS,
        }),*]
    };
}

const COMMANDS: [Command; 16] = commands! {
    AuthenticationInformationRequest AuthenticationInformationAnswer
    UpdateLocationRequest UpdateLocationAnswer
    CancelLocationRequest CancelLocationAnswer
    InsertSubscriberDataRequest InsertSubscriberDataAnswer
    DeleteSubscriberDataRequest DeleteSubscriberDataAnswer
    PurgeUeRequest PurgeUeAnswer
    ResetRequest ResetAnswer
    NotifyRequest NotifyAnswer
};

/// Groups that commands carry as they came: Proxy-Info is echoed (RFC 6733 §6.2), Failed-AVP holds any AVP (§7.5).
const AS_THEY_CAME: [&str; 2] = ["Proxy-Info", "Failed-AVP"];

/// Groups of the dictionary that no command of S6a carries, and whose they are.
const ELSEWHERE: [(&str, &str); 9] = [
    ("Non-3GPP-User-Data", "TS 29.273, SWx"),
    ("Trace-Info", "TS 29.273, STa, SWx"),
    ("WLAN-Identifier", "TS 29.273, STa"),
    ("TWAN-Access-Info", "TS 29.273, SWx"),
    ("Access-Network-Info", "TS 29.273, STa"),
    ("TWAN-Connectivity-Parameters", "TS 29.273, STa"),
    ("VPLMN-CSG-Subscription-Data", "TS 29.272 §7.2.25, S7a"),
    ("Serving-Node", "TS 29.173, SLh"),
    ("Additional-Serving-Node", "TS 29.173, SLh"),
];

fn walk(path: &str, members: &'static [Member], visit: &mut impl FnMut(&str, &'static Member)) {
    for member in members {
        let path = format!("{path} / {}", member.def.name);
        visit(&path, member);
        walk(&path, member.members, visit);
    }
}

fn walk_all(mut visit: impl FnMut(&str, &'static Member)) {
    for command in &COMMANDS {
        walk(command.name, command.members, &mut visit);
    }
}

#[test]
fn every_group_that_a_command_of_s6a_carries_has_a_type() {
    let mut untyped = BTreeSet::new();
    let mut groups = BTreeSet::new();
    walk_all(|path, member| {
        if member.def.kind == Kind::Grouped && !AS_THEY_CAME.contains(&member.def.name) {
            groups.insert(member.def.name);
            if member.members.is_empty() {
                untyped.insert(path.to_owned());
            }
        } else if !member.members.is_empty() {
            panic!("{path} has a group's type, but is {:?}", member.def.kind);
        }
    });
    assert!(untyped.is_empty(), "no type reads these groups: {untyped:#?}");
    assert!(groups.len() > 70, "only {} groups were reached: {groups:?}", groups.len());
}

#[test]
fn every_group_of_the_dictionary_is_reached_from_a_command_or_known_to_belong_elsewhere() {
    let mut reached = BTreeSet::new();
    walk_all(|_, member| {
        reached.insert(member.def.name);
    });
    for def in dictionary::all().filter(|def| def.kind == Kind::Grouped) {
        let elsewhere = ELSEWHERE.iter().any(|(name, _)| *name == def.name);
        assert!(
            reached.contains(def.name) != elsewhere,
            "{} ({}): {}",
            def.name,
            def.code,
            if elsewhere { "is of S6a after all" } else { "no command of S6a leads to it" }
        );
    }
}

#[test]
fn a_grammar_names_what_the_dictionary_has_and_each_avp_once() {
    walk_all(|path, member| {
        let def = dictionary::find(member.def.code, member.def.vendor);
        assert_eq!(def.map(|def| def.name), Some(member.def.name), "{path}");
        let names: BTreeSet<_> = member.members.iter().map(|inside| inside.def.key()).collect();
        assert_eq!(names.len(), member.members.len(), "{path} names an AVP twice");
    });
}

/// Octets that a type of fixed length takes, else two.
fn octets(name: &str) -> &'static [u8] {
    let length = match name {
        "Visited-PLMN-Id" | "MDT-Allowed-PLMN-Id" | "Group-PLMN-Id" => 3,
        "SRES" => 4,
        "Kc" => 8,
        "RAND" | "AUTN" | "Confidentiality-Key" | "Integrity-Key" => 16,
        "Re-Synchronization-Info" => 30,
        "KASME" => 32,
        _ => 2,
    };
    &[0x21; 32][..length]
}

/// The AVP with all that its grammar names, `nth` of its kind.
fn write(writer: &mut Writer<'_>, member: &Member, nth: u32) {
    let def = member.def;
    match (def.name, def.kind) {
        ("Proxy-Info", _) => writer.group(def, |writer| write_all(writer, ProxyInfo::MEMBERS)),
        ("Failed-AVP", _) => writer.group(def, |writer| writer.str(&ORIGIN_HOST, "mme.example")),
        (_, Kind::Grouped) => writer.group(def, |writer| write_all(writer, member.members)),
        (_, Kind::Octets) => writer.octets(def, octets(def.name)),
        (_, Kind::Utf8 | Kind::Identity | Kind::Uri) => {
            writer.str(def, ["a.example", "b.example"][nth as usize])
        }
        (_, Kind::Address) if nth == 0 => writer.address(def, "192.0.2.1".parse().unwrap()),
        (_, Kind::Address) => writer.address(def, "2001:db8::1".parse().unwrap()),
        (_, Kind::Time) => writer.u32(def, 3_900_000_000 + nth),
        (_, Kind::U32) => writer.u32(def, def.code + nth),
        (_, Kind::U64) => writer.u64(def, u64::from(def.code + nth) << 32 | 1),
        (_, Kind::I32) => writer.i32(def, -1 - nth as i32),
        // NO_STATE_MAINTAINED is the only value of it on S6a (TS 29.272 §7.1.4); 0 is one of every other.
        ("Auth-Session-State", Kind::Enumerated) => writer.u32(def, 1),
        (_, Kind::Enumerated) => writer.u32(def, 0),
    }
}

fn write_all(writer: &mut Writer<'_>, members: &[Member]) {
    for member in members {
        match member.occurs {
            Occurs::Once | Occurs::AtMostOnce => write(writer, member, 0),
            Occurs::Any | Occurs::AtLeastOnce => {
                write(writer, member, 0);
                write(writer, member, 1);
            }
            // The other of the two tells more, and is what is kept where both come.
            Occurs::Either if member.def.key() == RESULT_CODE.key() => {}
            Occurs::Either => write(writer, member, 0),
        }
    }
}

fn header(command: &Command) -> Header {
    Header {
        length: 0,
        flags: command.flags,
        command: command.code,
        application: command.application,
        hop_by_hop: 1,
        end_to_end: 2,
    }
}

/// The command with every AVP that its grammar and those of its groups name; what may come more than once, twice.
fn fullest(command: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &header(command));
    write_all(&mut writer, command.members);
    writer.finish();
    out
}

#[test]
fn every_avp_of_every_group_is_written_again_as_it_was_read() {
    for command in &COMMANDS {
        let octets = fullest(command);
        let message = Message::parse(&octets).unwrap();
        let mut again = Vec::new();
        let asked = Header { flags: command.flags.with(CommandFlags::REQUEST), ..header(command) };
        if command.flags.has(CommandFlags::REQUEST) {
            let request =
                Request::decode(&message).unwrap_or_else(|error| panic!("{}: {error:?}", command.name));
            request.encode(&mut again, 1, 2);
            assert_eq!(
                request,
                Request::decode(&Message::parse(&again).unwrap()).unwrap(),
                "{}",
                command.name
            );
        } else {
            let answer =
                Answer::decode(&message).unwrap_or_else(|error| panic!("{}: {error:?}", command.name));
            answer.encode(&mut again, &asked);
            assert_eq!(answer, Answer::decode(&Message::parse(&again).unwrap()).unwrap(), "{}", command.name);
        }
        assert!(octets == again, "{} is written otherwise than it was read", command.name);
    }
}

#[test]
fn every_avp_of_every_group_is_read_alike_by_another_decoder() {
    let dictionary = theirs();
    let mut compared = 0;
    for command in &COMMANDS {
        let octets = fullest(command);
        let message = Message::parse(&octets).unwrap();
        let theirs = DiameterMessage::decode_from(
            &mut Cursor::new(under_their_header(&octets)),
            Arc::clone(&dictionary),
        )
        .unwrap_or_else(|error| panic!("{}: {error}", command.name));
        compared += compare(command.name, message.avps(), theirs.get_avps());
    }
    assert!(compared > 2500, "only {compared} AVPs were compared");
}

#[test]
fn a_group_without_what_it_requires_gets_5005() {
    for command in &COMMANDS {
        for (at, member) in command.members.iter().enumerate() {
            let Some(required) =
                member.members.iter().position(|m| matches!(m.occurs, Occurs::Once | Occurs::AtLeastOnce))
            else {
                continue;
            };
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out, &header(command));
            write_all(&mut writer, &command.members[..at]);
            let (before, after) = member.members.split_at(required);
            writer.group(member.def, |writer| {
                write_all(writer, before);
                write_all(writer, &after[1..]);
            });
            write_all(&mut writer, &command.members[at + 1..]);
            writer.finish();
            let code = refusal(&out, command);
            assert_eq!(
                code,
                Some(5005),
                "{}: {} without {}",
                command.name,
                member.def.name,
                after[0].def.name
            );
        }
    }
}

/// The Result-Code that reading the message ends with.
fn refusal(octets: &[u8], command: &Command) -> Option<u32> {
    let message = Message::parse(octets).unwrap();
    let error = if command.flags.has(CommandFlags::REQUEST) {
        Request::decode(&message).err()
    } else {
        Answer::decode(&message).err()
    };
    error.map(|error| error.code.0)
}

/// An AVP of Wireshark's dictionaries.
struct Theirs {
    name: String,
    code: u32,
    of_3gpp: bool,
    /// Names of the AVPs inside, of a group.
    inside: BTreeSet<String>,
}

/// All of Wireshark's dictionaries.
fn wireshark_avps() -> Vec<Theirs> {
    let folders = super::wireshark::tshark(&["-G", "folders"]);
    let folder = folders
        .lines()
        .find_map(|line| line.strip_prefix("Global configuration:"))
        .map(|folder| Path::new(folder.trim()).join("diameter"))
        .unwrap();
    let mut avps = Vec::new();
    for file in fs::read_dir(&folder).unwrap() {
        // Some of them are in Latin-1; the names are not.
        let text = String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned();
        for avp in text.split("<avp ").skip(1) {
            let avp = avp.split("</avp>").next().unwrap();
            let tag = avp.split('>').next().unwrap();
            let (Some(name), Some(code)) = (attribute("name", tag), attribute("code", tag)) else { continue };
            avps.push(Theirs {
                name,
                code: code.parse().unwrap(),
                of_3gpp: attribute("vendor-id", tag).as_deref() == Some("TGPP"),
                inside: avp.split("<gavp ").skip(1).filter_map(|tag| attribute("name", tag)).collect(),
            });
        }
    }
    avps
}

/// An attribute's value in what follows a tag's name.
fn attribute(name: &str, tag: &str) -> Option<String> {
    let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    Some(value.trim().to_owned())
}

/// Where Wireshark puts AVPs into a group that S6a's grammar does not, and why.
fn only_in_wireshark(group: &str, member: &str) -> bool {
    match group {
        // TS 29.336 §8.4.2 and §8.4.3 for S6t; TS 29.128 for T6a.
        "Monitoring-Event-Configuration" => {
            matches!(member, "Association-Type" | "DL-Buffering-Suggested-Packet-Count" | "PLMN-ID-Requested")
        }
        "Monitoring-Event-Report" => matches!(
            member,
            "SCEF-Reference-ID-for-Deletion"
                | "Visited-PLMN-Id"
                | "Roaming-Information"
                | "IMEI-Change"
                | "Terminal-Information"
                | "Event-Handling"
                | "Service-Report"
                | "Number-Of-UE-Per-Location-Report"
        ),
        // TS 29.272 §7.3.45 leaves the prefix of RFC 5447 out, §7.3.180 these two of TS 29.344.
        "MIP6-Agent-Info" => member == "MIP6-Home-Link-Prefix",
        "ProSe-Subscription-Data" => matches!(member, "ProSe-Allowed-PLMN" | "3GPP-Charging-Characteristics"),
        // RFC 8581 §7.3; S6a takes over RFC 7683 alone (TS 29.272 §7.3.179).
        "OC-OLR" | "OC-Supported-Features" => !matches!(member, "OC-Feature-Vector"),
        _ => false,
    }
}

/// The name in 3GPP's documents of an AVP that Wireshark calls otherwise.
fn as_3gpp_says(name: &str) -> &str {
    match name {
        "Call-Barring-Infor-List" => "Call-Barring-Info",
        "3GPP-Service-Type" => "Service-Type",
        name => name,
    }
}

#[test]
fn no_avp_that_wireshark_knows_in_a_group_is_left_out() {
    let theirs: BTreeMap<String, BTreeSet<String>> = wireshark_avps()
        .into_iter()
        .filter(|avp| !avp.inside.is_empty())
        .map(|avp| (avp.name, avp.inside))
        .collect();
    let mut left_out = BTreeSet::new();
    let mut compared = BTreeSet::new();
    walk_all(|_, member| {
        let Some(inside) = theirs.get(member.def.name) else { return };
        if member.members.is_empty() {
            return;
        }
        compared.insert(member.def.name);
        for name in inside.iter().map(|name| as_3gpp_says(name)) {
            let ours = member.members.iter().any(|inside| inside.def.name.eq_ignore_ascii_case(name));
            if !ours && !only_in_wireshark(member.def.name, name) {
                left_out.insert(format!("{} / {name}", member.def.name));
            }
        }
    });
    assert!(left_out.is_empty(), "Wireshark has these too: {left_out:#?}");
    assert!(
        compared.len() > 50,
        "only {} groups are in Wireshark's dictionaries: {compared:?}",
        compared.len()
    );
}

#[test]
fn every_avp_has_the_code_that_wireshark_has_under_its_name() {
    let theirs = wireshark_avps();
    let mut compared = 0;
    for def in dictionary::all() {
        let of_3gpp = def.vendor == dictionary::VENDOR_3GPP;
        let mut codes = theirs
            .iter()
            .filter(|avp| avp.of_3gpp == of_3gpp && as_3gpp_says(&avp.name).eq_ignore_ascii_case(def.name))
            .map(|avp| avp.code)
            .peekable();
        if codes.peek().is_some() {
            compared += 1;
            assert!(codes.any(|code| code == def.code), "{} is not {}", def.name, def.code);
        }
    }
    assert!(compared > 350, "only {compared} AVPs are in Wireshark's dictionaries");
}
