//! What keeps a PVA from starting, and what it says then.

use pva::{
    config::{KeyPairFiles, PvaConfig},
    ocsp::Responder,
    start::{check, start},
};
use schemas::{cose::PrivateKey, trust::Purpose};
use service::config::Loader;
use tokio_util::sync::CancellationToken;

use crate::harness::{World, authority, ocsp_signing, usage};

/// Writes a pair of files of that name.
fn files(world: &World, name: &str, certificate: &str, key: &PrivateKey) -> KeyPairFiles {
    use std::os::unix::fs::PermissionsExt;
    let at = |end: &str| world.folder.path().join(format!("{name}.{end}"));
    std::fs::write(at("crt"), certificate).unwrap();
    std::fs::write(at("key"), key.to_pem().unwrap()).unwrap();
    std::fs::set_permissions(at("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    KeyPairFiles { cert: at("crt"), key: at("key") }
}

#[tokio::test]
async fn keys_and_certificates_that_cannot_be_used_are_named() {
    type Change = fn(&World, &mut PvaConfig);
    let table: &[(Change, &str)] = &[
        (
            |w, c| {
                // Good for triggers, not for verdicts.
                let (pem, key) = w.root.issue("pva", |p| p.custom_extensions = vec![usage(Purpose::Trigger)]);
                c.pva.signing = files(w, "x", &pem, &key);
            },
            "pva.signing",
        ),
        (
            |w, c| {
                let other =
                    authority("root").issue("pva", |p| p.custom_extensions = vec![usage(Purpose::Verdict)]);
                c.pva.signing = files(w, "x", &other.0, &other.1);
            },
            "pva.signing",
        ),
        (|_, c| c.pva.platform_ca.key.clone_from(&c.pva.signing.key), "pva.platform_ca"),
        (|_, c| c.pva.platform_ca = c.pva.signing.clone(), "pva.platform_ca"),
        (
            |w, c| {
                let (pem, key) = w.platform_ca.issue("OCSP", |_| ());
                c.ocsp.signing = files(w, "x", &pem, &key);
            },
            "id-kp-OCSPSigning",
        ),
        (
            |w, c| {
                let (pem, key) = w.root.issue("OCSP", ocsp_signing);
                c.ocsp.signing = files(w, "x", &pem, &key);
            },
            "not issued by the platform CA",
        ),
        (
            |w, c| {
                // By an authority of the same name.
                let (pem, key) = authority("platforms").issue("OCSP", ocsp_signing);
                c.ocsp.signing = files(w, "x", &pem, &key);
            },
            "not signed by the platform CA",
        ),
        (
            |w, c| {
                let (pem, key) = w.platform_ca.issue("OCSP", |p| {
                    ocsp_signing(p);
                    p.not_after = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(10_000);
                });
                c.ocsp.signing = files(w, "x", &pem, &key);
            },
            "not in force",
        ),
        (|_, c| c.ocsp.url = "ldap://x".into(), "ocsp.url"),
        (|w, c| c.pva.anchors = w.folder.path().join("nothing"), "pva.anchors"),
        (|_, c| c.pva.max_age = service::config::Span::seconds(0), "pva.max_age"),
        (|_, c| c.rest.tokens.clear(), "rest.tokens"),
    ];
    for (change, wanted) in table {
        let world = World::prepared();
        let mut config = world.config.clone();
        check(&config).unwrap();
        change(&world, &mut config);
        let error = format!("{:#}", check(&config).unwrap_err());
        assert!(error.contains(wanted), "{wanted}: {error}");
        let started = start(config, CancellationToken::new()).await;
        assert!(started.is_err(), "{wanted}");
        assert!(!world.folder.path().join("pva.db").exists(), "{wanted}: it is seen before anything is made");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::prepared();
    let key = &world.config.pva.platform_ca.key;
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = format!("{:#}", check(&world.config).unwrap_err());
    assert!(error.contains("pva.platform_ca") && error.contains("chmod"), "{error}");
}

#[test]
fn an_unknown_key_is_an_error_and_defaults_are_what_is_written() {
    let world = World::prepared();
    let pva = &world.config.pva;
    assert_eq!((pva.name.as_str(), pva.nonce_lifetime.to_string()), ("pva", "5m".to_owned()));
    assert_eq!(world.config.ocsp.validity.to_string(), "5m");
    let error = Loader::text("pva.toml", "[pva]\nsurprise = 1").load::<PvaConfig>().unwrap_err().to_string();
    assert!(error.contains("surprise"), "{error}");
}

#[tokio::test]
async fn the_banner_says_where_it_listens() {
    let mut world = World::prepared();
    world.start().await;
    let banner = world.started.as_ref().unwrap().banner().join("\n");
    for part in ["PVA pva", "OCSP  http://127.0.0.1:", "REST  https://127.0.0.1:"] {
        assert!(banner.contains(part), "{part}: {banner}");
    }
    world.stop().await;
}

/// RFC 6960 §2.3: a responder whose certificate has run out cannot respond authoritatively.
#[test]
fn a_responder_is_authorised_while_its_certificate_is_in_force() {
    let world = World::prepared();
    let start = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
    let (pem, key) = world.platform_ca.issue("OCSP", |params| {
        ocsp_signing(params);
        params.not_before = start;
        params.not_after = start + time::Duration::days(1);
    });
    let ca = schemas::trust::chain_from_pem(world.platform_ca.pem.as_bytes()).unwrap();
    let key = key.to_pem().unwrap();
    let responder = Responder::new(pem.as_bytes(), key.as_bytes(), &ca[0]).unwrap();
    responder.issued_by(&ca[0]).unwrap();
    let at = start.unix_timestamp();
    for (now, authorised) in [(at - 1, false), (at, true), (at + 86_400, true), (at + 86_401, false)] {
        assert_eq!(responder.is_authorised(now), authorised, "{now}");
    }
}
