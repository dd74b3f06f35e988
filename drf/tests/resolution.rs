//! Step 7 as a table: contract before claim before rule; among rules the lowest priority that fits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use drf::resolution::{ImsiRange, Known, Rule, Why, resolve};
use schemas::identity::{OperatorId, Pcid, SupplierId};

fn rule(
    id: &str,
    priority: i64,
    supplier: Option<&str>,
    range: Option<(&str, &str)>,
    operator: &str,
) -> Rule {
    Rule {
        id: id.to_owned(),
        priority,
        supplier: supplier.map(|supplier| supplier.parse().unwrap()),
        range: range
            .map(|(first, last)| ImsiRange { first: first.parse().unwrap(), last: last.parse().unwrap() }),
        operator: operator.parse().unwrap(),
    }
}

#[test]
fn contract_before_claim_before_the_rule_of_lowest_priority() {
    let rules = [
        rule("all", 100, None, None, "last"),
        rule("acme", 20, Some("acme"), None, "by-supplier"),
        rule("range", 10, None, Some(("999710000000100", "999710000000199")), "by-range"),
        rule("both", 5, Some("acme"), Some(("999710000000150", "999710000000150")), "by-both"),
        rule("b-tie", 10, None, Some(("999710000000100", "999710000000199")), "tie"),
    ];
    type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<(&'a str, &'a str)>);
    let table: &[Row<'_>] = &[
        // PCID, supplier, contract, claim; operator and why.
        ("999710000000001", Some("acme"), Some("a"), Some("b"), Some(("a", "contract"))),
        ("999710000000150", Some("acme"), Some("a"), None, Some(("a", "contract"))),
        ("999710000000150", Some("acme"), None, Some("b"), Some(("b", "claim"))),
        ("999710000000150", Some("acme"), None, None, Some(("by-both", "rule both"))),
        ("999710000000150", Some("other"), None, None, Some(("tie", "rule b-tie"))),
        ("999710000000100", None, None, None, Some(("tie", "rule b-tie"))),
        ("999710000000199", Some("acme"), None, None, Some(("tie", "rule b-tie"))),
        ("999710000000200", Some("acme"), None, None, Some(("by-supplier", "rule acme"))),
        ("999710000000200", Some("other"), None, None, Some(("last", "rule all"))),
        // As many digits: the range is of 15.
        ("99971000000150", Some("other"), None, None, Some(("last", "rule all"))),
    ];
    for (pcid, supplier, contract, claim, wanted) in table {
        let operator = |name: &Option<&str>| name.map(|name| name.parse::<OperatorId>().unwrap());
        let (contract, claim) = (operator(contract), operator(claim));
        let supplier: Option<SupplierId> = supplier.map(|name| name.parse().unwrap());
        let pcid: Pcid = pcid.parse().unwrap();
        let known =
            Known { pcid, supplier: supplier.as_ref(), contract: contract.as_ref(), claim: claim.as_ref() };
        let found = resolve(known, &rules).map(|(operator, why)| (operator.to_string(), why.to_string()));
        let wanted = wanted.map(|(operator, why)| (operator.to_owned(), why.to_owned()));
        assert_eq!(found, wanted, "{pcid} {supplier:?}");
    }
    let nobody =
        Known { pcid: "999710000000001".parse().unwrap(), supplier: None, contract: None, claim: None };
    assert_eq!(resolve(nobody, &rules[1..]), None);
    assert_eq!(Why::Rule("x".to_owned()).word(), "rule");
}
