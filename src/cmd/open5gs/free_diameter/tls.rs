//! Certificates that freeDiameter is told: even where every peer is No_TLS it does not start with ones that do not fit.

use std::path::Path;

use rustls::CertificateError;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use x509_cert::{Certificate, der::Decode};

use super::super::fault::Fault;
use super::condition::Condition;
use super::configuration::{Credentials, FreeDiameter};
use super::lexer::Position;

const CHECK: &str = "mme-tls";

/// What is to be said of `TLS_Cred`, `TLS_CA` and their like.
pub fn conditions(told: &FreeDiameter, out: &mut Vec<Condition>) {
    if told.credentials.is_none() && !told.is_without_tls() {
        let found =
            "TLS_Cred is missing: freeDiameter does not start without a certificate, not even for No_TLS";
        let remedy = "write TLS_Cred and TLS_CA, or SecPort = 0; which does without TLS";
        out.push(Condition::wrong(CHECK, Fault::whole(found, remedy)));
    }
    let named = told
        .credentials
        .iter()
        .flat_map(|own| [(&own.certificate, &own.position), (&own.key, &own.position)]);
    let others = told.authorities.iter().chain(&told.other_files).map(|file| (&file.text, &file.position));
    let (mut elsewhere, mut all_here) = (None, true);
    for (path, position) in named.chain(others) {
        match here(path) {
            Here::Yes => {}
            Here::No(why) => {
                all_here = false;
                let remedy = "write where it is: freeDiameter does not start without it";
                out.push(Condition::wrong(CHECK, position.fault(format!("{path}: {why}"), remedy)));
            }
            Here::Elsewhere => {
                all_here = false;
                elsewhere.get_or_insert((path, position));
            }
        }
    }
    if let Some((path, position)) = elsewhere {
        let found = format!("{path} is of a folder that is not here");
        let identity = told.identity.as_deref().unwrap_or("the host's name");
        let remedy = format!(
            "look where the MME runs: its certificate has to be in force, of {identity}, and of an authority in TLS_CA; else \
             freeDiameter does not start"
        );
        out.push(Condition::unseen(CHECK, position.fault(found, remedy)));
    }
    if all_here {
        let judged = authorities(told).and_then(|authorities| match &told.credentials {
            Some(credentials) => judge(told, credentials, &authorities),
            None => Ok(()),
        });
        out.extend(judged.err());
    }
}

const PEM: &str = "write a file of PEM: freeDiameter does not start";

fn wrong_at(position: &Position, found: String, remedy: &str) -> Condition {
    Condition::wrong(CHECK, position.fault(found, remedy))
}

/// Certificates of all `TLS_CA`; what else is read at once has to be what it should be.
fn authorities(told: &FreeDiameter) -> Result<Vec<CertificateDer<'static>>, Condition> {
    let mut authorities = Vec::new();
    for file in &told.authorities {
        let read = certificates(&file.text)
            .map_err(|why| wrong_at(&file.position, format!("{}: {why}", file.text), PEM))?;
        authorities.extend(read);
    }
    for file in &told.other_files {
        let label = match file.key {
            "TLS_CRL" => "X509 CRL",
            _ if told.credentials.is_some() => "DH PARAMETERS",
            _ => continue,
        };
        let text = std::fs::read_to_string(&file.text).unwrap_or_default();
        if !text.contains(&format!("-----BEGIN {label}-----")) {
            return Err(wrong_at(&file.position, format!("{}: there is no {label} in it", file.text), PEM));
        }
    }
    Ok(authorities)
}

/// Whether a file that is named can be looked at.
enum Here {
    Yes,
    /// Its folder is here, the file is not, or cannot be read.
    No(String),
    /// Not even its folder is.
    Elsewhere,
}

fn here(path: &str) -> Here {
    match std::fs::File::open(path) {
        Ok(_) => Here::Yes,
        Err(error) => {
            let folder = Path::new(path).parent();
            // Without a folder it is looked for where the daemon is started, which is not known.
            let known = folder.is_some_and(|folder| folder.is_dir() && !folder.as_os_str().is_empty());
            if known { Here::No(error.to_string()) } else { Here::Elsewhere }
        }
    }
}

fn judge(
    told: &FreeDiameter,
    credentials: &Credentials,
    authorities: &[CertificateDer<'_>],
) -> Result<(), Condition> {
    let mistaken = |found: String, remedy: &str| wrong_at(&credentials.position, found, remedy);
    let chain = certificates(&credentials.certificate)
        .map_err(|why| mistaken(format!("{}: {why}", credentials.certificate), PEM))?;
    let key = PrivateKeyDer::from_pem_file(&credentials.key)
        .map_err(|_| mistaken(format!("{}: there is no key in it", credentials.key), PEM))?;
    let pair = rustls::sign::CertifiedKey::from_der(chain.clone(), key, &service::tls::provider());
    if let Err(rustls::Error::InconsistentKeys(_)) = pair {
        let found = format!("{} is not the key of {}", credentials.key, credentials.certificate);
        return Err(mistaken(found, "write the two that belong together: freeDiameter does not start"));
    }
    let unread = || mistaken(format!("{}: cannot be read as X.509", credentials.certificate), PEM);
    let leaf = chain.first().and_then(|der| Certificate::from_der(der).ok()).ok_or_else(unread)?;
    trusted(&leaf, &chain, authorities)
        .map_err(|(found, remedy)| mistaken(format!("{}: {found}", credentials.certificate), remedy))?;
    let names = chain.first().map(names).unwrap_or_default();
    match &told.identity {
        Some(identity) if !names.iter().any(|name| covers(name, identity)) => {
            let found =
                format!("{} is of {}, and Identity is {identity}", credentials.certificate, names.join(", "));
            Err(mistaken(
                found,
                "make a certificate of that name, or write its name as Identity: freeDiameter does not start",
            ))
        }
        _ => Ok(()),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let all: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|_| "there is something else than certificates in it".to_owned())?;
    if all.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(all) }
}

/// In force, and of an authority that is listed.
fn trusted(
    leaf: &Certificate,
    chain: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
) -> Result<(), (String, &'static str)> {
    let certificate = leaf.tbs_certificate();
    if chain.first().is_some_and(|own| authorities.contains(own)) {
        return in_force(leaf);
    }
    let subjects = |all: &[CertificateDer<'_>]| -> Vec<_> {
        all.iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .map(|one| one.tbs_certificate().subject().clone())
            .collect()
    };
    let known = subjects(authorities);
    let mut issuer = certificate.issuer().clone();
    for above in chain.iter().skip(1).filter_map(|der| Certificate::from_der(der).ok()) {
        if known.contains(&issuer) {
            break;
        }
        if *above.tbs_certificate().subject() == issuer {
            issuer = above.tbs_certificate().issuer().clone();
        }
    }
    if !known.contains(&issuer) {
        let found = format!("it is issued by {issuer}, which TLS_CA does not have");
        return Err((found, "write the authority's certificate as TLS_CA: freeDiameter does not start"));
    }
    in_force(leaf)?;
    match signed(chain, authorities) {
        true => Ok(()),
        false => {
            let found = format!("it is not signed with the key of {issuer} in TLS_CA");
            Err((found, "write the certificate of the authority that issued it: freeDiameter does not start"))
        }
    }
}

/// Whether signatures lead to an authority. What else a verifier of TLS wants, GnuTLS does not ask for here.
fn signed(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'_>]) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned().map(CertificateDer::into_owned));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), service::tls::provider()).build();
    let (Ok(verifier), Some((leaf, above))) = (verifier, chain.split_first()) else { return true };
    let verified = verifier.verify_client_cert(leaf, above, UnixTime::now());
    !matches!(
        verified,
        Err(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        ))
    )
}

fn in_force(leaf: &Certificate) -> Result<(), (String, &'static str)> {
    let validity = leaf.tbs_certificate().validity();
    let now = time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
    let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    let remedy = "make another one: freeDiameter does not start";
    if now < from.as_secs() {
        return Err((format!("it is in force from {} on", validity.not_before), remedy));
    }
    if now > to.as_secs() {
        return Err((format!("it has expired on {}", validity.not_after), remedy));
    }
    Ok(())
}

/// The names that a certificate is of: its DNS names, without those its common name, as GnuTLS takes them.
fn names(der: &CertificateDer<'_>) -> Vec<String> {
    let dns = service::tls::certificate_names(der);
    if !dns.is_empty() {
        return dns;
    }
    let Ok(certificate) = Certificate::from_der(der) else { return Vec::new() };
    let certificate = certificate.tbs_certificate();
    let common = certificate.subject().common_name().ok().flatten();
    common.iter().map(|name| name.value().to_string()).collect()
}

/// `*.localdomain` covers one label.
fn covers(name: &str, identity: &str) -> bool {
    match name.strip_prefix("*.") {
        None => name.eq_ignore_ascii_case(identity),
        Some(domain) => identity.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
    }
}
