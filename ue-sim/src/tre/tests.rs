//! The trusted environment by itself: sealing, binding, and installation that is cut at every step.

mod killed;

use std::{fs, os::unix::fs::PermissionsExt, panic::AssertUnwindSafe, path::Path, sync::Arc};

use schemas::{
    cose,
    evidence::{self, Debugging, Evidence},
    rncp::Kind,
    trust::Leaf,
};
use uuid::Uuid;

use super::{
    files::faulty::{Fault, Faulty},
    *,
};
use crate::test_dpf::{Extra, World};

/// The session of every package here.
const SESSION: Uuid = Uuid::from_u128(77);

/// Stages a package and gives its signed manifest.
fn staged(world: &World, tre: &Tre, extras: &[Extra]) -> Vec<u8> {
    let leaf = tre.platform_certificate().unwrap();
    let package = World::package(1, "sho-a", SESSION, Kind::Initial, &leaf, extras);
    for (part, wire) in package.manifest.parts.iter().zip(&package.wires) {
        tre.stage(&package.manifest.operator, part, wire).unwrap();
        tre.finish_staged(&package.manifest.operator, part).unwrap();
    }
    world.sign_manifest(&package.manifest)
}

fn install(tre: &Tre, signed: &[u8]) -> Result<Installed, TreError> {
    let operator = "sho-a".parse().unwrap();
    let expected = Expected { operator: &operator, kind: Kind::Initial, session: SESSION };
    tre.install(&tre.check_manifest(signed, expected, now())?, now(), |_| ())
}

fn extras() -> Vec<Extra> {
    vec![
        Extra { name: "profile", content: vec![5; 300], shared: false },
        Extra { name: "applet", content: vec![6; 300], shared: true },
    ]
}

/// A device with an RNCP, and another one staged: the folder, the first's name, the second's manifest.
fn prepared(folder: &Path, world: &World) -> (Uuid, Vec<u8>) {
    let tre = Tre::manufacture(folder, world.manufacture(1)).unwrap();
    let first = install(&tre, &staged(world, &tre, &extras())).unwrap().rncp;
    // As long as a conversation is open, what is staged is not swept away.
    let rnct = World::rnct(1, 1, "https://dpf");
    tre.take_rnct(&world.sign_rnct(&rnct), now()).unwrap();
    (first, staged(world, &tre, &extras()))
}

/// The device is in the state before or in the state after, whole; gives the RNCP that it has.
fn old_or_new(folder: &Path, old: Uuid) -> Uuid {
    let tre = Tre::open(folder).unwrap();
    let active = tre.active().unwrap();
    let view = tre.operator(&active.operator);
    assert_eq!(view.rncps().as_slice(), std::slice::from_ref(&active));
    assert_eq!(view.credentials(active.rncp).unwrap().imsi, World::imsi(1));
    for extra in extras() {
        assert_eq!(*view.part(active.rncp, extra.name).unwrap(), extra.content);
    }
    if active.rncp != old {
        assert!(view.credentials(old).is_err());
    }
    let sealed = fs::read_dir(folder.join("operators/sho-a/rncp")).unwrap().count();
    assert_eq!(sealed, 1, "what a crash left is swept away");
    active.rncp
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn switched_off_at_any_write_of_an_installation_the_device_has_the_old_rncp_or_the_new() {
    let world = World::new();
    let base = tempfile::tempdir().unwrap();
    let (old, signed) = prepared(&base.path().join("device"), &world);
    let mut seen = [0, 0];
    for at in 0.. {
        let folder = base.path().join(at.to_string());
        copy(&base.path().join("device"), &folder);
        let files = Arc::new(Faulty::after(at, Fault::PowerOff));
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let tre = Tre::open_on(files.clone(), &folder).unwrap();
            install(&tre, &signed).unwrap();
        }));
        assert_eq!(done.is_err(), files.has_failed(), "at {at}");
        let has = old_or_new(&folder, old);
        if done.is_ok() {
            assert!(seen[0] > 5 && seen[1] > 0, "{seen:?}");
            return;
        }
        seen[usize::from(has != old)] += 1;
    }
}

#[test]
fn no_room_for_an_installation_leaves_the_device_as_it_was() {
    let world = World::new();
    let base = tempfile::tempdir().unwrap();
    let (old, signed) = prepared(&base.path().join("device"), &world);
    for at in 0.. {
        let folder = base.path().join(at.to_string());
        copy(&base.path().join("device"), &folder);
        let files = Arc::new(Faulty::after(at, Fault::Full));
        let Ok(tre) = Tre::open_on(files.clone(), &folder) else { continue };
        let done = install(&tre, &signed);
        if let Err(error) = done {
            assert!(matches!(error, TreError::StorageFull(_)), "at {at}: {error}");
            assert_eq!(error.reason(), Reason::StorageFull);
            assert_eq!(tre.active().unwrap().rncp, old, "at {at}");
            drop(tre);
            assert_eq!(old_or_new(&folder, old), old, "at {at}");
        } else if !files.has_failed() {
            assert!(at > 5, "{at}");
            return;
        }
    }
}

#[test]
fn evidence_is_signed_for_any_nonce_and_starts_are_counted() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let tre = Tre::manufacture(folder.path(), world.manufacture(1)).unwrap();
    for nonce in [&[1; 8][..], &[2; 64]] {
        let signed = tre.evidence(nonce, 1_800_000_000).unwrap();
        let anchors = world.platform_anchors();
        let purpose = schemas::trust::Purpose::Platform;
        let signed = cose::verify(&signed, evidence::CONTENT_TYPE, &anchors, purpose, now()).unwrap();
        assert_eq!(signed.signer.tre_id().unwrap(), *tre.tre_id());
        let claims = Evidence::decode(&signed.payload).unwrap();
        assert_eq!((claims.nonce.as_ref(), claims.issued, claims.boot_count), (nonce, 1_800_000_000, 1));
        assert_eq!((claims.boot_digest, claims.debugging), ([7; 32], Debugging::DisabledPermanently));
    }
    for nonce in [&[1; 7][..], &[2; 65]] {
        assert!(matches!(tre.evidence(nonce, 0), Err(TreError::Nonce(_))));
    }
    drop(tre);
    let tre = Tre::open(folder.path()).unwrap();
    assert_eq!(tre.boot_count(), 2);
    let measured = Measured { software_version: "1.5.0".into(), boot_digest: [8; 32], ..tre.measured() };
    tre.boot(measured.clone()).unwrap();
    assert_eq!((tre.boot_count(), tre.measured()), (3, measured.clone()));
    let empty = Measured { model: String::new(), ..measured };
    assert!(matches!(tre.boot(empty), Err(TreError::Measured(_))));
}

#[test]
fn one_program_at_a_time_and_one_device_a_folder() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Tre::open(folder.path().join("none")), Err(TreError::NotThere(_))));
    let tre = Tre::manufacture(folder.path(), world.manufacture(1)).unwrap();
    assert!(matches!(Tre::open(folder.path()), Err(TreError::InUse(_))));
    drop(tre);
    assert!(matches!(Tre::manufacture(folder.path(), world.manufacture(1)), Err(TreError::AlreadyThere(_))));
    assert!(Tre::open(folder.path()).is_ok());
}

#[test]
fn what_is_embedded_has_to_fit_together() {
    let world = World::new();
    let base = tempfile::tempdir().unwrap();
    let cases: [fn(&World, &mut Manufacture); 5] = [
        |world, device| device.platform_chain = world.manufacture(1).platform_chain,
        |_, device| device.device_id = "another".parse().unwrap(),
        |_, device| device.tre_id = "another".parse().unwrap(),
        |_, device| device.platform_chain.clear(),
        |_, device| device.anchors = "nothing".into(),
    ];
    for (at, change) in cases.into_iter().enumerate() {
        let mut device = world.manufacture(1);
        change(&world, &mut device);
        let folder = base.path().join(at.to_string());
        assert!(Tre::manufacture(&folder, device).is_err(), "case {at}");
        // It is no device, and the factory may try again.
        assert!(matches!(Tre::open(&folder), Err(TreError::NotThere(_))), "case {at}");
        assert!(Tre::manufacture(&folder, world.manufacture(1)).is_ok(), "case {at}");
    }
}

#[test]
fn a_file_that_was_changed_or_is_anothers_does_not_open() {
    let world = World::new();
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("one");
    let (rncp, _) = prepared(&path, &world);
    let other = base.path().join("other");
    prepared(&other, &world);
    let operator: OperatorId = "sho-a".parse().unwrap();
    let sealed = path.join(format!("operators/sho-a/rncp/{rncp}.credentials"));
    let good = fs::read(&sealed).unwrap();
    {
        let tre = Tre::open(&path).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&sealed, bad).unwrap();
            let error = tre.operator(&operator).credentials(rncp).unwrap_err();
            assert!(matches!(error, TreError::Sealed(_)), "octet {at}");
        }
        fs::write(&sealed, &good[..20]).unwrap();
        assert!(tre.operator(&operator).credentials(rncp).is_err());
    }
    // The state and identity of another device.
    for name in [STATE, IDENTITY] {
        let own = fs::read(path.join(name)).unwrap();
        fs::copy(other.join(name), path.join(name)).unwrap();
        assert!(matches!(Tre::open(&path), Err(TreError::Sealed(_))), "{name}");
        fs::write(path.join(name), own).unwrap();
    }
    fs::set_permissions(path.join(STORAGE_KEY), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Tre::open(&path), Err(TreError::Key(StorageKeyError::Open(_)))));
    fs::set_permissions(path.join(STORAGE_KEY), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Tre::open(&path).is_ok());
}

#[test]
fn an_older_part_put_back_in_its_place_does_not_open() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let tre = Tre::manufacture(folder.path(), world.manufacture(1)).unwrap();
    let operator: OperatorId = "sho-a".parse().unwrap();
    let first = install(&tre, &staged(&world, &tre, &extras())).unwrap().rncp;
    let digest = hex::encode(schemas::rncp::digest(&extras()[0].content));
    let path = folder.path().join("operators/sho-a/parts").join(digest);
    let older = fs::read(&path).unwrap();
    tre.change(&operator, first, Event::Delete).unwrap();
    assert!(!path.exists());
    let second = install(&tre, &staged(&world, &tre, &extras())).unwrap().rncp;
    assert!(tre.operator(&operator).part(second, "profile").is_ok());
    fs::write(&path, older).unwrap();
    assert!(matches!(tre.operator(&operator).part(second, "profile"), Err(TreError::Sealed(_))));
}

#[test]
fn a_retired_rncp_has_no_credentials_any_more_and_the_rest_still() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let tre = Tre::manufacture(folder.path(), world.manufacture(1)).unwrap();
    let operator: OperatorId = "sho-a".parse().unwrap();
    let rncp = install(&tre, &staged(&world, &tre, &extras())).unwrap().rncp;
    tre.begin_session().unwrap();
    assert!(tre.change(&operator, rncp, Event::Delete).is_err(), "not while it is selected");
    tre.end_session().unwrap();
    tre.change(&operator, rncp, Event::Retire).unwrap();
    assert!(tre.operator(&operator).credentials(rncp).is_err());
    assert!(tre.operator(&operator).part(rncp, "applet").is_ok());
    assert_eq!(fs::read_dir(folder.path().join("operators/sho-a/rncp")).unwrap().count(), 0);
    tre.change(&operator, rncp, Event::Delete).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("shared")).unwrap().count(), 0);
}

#[test]
fn a_new_platform_certificate_has_to_be_of_this_tre() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let tre = Tre::manufacture(folder.path(), world.manufacture(1)).unwrap();
    let of = |number| vec![world.platform_ca.platform(tre.platform_key(), number)];
    let theirs = world.manufacture(1).platform_chain;
    assert!(matches!(tre.certify(of(2)), Err(TreError::WrongCertificate(_))));
    assert!(matches!(tre.certify(theirs), Err(TreError::WrongCertificate(_))));
    let new = of(1);
    tre.certify(new.clone()).unwrap();
    assert_eq!(tre.platform_certificate().unwrap(), Leaf::parse(&new[0]).unwrap());
}
