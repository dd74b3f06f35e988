use std::net::Ipv4Addr;

use super::super::fault::Fault;
use super::mme::prefix;
use super::*;

fn subnets(text: &str, role: &'static str) -> Result<Subnets, Fault> {
    super::subnets(text.as_bytes(), role)
}

fn mme(text: &str) -> Result<Mme, Fault> {
    super::mme(text.as_bytes())
}

fn policies(text: &str) -> Result<Policies, Fault> {
    super::policies(text.as_bytes())
}

#[test]
fn an_mnc_has_as_many_digits_as_are_written() {
    for (mcc, mnc, digits) in [
        ("999", "71", Some("99971")),
        ("999", "01", Some("99901")),
        ("1", "01", Some("00101")),
        ("999", "1", Some("999001")),
        ("310", "410", Some("310410")),
        ("x", "1", None),
    ] {
        assert_eq!(prefix(mcc, mnc).as_deref(), digits, "{mcc}-{mnc}");
    }
}

#[test]
fn without_a_range_the_smf_gives_out_one_address_a_session_from_below() {
    let read =
        subnets("smf:\n  session:\n    - subnet: 10.45.0.0/16\n      gateway: 10.45.0.1\n", "smf").unwrap();
    assert_eq!(read[0].dynamic, [(Ipv4Addr::new(10, 45, 0, 1), Ipv4Addr::new(10, 45, 16, 0))]);
    let small = "global:\n  max:\n    ue: 2\nsmf:\n  session:\n    subnet: 10.45.0.0/16\n    \
                 range: [ 10.45.0.9-10.45.0.11, 10.45.1.1- ]\n";
    let read = subnets(small, "smf").unwrap();
    assert_eq!(
        read[0].dynamic,
        [
            (Ipv4Addr::new(10, 45, 0, 9), Ipv4Addr::new(10, 45, 0, 11)),
            (Ipv4Addr::new(10, 45, 1, 1), Ipv4Addr::new(10, 45, 1, 5))
        ]
    );
}

#[test]
fn the_first_subnet_that_names_the_apn_or_none_serves_it() {
    let text = "upf:\n  session:\n    - { subnet: 10.1.0.0/16, dnn: ims }\n    - { subnet: 2001:db8::/48 }\n    \
                - { subnet: 10.2.0.0/16, dnn: Provisioning }\n    - { subnet: 10.3.0.0/16 }\n";
    let read = subnets(text, "upf").unwrap();
    let of = |apn: &str| serving(&read, apn).and_then(|one| one.subnet).unwrap().to_string();
    assert_eq!((of("provisioning"), of("internet")), ("10.2.0.0/16".to_owned(), "10.3.0.0/16".to_owned()));
}

/// What `cat fragment >> file` makes.
#[test]
fn sections_of_one_name_are_read_as_each_daemon_does() {
    let read = mme(concat!(
        "mme:\n  freeDiameter: first.conf\n  hss_map:\n    - plmn_id: { mcc: 1, mnc: 01 }\n",
        "mme:\n  freeDiameter: second.conf\n  hss_map:\n    - plmn_id: { mcc: 1, mnc: 02 }\n  hss_map:\n    \
         plmn_id: { mcc: 1, mnc: 03 }\n",
    ));
    let read = read.unwrap();
    let maps: Vec<_> = read.hss_map.iter().map(|one| (one.line, one.written.as_str())).collect();
    assert_eq!(maps, [(4, "1-01"), (8, "1-02"), (10, "1-03")]);
    assert!(matches!(read.free_diameter, FreeDiameterTold::In(path) if path == "second.conf"));
    let read = policies("pcrf:\n  policy: { supi_range: 1-2 }\npcrf:\n  policy:\n    - supi_range: 3-4\n");
    assert_eq!(read.unwrap().iter().map(|one| one.ranges[0]).collect::<Vec<_>>(), [(1, 2), (3, 4)]);
    // These count their sections, and read one.
    let read = subnets(
        "upf:\n  session: { subnet: 10.1.0.0/16 }\nupf:\n  session: { subnet: 10.2.0.0/16 }\n",
        "upf",
    );
    let read = read.unwrap();
    assert_eq!((read.len(), read.unread), (1, Some((1, 3))));
}

#[test]
fn what_stands_outside_of_its_section_is_not_read_and_is_known() {
    let read = policies("pcrf:\n  freeDiameter: pcrf.conf\npolicy:\n  - supi_range: 1-2\n").unwrap();
    assert_eq!((read.len(), read.outside), (0, Some(3)));
    let said = policies("policy:\n  - supi_range: 1-2\n").unwrap_err().to_string();
    assert!(said.starts_with("line 1: policy stands outside of pcrf:, which is not there"), "{said}");
}

#[test]
fn what_would_keep_a_daemon_from_starting_is_said_with_its_line_and_the_rest_is_read() {
    for (text, expected) in [
        (
            "pcrf:\n  policy:\n    - session: []\n    - supi_range: 1-2\n",
            "line 3: a policy without supi_range",
        ),
        ("pcrf:\n  policy:\n    - supi_range: [ 999710000000001 ]\n    - supi_range: 1-2\n", "no FIRST-LAST"),
    ] {
        let read = policies(text).unwrap();
        let said = read.faults[0].to_string();
        assert!(said.contains(expected) && read.faults.len() == 1 && read.len() == 1, "{said}");
    }
    assert!(policies("mme: {}\n").unwrap_err().found.contains("there is no section pcrf"));
    let read =
        subnets("smf:\n  session:\n    - subnet: 10.45/16\n    - subnet: 10.46.0.0/16\n", "smf").unwrap();
    let said = read.faults[0].to_string();
    assert!(said.starts_with("line 3: subnet: \"10.45/16\" is none") && read.len() == 1, "{said}");
    assert_eq!(super::mme(b"mme:\n  s1ap: \xff\n").unwrap_err().line, 2);
}

/// The samples of 2.4 to 2.6 have these.
#[test]
fn a_file_of_2_6_is_read_as_2_6_does() {
    let read = subnets(
        "max:\n  ue: 1\nsmf:\n  subnet:\n    - addr: 10.45.0.1/16\n      dnn: iot\n    - addr: 2001:db8:cafe::1/48\n",
        "smf",
    )
    .unwrap();
    assert!(read.written.is_old());
    assert_eq!(read[0].subnet.unwrap().to_string(), "10.45.0.0/16");
    assert_eq!(read[0].gateway.unwrap().to_string(), "10.45.0.1");
    assert_eq!(read[0].dynamic, [(Ipv4Addr::new(10, 45, 0, 1), Ipv4Addr::new(10, 45, 0, 4))]);
    assert_eq!((read[0].dnn.as_deref(), read.len()), (Some("iot"), 2));
    let read = mme(concat!(
        "mme:\n  freeDiameter:\n    identity: mme.localdomain\n    realm: localdomain\n    listen_on: 127.0.0.2\n    connect:\n",
        "      - identity: hss.localdomain\n        addr: 127.0.0.8\n        port: 3869\n  s1ap:\n    - addr: 127.0.0.2\n",
    ))
    .unwrap();
    let FreeDiameterTold::Here(told) = read.free_diameter else { panic!("not here") };
    assert_eq!(told.faults, []);
    assert_eq!((told.connects[0].addresses[0].as_str(), told.connects[0].port), ("127.0.0.8", Some(3869)));
    assert_eq!(read.hss_map.written.before.unwrap().line, 7);
}

#[test]
fn the_age_of_a_file_is_seen_from_what_it_has() {
    for (text, section, old) in [
        ("mme:\n  s1ap:\n    - addr: 127.0.0.2\n", "mme", true),
        ("mme:\n  s1ap:\n    addr: 127.0.0.2\n", "mme", true),
        ("mme:\n  gtpc:\n    - dev: eth0\n", "mme", true),
        ("mme:\n  s1ap:\n    server:\n      - address: 127.0.0.2\n", "mme", false),
        ("mme:\n  freeDiameter: mme.conf\n", "mme", false),
        ("upf:\n  pfcp:\n    - addr: 127.0.0.7\n", "upf", true),
        ("upf:\n  session:\n    - subnet: 10.45.0.0/16\n", "upf", false),
        ("pcrf:\n  freeDiameter: pcrf.conf\n", "pcrf", false),
    ] {
        let root = super::super::yaml::root(text.as_bytes()).unwrap();
        assert_eq!(Written::of(&root, section).is_old(), old, "{text}");
    }
}
