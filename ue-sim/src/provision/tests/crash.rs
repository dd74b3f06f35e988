//! The device is switched off, or its disk is full, at every step of a provisioning.

use std::sync::Arc;

use schemas::report::InstallResult;

use super::*;
use crate::{
    test_dpf::Extra,
    tre::files::faulty::{Fault, Faulty},
};

/// More operations than a provisioning has: a run that ends before has had them all.
const MANY: i64 = 200;

fn extras() -> Vec<Extra> {
    vec![Extra { name: "profile", content: vec![5; 300], shared: false }]
}

/// The device, once whatever had it open has let go of it.
async fn reopen(folder: &Path) -> Tre {
    loop {
        match Tre::open(folder) {
            Ok(tre) => return tre,
            Err(crate::tre::TreError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Takes the RNCT as often as it takes, then follows it.
async fn finish(tre: &Tre, signed: &[u8]) -> Option<Outcome> {
    tre.take_rnct(signed, now()).unwrap();
    Provisioner::new(tre.clone(), Events::none(), OPTIONS).run().await
}

#[tokio::test]
async fn switched_off_at_any_write_the_device_goes_on_and_is_provisioned_once() {
    let mut interrupted = 0;
    for at in 0..MANY {
        let mut bench = Bench::new().await;
        bench.server.plan(|plan| plan.extras = extras());
        bench.sequence = 1;
        let signed = bench.server.rnct(1, 1).1;
        let (folder, server) = (bench.path(), bench.server.clone());
        drop(bench.tre);
        let files = Arc::new(Faulty::after(at, Fault::PowerOff));
        let (disk, path, rnct) = (files.clone(), folder.clone(), signed.clone());
        let first = tokio::spawn(async move {
            let tre = Tre::open_on(disk, &path).unwrap();
            finish(&tre, &rnct).await
        });
        let whole = first.await;
        assert_eq!(whole.is_err(), files.has_failed(), "at {at}: {whole:?}");
        interrupted += usize::from(whole.is_err());
        let over = whole.is_ok();

        let tre = reopen(&folder).await;
        let before = tre.active();
        finish(&tre, &signed).await;
        let active = tre.active().unwrap();
        assert!(before.is_none_or(|before| before == active), "at {at}");
        assert!(tre.begin_session().is_ok(), "at {at}");
        let reports = server.reports();
        assert!(!reports.is_empty(), "at {at}");
        for report in reports {
            assert_eq!((report.rncp, report.result), (active.rncp, InstallResult::Installed), "at {at}");
        }
        assert_eq!(server.seen().sessions.len(), 1, "at {at}");
        assert_eq!(files_of(&folder).len(), 2, "at {at}: {:?}", files_of(&folder));
        if over {
            assert!(interrupted > 15, "{interrupted}");
            return;
        }
    }
    panic!("a provisioning has more than {MANY} operations");
}

#[tokio::test]
async fn switched_off_after_any_event_the_device_goes_on_and_is_provisioned_once() {
    for events in 1.. {
        let mut bench = Bench::new().await;
        bench.server.plan(|plan| plan.extras = extras());
        bench.trigger("sho-a");
        let (folder, server) = (bench.path(), bench.server.clone());
        let (sender, mut told) = mpsc::unbounded_channel();
        let provisioner = Provisioner::new(bench.tre.clone(), Events::to(sender), OPTIONS);
        drop(bench.tre);
        let running = tokio::spawn(async move { provisioner.run().await });
        let mut seen = 0;
        while seen < events && told.recv().await.is_some() {
            seen += 1;
        }
        running.abort();
        let _ = running.await;

        let tre = reopen(&folder).await;
        let outcome = crate::provision::resume(&tre, &Events::none()).await;
        assert!(matches!(outcome, None | Some(Outcome::Installed { .. })), "after {events}: {outcome:?}");
        let active = tre.active().unwrap();
        let reports = server.reports();
        assert!(
            !reports.is_empty() && reports.iter().all(|report| report.rncp == active.rncp),
            "after {events}"
        );
        assert_eq!(server.seen().sessions.len(), 1, "after {events}");
        if seen < events {
            assert!(events > 8, "{events}");
            return;
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_full_is_reported_and_leaves_the_device_as_it_was() {
    let mut full = 0;
    for at in 0..MANY {
        let mut bench = Bench::new().await;
        bench.server.plan(|plan| plan.extras = extras());
        bench.provision("sho-a").await;
        let old = bench.tre.active().unwrap();
        let (folder, server) = (bench.path(), bench.server.clone());
        let signed = bench.server.rnct(1, 2).1;
        drop(bench.tre);
        let files = Arc::new(Faulty::after(at, Fault::Full));
        // Before it is opened, and before the RNCT is kept, it is just said.
        let Ok(tre) = Tre::open_on(files.clone(), &folder) else { continue };
        if tre.take_rnct(&signed, now()).is_err() {
            assert_eq!(tre.active().unwrap(), old);
            continue;
        }
        let outcome = Provisioner::new(tre.clone(), Events::none(), OPTIONS).run().await.unwrap();
        let report = server.reports().pop().unwrap();
        match outcome {
            Outcome::Failed { reason, reported, .. } => {
                full += 1;
                assert_eq!((reason.as_str(), reported), ("storage-full", true), "at {at}");
                assert_eq!(report.reason.as_deref(), Some("storage-full"), "at {at}");
                assert_eq!(tre.active().unwrap(), old, "at {at}");
                assert!(tre.operator(&old.operator).credentials(old.rncp).is_ok(), "at {at}");
                drop(tre);
                // With room again it goes on as if nothing had been.
                let tre = reopen(&folder).await;
                assert_eq!(tre.active().unwrap(), old, "at {at}");
                let _ = crate::provision::resume(&tre, &Events::none()).await;
                let again = finish(&tre, &server.rnct(1, 3).1).await;
                assert!(matches!(again, Some(Outcome::Installed { .. })), "at {at}: {again:?}");
            }
            Outcome::Installed { rncp, .. } => {
                assert_eq!((report.rncp, report.result), (rncp, InstallResult::Installed), "at {at}");
                assert_eq!(tre.active().unwrap().rncp, rncp, "at {at}");
                if !files.has_failed() {
                    assert!(full > 5, "{full}");
                    return;
                }
            }
            other => panic!("at {at}: {other:?}"),
        }
    }
    panic!("a provisioning has more than {MANY} operations");
}

fn files_of(folder: &Path) -> Vec<String> {
    super::files(folder)
}
