//! What the relay counts, as Prometheus scrapes it.

use anyhow::{Result, ensure};
use harness::{
    icf::MME,
    s6a::{CLR, IDR},
};

use super::{BYSTANDER, HSS, ORDINARY, SOON, downward, icf, metric};
use crate::PLMN;

#[test]
fn requests_answers_and_failures_are_counted_by_command_and_direction() -> Result<()> {
    let icf = icf(HSS, &[])?;
    for direction in ["up", "down"] {
        let pending = format!("callhome_relay_pending{{direction=\"{direction}\"}}");
        let scraped = icf.rest_ok("GET", "/metrics", None)?.body;
        ensure!(scraped.contains(&format!("{pending} 0")), "it is there from the start: {scraped}");
    }
    let mut mme = icf.connect(MME)?;
    // There is no HSS yet.
    mme.air(ORDINARY, PLMN, 1, None)?;
    let mut hss = icf.connect(HSS)?;
    for result in [2001, 2001, 5012, 4181] {
        let session = mme.session();
        let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
        let hop_by_hop = mme.send(air)?;
        let request = hss.request(SOON)?;
        hss.answer(&request, result)?;
        mme.answer_to(hop_by_hop)?;
    }
    for command in [CLR, IDR] {
        let request = downward(&mut hss, command, MME);
        let hop_by_hop = hss.send(request)?;
        let request = mme.request(SOON)?;
        mme.answer(&request, 3004)?;
        hss.answer_to(hop_by_hop)?;
    }
    let to_nobody = downward(&mut hss, CLR, BYSTANDER);
    hss.call(to_nobody)?;
    for (name, value) in [
        (r#"callhome_relay_requests_total{command="AIR",direction="up"}"#, 5.0),
        (r#"callhome_relay_answers_total{command="AIR",direction="up",result="2xxx"}"#, 2.0),
        (r#"callhome_relay_answers_total{command="AIR",direction="up",result="4xxx"}"#, 1.0),
        (r#"callhome_relay_answers_total{command="AIR",direction="up",result="5xxx"}"#, 1.0),
        (r#"callhome_relay_failed_total{command="AIR",direction="up",reason="away"}"#, 1.0),
        (r#"callhome_relay_requests_total{command="CLR",direction="down"}"#, 2.0),
        (r#"callhome_relay_answers_total{command="CLR",direction="down",result="3xxx"}"#, 1.0),
        (r#"callhome_relay_failed_total{command="CLR",direction="down",reason="away"}"#, 1.0),
        (r#"callhome_relay_answers_total{command="IDR",direction="down",result="3xxx"}"#, 1.0),
        (r#"callhome_relay_seconds_count{direction="up"}"#, 4.0),
        (r#"callhome_relay_seconds_count{direction="down"}"#, 2.0),
        (r#"callhome_relay_pending{direction="up"}"#, 0.0),
        (r#"callhome_relay_pending{direction="down"}"#, 0.0),
    ] {
        let found = metric(&icf, name)?;
        ensure!(found == value, "{name} {found}, not {value}");
    }
    // Relayed requests are none that this ICF has served, and no subscriber is in any label.
    let scraped = icf.rest_ok("GET", "/metrics", None)?.body;
    let served = scraped.lines().filter(|line| line.starts_with("callhome_s6a_requests_total"));
    let served: Vec<&str> = served.filter(|line| !line.ends_with(" 0")).collect();
    ensure!(served.is_empty(), "{served:?}");
    ensure!(!scraped.contains(ORDINARY), "{scraped}");
    Ok(())
}
