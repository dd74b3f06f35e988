use std::{fs, process::Command};

use schemas::trust::{chain_from_pem, named_roles};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::cmd::pki::{Tree, Wanted};

fn host(text: &str) -> RoleHost {
    text.parse().unwrap()
}

fn wanted(hosts: &[&str], serves: &[&str], permit: &[&str]) -> Wanted {
    Wanted {
        operators: vec!["sho-a".parse().unwrap(), "sho-b".parse().unwrap()],
        suppliers: vec!["acme".parse().unwrap()],
        hosts: hosts.iter().map(|text| host(text)).collect(),
        serves: serves.iter().map(|text| text.parse().unwrap()).collect(),
        permit: permit.iter().map(|text| text.parse().unwrap()).collect(),
        days: 30,
    }
}

fn made(wanted: &Wanted) -> (TempDir, Tree) {
    let folder = tempdir().unwrap();
    let tree = Tree::at(folder.path());
    tree.make(wanted).unwrap();
    (folder, tree)
}

/// What openssl, which is not ours, says of a certificate.
fn openssl(arguments: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_name_without_a_role_is_refused_unless_it_is_loopback() {
    for name in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
        assert_eq!(host(name).role, None, "{name}");
    }
    assert_eq!(host("sho:sho-a=10.0.0.7").role, Some(ServerRole::Sho("sho-a".parse().unwrap())));
    for (text, says) in [
        ("drf.example", "--host drf=drf.example"),
        ("mme=mme.example", "\"mme\" is no role"),
        ("drf=", "neither a DNS name nor an address"),
        ("drf=a b", "neither a DNS name nor an address"),
    ] {
        let error = text.parse::<RoleHost>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn each_certificate_names_the_hosts_of_its_own_role_and_the_role() {
    let wanted = wanted(&["drf=drf.example", "dpf=10.1.2.3", "sho:sho-a=sho.example"], &["sho-a=pva"], &[]);
    let (_folder, tree) = made(&wanted);
    let alternative_names = |who: &str| {
        let (_, text) = openssl(&["x509", "-noout", "-ext", "subjectAltName", "-in"], &tree.tls(who).cert);
        text.lines().nth(1).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(alternative_names("drf"), "DNS:drf.example, URI:urn:callhome:role:drf");
    assert_eq!(alternative_names("dpf"), "IP Address:10.1.2.3, URI:urn:callhome:role:dpf");
    assert_eq!(
        alternative_names("sho-a"),
        "DNS:sho.example, URI:urn:callhome:role:sho:sho-a, URI:urn:callhome:role:pva"
    );
    assert_eq!(
        alternative_names("sho-b"),
        "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost, URI:urn:callhome:role:sho:sho-b"
    );
    let pem = fs::read(tree.tls("sho-a").cert).unwrap();
    let roles = named_roles(&chain_from_pem(&pem).unwrap()[0]).unwrap().roles;
    assert_eq!(roles, [ServerRole::Sho("sho-a".parse().unwrap()), ServerRole::Pva]);
}

#[test]
fn the_root_certifies_the_names_it_was_made_for_and_no_others() {
    let (_folder, tree) = made(&wanted(&["drf=drf.example"], &[], &["lab.example", "10.1.0.0/16"]));
    let again = |who: &str, host: &str| {
        fs::remove_file(tree.tls(who).cert).unwrap();
        fs::remove_file(tree.tls(who).key).unwrap();
        tree.make(&wanted(&[&format!("{who}={host}")], &[], &[]))
    };
    for permitted in ["icf.lab.example", "lab.example", "10.1.255.1", "drf.example"] {
        again("icf", permitted).unwrap();
        let root = tree.root().cert;
        let verified = openssl(&["verify", "-CAfile", root.to_str().unwrap()], &tree.tls("icf").cert);
        assert!(verified.0, "{permitted}: {}", verified.1);
    }
    for other in ["icf.example", "10.2.0.1", "badlab.example", "2001:db8::1"] {
        let error = format!("{:#}", again("icf", other).unwrap_err());
        assert!(error.contains(&format!("may not certify {other}")) && error.contains("--permit"), "{error}");
        assert!(!tree.tls("icf").cert.exists() && !tree.tls("icf").key.exists(), "{other}");
        again_after_refusal(&tree);
    }
}

/// Puts the certificate that a refusal left out there again.
fn again_after_refusal(tree: &Tree) {
    tree.make(&wanted(&[], &[], &[])).unwrap();
}

/// A platform authority whose key was stolen makes no servers: openssl, which knows nothing of us, refuses them.
#[test]
fn the_platform_authority_can_certify_no_host() {
    let (folder, tree) = made(&wanted(&[], &[], &[]));
    let authority = tree.platform_ca();
    for name in ["DNS:localhost", "IP:127.0.0.1", "IP:::1", "DNS:drf.example"] {
        let (key, certificate) = (folder.path().join("thief.key"), folder.path().join("thief.crt"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=drf",
            ])
            .args(["-addext", &format!("subjectAltName={name}"), "-days", "1"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .arg("-CA")
            .arg(&authority.cert)
            .arg("-CAkey")
            .arg(&authority.key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (good, said) = openssl(&["verify", "-CAfile", authority.cert.to_str().unwrap()], &certificate);
        assert!(!good && said.contains("excluded subtree violation"), "{name}: {said}");
    }
}
