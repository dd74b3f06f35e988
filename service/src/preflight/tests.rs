use super::*;
use crate::{
    config::{SecretSource, Span},
    role::PeerRole,
    tls::testing::Authority,
};

const SCHEMA: Schema = Schema {
    application_id: 0x4361_6c31,
    migrations: &[("first", "PRAGMA application_id = 0x43616c31; CREATE TABLE t (x)")],
    example: "sqlite:///var/lib/callhome/x.db",
};

async fn database(url: &str) -> Result<Vec<String>, PreflightError> {
    let mut preflight = Preflight::default();
    preflight.database(url, &SCHEMA, None).await;
    preflight.finish()
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_said_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    std::fs::write(folder.path().join("text.db"), "this is no database, but long enough to be taken for one")
        .unwrap();
    std::fs::create_dir(folder.path().join("folder.db")).unwrap();
    for (url, said) in [
        ("postgres://localhost/x".to_owned(), "only SQLite is known"),
        (at("missing/x.db"), "does not exist; create it for callhome's user"),
        (at("folder.db"), "is a folder"),
        (at("text.db"), "not a SQLite database"),
    ] {
        let error = database(&url).await.unwrap_err().to_string();
        assert!(error.contains(said), "{url}: {error}");
    }
    assert_eq!(database(&at("new.db")).await, Ok(Vec::new()));
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| *name != "text.db" && *name != "folder.db").count(), 0);
}

#[tokio::test]
async fn a_database_of_another_role_or_a_newer_version_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("x.db").display());
    Database::open(&url, &SCHEMA).await.unwrap().close().await;
    assert_eq!(database(&url).await, Ok(Vec::new()));
    for (schema, said) in [
        (Schema { application_id: 0x4361_6c32, ..SCHEMA }, "another of callhome's roles"),
        (Schema { migrations: &[], ..SCHEMA }, "is of schema version 1, this callhome knows up to 0"),
    ] {
        let error = Database::inspect(&url, &schema, None).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn addresses_that_are_taken_are_said_unless_the_role_itself_runs() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("x.db").display());
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let look = async || {
        let mut preflight = Preflight::default();
        preflight.tcp("rest.listen", tcp.local_addr().unwrap()).await;
        preflight.udp("coap.listen", udp.local_addr().unwrap());
        preflight.database(&url, &SCHEMA, None).await;
        preflight.finish()
    };
    let error = look().await.unwrap_err();
    assert!(error.0[0].starts_with("rest.listen: ") && error.0[1].starts_with("coap.listen: "), "{error}");
    let alone = crate::database::Alone::take(&url, &SCHEMA).unwrap();
    let said = look().await.unwrap();
    let process = std::process::id();
    assert!(
        said[0].starts_with(&format!("it runs already (process {process}): its database is in use")),
        "{said:?}"
    );
    drop(alone);
    assert!(look().await.is_err());
}

#[test]
fn a_log_filter_that_is_none_is_said() {
    let mut preflight = Preflight::default();
    preflight.log(&LogConfig { filter: "info,=debug=".to_owned(), ..LogConfig::default() });
    assert!(preflight.finish().unwrap_err().to_string().contains("is no log filter"));
}

#[test]
fn a_certificate_that_is_not_in_force_is_said() {
    let authority = Authority::new();
    for (years, said) in
        [(2001..2002, Some("has expired on")), (2099..2100, Some("is in force from")), (2001..2100, None)]
    {
        let files = authority.issue_for("icf.example", years);
        let mut preflight = Preflight::default();
        preflight.certificate("rest.tls.cert", &files.cert);
        match (preflight.finish(), said) {
            (Err(error), Some(said)) => assert!(error.to_string().contains(said), "{error}"),
            (Ok(_), None) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_role_that_is_away_is_a_warning() {
    crate::tls::install_provider();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = PeerRole { url, token: SecretSource::File(token), ca: None, timeout: Span::seconds(10) };
    let client = RoleClient::new(schemas::trust::ServerRole::Pva, &config).unwrap();
    let mut preflight = Preflight::default();
    preflight.role("pva", &client).await;
    let said = preflight.finish().unwrap();
    assert!(said[0].starts_with("pva: ") && said[0].contains("does not answer"), "{said:?}");
}
