//! Several ICFs on one database: each is an instance of its own, with INDs of its own (TS 33.102 §C.1.2), and one process
//! at a time is an instance.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, MME, Settings},
    peer::Peer,
    wire::SUCCESS,
};

use crate::PLMN;

fn sqn(peer: &mut Peer, subscriber: &Subscriber) -> Result<u64> {
    subscriber.sqn(&aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?)
}

#[test]
fn a_second_process_of_one_instance_is_refused_with_who_has_it_and_one_of_another_name_has_other_inds()
-> Result<()> {
    let (mut first, subscriber) = Icf::with_one()?;
    let second = Icf::new(&Settings::default())?;
    second.use_database_of(&first)?;
    let (code, said) = second.run_to_end(Duration::from_secs(60))?;
    let pid = first.process()?.id();
    ensure!(code == Some(1), "it ends with {code:?}: {said}");
    for part in [
        "icf.instance \"icf\"",
        &format!("process {pid} on "),
        ", since ",
        "lasts until",
        "a name of its own",
    ] {
        ensure!(said.contains(part), "{part:?} is missing: {said}");
    }
    let mut mme = first.connect(MME)?;
    let one = sqn(&mut mme, &subscriber)?;

    let mut third = Icf::new(&Settings { icf: "instance = \"other\"", ..Settings::default() })?;
    third.use_database_of(&first)?;
    third.start()?;
    let mut mme = third.connect(MME)?;
    let two = sqn(&mut mme, &subscriber)?;
    ensure!(one & 0x1f != two & 0x1f && one >> 5 != two >> 5, "{one:012x} {two:012x}");
    first.process()?.running()
}

#[test]
fn an_instance_starts_again_at_once_after_kill_9_and_after_an_orderly_end() -> Result<()> {
    let (mut icf, subscriber) = Icf::with_one()?;
    let mut seen = HashSet::new();
    for kill in [true, false, true] {
        let mut mme = icf.connect(MME)?;
        ensure!(seen.insert(sqn(&mut mme, &subscriber)?));
        if kill {
            icf.kill()?
        } else {
            ensure!(icf.stop()?.success())
        }
        icf.start()?;
    }
    let log = icf.log();
    ensure!(!log.contains("waiting up to"), "it waited: {log}");
    ensure!(
        log.contains("taken over from a process that is gone"),
        "who was there before is not said: {log}"
    );
    Ok(())
}

/// A process that is stopped while another takes its place, and goes on then, hands out no number of the instance.
#[test]
fn a_process_that_was_stopped_and_taken_over_from_answers_nothing_more_and_ends() -> Result<()> {
    let (mut first, subscriber) = Icf::with_one()?;
    let mut mme = first.connect(MME)?;
    let mut seen: HashSet<u64> = HashSet::new();
    for _ in 0..3 {
        ensure!(seen.insert(sqn(&mut mme, &subscriber)?));
    }
    first.process()?.signal("STOP")?;
    let mut second = Icf::new(&Settings::default())?;
    second.use_database_of(&first)?;
    second.start_within(Duration::from_secs(90))?;
    ensure!(second.log().contains("waiting up to 15 s"), "it does not say that it waits: {}", second.log());
    let mut other = second.connect(MME)?;
    ensure!(seen.insert(sqn(&mut other, &subscriber)?));

    // It has numbers in hand, and a request is the first thing that it finds when it wakes up.
    let session = mme.session();
    let air = mme.route.air(&session, &subscriber.imsi, PLMN, 1, None);
    let air = mme.send(air)?;
    first.process()?.signal("CONT")?;
    // No answer, since the connection has ended, is as good as a refusal; a DPR may come first.
    if let Ok(answer) = mme.answer_to(air)
        && answer.result()? == SUCCESS
    {
        bail!("it hands out SQN {:012x}", subscriber.sqn(&aka::vector(&answer)?)?);
    }
    let status = first.process()?.wait(Duration::from_secs(60))?;
    ensure!(status.code() == Some(1), "{status}: {}", first.log());
    ensure!(first.log().contains("another process has become icf.instance"), "{}", first.log());
    ensure!(seen.insert(sqn(&mut other, &subscriber)?));
    second.process().context("the second")?.running()
}
