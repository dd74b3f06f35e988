use super::super::yaml;
use super::configuration::Without;
use super::*;

fn parse(text: &str) -> Result<FreeDiameter, Fault> {
    read(text.as_bytes())
}

const CONF: &str = r#"
# ConnectPeer = "nobody" { No_TLS; };
Identity = "mme.localdomain";
Realm = "localdomain"; Port = 3868;
TLS_Cred = "mme.crt", "mme.key";
No_SCTP; TcTimer = 60;
ConnectPeer = "hss.localdomain" { ConnectTo = "127.0.0.8"; No_TLS; };
connectpeer = "icf.example" {
    ConnectTo = "192.0.2.10"; ConnectTo = "2001:db8::10";
    Port = 13868;   # not the usual one
    No_TLS; Prefer_TCP;
};
"#;

#[test]
fn everything_that_matters_is_read_with_its_line() {
    let told = parse(CONF).unwrap();
    assert_eq!(
        (told.identity.as_deref(), told.origin_realm()),
        (Some("mme.localdomain"), Some("localdomain"))
    );
    assert_eq!(told.without, Without { sctp: true, ..Without::default() });
    assert_eq!((told.tc_timer, told.port, told.secure_port, told.connects.len()), (60, 3868, 5868, 2));
    let icf = &told.connects[1];
    assert_eq!((icf.identity.as_str(), icf.line, icf.port), ("icf.example", 8, Some(13868)));
    assert_eq!(icf.addresses, ["192.0.2.10", "2001:db8::10"]);
    assert!(icf.no_tls && icf.prefer_tcp && !icf.old_tls);
}

/// Where freeDiameter says so is where we do: tests/system/free_diameter_configuration.rs compares them.
#[test]
fn the_first_mistake_is_said_with_its_place_and_a_remedy() {
    for (text, place, said) in [
        ("Identity = \"mme", (1, 12), "close the text with \""),
        ("\nConnectPeer;", (2, 12), "; stands where = has to"),
        ("Port = 1\nRealm = \"a\";\n", (2, 1), "end Port of line 1 with a ;"),
        ("ConnectPeer = \"a\" { No_TLS }; ", (1, 28), "} stands where ; has to: end No_TLS of line 1"),
        ("ConnectPeer = \"a\" { }\nConnectPeer = \"b\";", (2, 1), "end ConnectPeer of line 1 with a ;"),
        ("No_TLS;", (1, 1), "No_TLS belongs inside the braces of a ConnectPeer"),
        ("Idenity = \"a\";", (1, 1), "is Identity meant?"),
        ("ConnectPeer = \"a\" { Identity = \"b\"; };", (1, 21), "an option of the peer"),
        ("Port = 65536;", (1, 13), "write 0 to 65535"),
        ("TwTimer = 5;", (1, 12), "6 or more"),
        ("Port = \"3868\";", (1, 8), "write the number without quotes"),
        ("Identity = mme.localdomain;", (1, 12), "put the value in double quotes"),
        ("ConnectPeer = \"a\";\nConnectPeer = \"A\";", (2, 18), "is there a second time, after line 1"),
        ("No_TCP; No_SCTP;", (1, 16), "No_SCTP conflicts with No_TCP"),
        ("ConnectPeer = \"a\" { No_SCTP; No_TCP; };", (1, 36), "No_TCP conflicts with No_SCTP"),
        (
            "ConnectPeer = \"a\" { ConnectTo = \"127.0.0.1:3868\"; };",
            (1, 49),
            "write ConnectTo = \"127.0.0.1\"; Port = 3868;",
        ),
        ("ConnectPeer = \"a\" { ConnectTo = \"127.0.0.256\"; };", (1, 46), "neither address nor name"),
        ("ListenOn = \"localhost\";", (1, 23), "is no address"),
        ("# the end", (1, 1), "a comment only with an end of line"),
        ("include \"/nonexistent/a*\";", (1, 26), "include \"file\" and an empty statement have none"),
        ("ConnectPeer = \"a_b\";", (1, 20), "no name that Diameter has"),
    ] {
        let fault = parse(text).unwrap_err();
        assert_eq!((fault.line, fault.column), (place.0, Some(place.1)), "{text}: {fault}");
        assert!(fault.to_string().contains(said), "{text}: {fault}");
    }
}

#[test]
fn addresses_are_taken_in_all_forms_that_are_digits() {
    for (text, address) in [
        ("192.0.2.10", Some("192.0.2.10")),
        ("127.1", Some("127.0.0.1")),
        ("2130706433", Some("127.0.0.1")),
        ("0x7f.1", Some("127.0.0.1")),
        ("010.0.0.1", Some("8.0.0.1")),
        ("10.65536", Some("10.1.0.0")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("fe80::1%lo", Some("fe80::1")),
        ("256.0.0.1", None),
        ("1.2.3.4.5", None),
        ("08.0.0.1", None),
        ("", None),
        ("icf.example", None),
        ("4294967296", None),
    ] {
        assert_eq!(numeric_address(text).map(|one| one.to_string()).as_deref(), address, "{text}");
    }
}

#[test]
fn the_realm_is_what_follows_the_first_dot_of_the_identity() {
    for (text, realm) in [
        ("Identity = \"mme.site1.localdomain\";", Some("site1.localdomain")),
        ("Identity = \"mme.site1.localdomain\"; Realm = \"a\";", Some("a")),
        ("Realm = \"a\";", Some("a")),
        ("Identity = \"mme\";", None),
        ("", None),
    ] {
        assert_eq!(parse(text).unwrap().origin_realm(), realm, "{text}");
    }
}

#[test]
fn the_section_of_the_yaml_means_the_same_and_has_its_own_mistakes() {
    let told = |text: &str| section(&yaml::read(text).unwrap());
    const HEAD: &str = "identity: mme.localdomain\nrealm: localdomain\nlisten_on: 127.0.0.2\n";
    let read = told(&format!("{HEAD}connect:\n  - identity: icf.example\n    address: 192.0.2.10\n"));
    assert_eq!((read.connects[0].identity.as_str(), read.connects[0].line), ("icf.example", 5));
    assert!(read.connects[0].no_tls && read.connects[0].port.is_none() && read.faults.is_empty());
    for (text, said) in [
        ("identity: a.b\nrealm: b\n", "has no listen_on: write listen_on"),
        ("identity: a.b\nrealm: b\nlisten_on: localhost\n", "listen_on: \"localhost\" is no address"),
        ("connect: { identity: icf.example, address: icf.example }", "\"icf.example\" is no address"),
        ("connect: { identity: icf.example, address: \"::1\" }", "goes over IPv4 alone"),
        ("connect: { identity: icf.example }", "icf.example has no address"),
        ("connect: { address: 127.0.0.1 }", "a connect without identity"),
        (
            "connect: [ { identity: a, address: 1.2.3.4 }, { identity: A, address: 1.2.3.4 } ]",
            "a second time",
        ),
    ] {
        let text = if text.starts_with("identity") { text.to_owned() } else { format!("{HEAD}{text}\n") };
        let faults = told(&text).faults;
        assert!(faults.iter().any(|fault| fault.to_string().contains(said)), "{text}: {faults:?}");
    }
}

#[test]
fn what_freediameter_wants_before_it_starts_is_said() {
    for (text, said) in [
        ("Identity = \"a.b\";", "TLS_Cred is missing"),
        ("SecPort = 0; Identity = \"a\";", "Realm is missing, and Identity \"a\" has no dot"),
        ("SecPort = 0; Identity = \"a_b.c\";", "no name that Diameter has"),
        ("SecPort = 0; No_IP; No_IPv6;", "No_IP and No_IPv6 leave no way"),
        ("SecPort = 0; LoadExtension = \"/dev/nothing.fdx\";", "/dev/nothing.fdx is not there"),
        (
            "SecPort = 0; LoadExtension = \"/nonexistent/dict_rfc5777.fdx\";",
            "1 of 1 files to load are of a folder",
        ),
        (
            "TLS_Cred = \"/nonexistent/a\", \"/nonexistent/b\";",
            "/nonexistent/a is of a folder that is not here",
        ),
        ("TLS_Cred = \"/dev/nothing\", \"/dev/null\";", "/dev/nothing: No such file"),
        ("TLS_Cred = \"/dev/null\", \"/dev/null\";", "there is no certificate in it"),
        ("include \"nothing*.conf\"", "names no file here"),
    ] {
        let conditions = conditions(&parse(text).unwrap());
        assert!(conditions.iter().any(|one| one.fault.to_string().contains(said)), "{text}: {conditions:#?}");
    }
}
