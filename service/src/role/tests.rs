use super::*;
use crate::{auth::Token, tls::testing::Authority};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    database: DatabaseConfig,
    keys: KeysConfig,
    #[serde(default)]
    rest: RestConfig,
    pva: PeerRole,
}

const TEXT: &str = r#"
database = { url = "sqlite:///var/lib/callhome/sho.db" }
keys = { at_rest = { file = "/etc/callhome/at-rest.key" } }
[pva]
url = "https://pva.example:8443"
token = { env = "PVA_TOKEN" }
ca = "/etc/callhome/ca.pem"
"#;

/// A file for its owner only.
fn private(folder: &tempfile::TempDir, name: &str, text: &str) -> SecretSource {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    SecretSource::File(path)
}

#[test]
fn the_parts_are_read_with_their_defaults() {
    let config: Config = toml::from_str(TEXT).unwrap();
    assert_eq!(config.database.url, "sqlite:///var/lib/callhome/sho.db");
    assert_eq!(config.keys.at_rest, SecretSource::File("/etc/callhome/at-rest.key".into()));
    assert_eq!(config.rest, RestConfig::default());
    assert_eq!(config.rest.listen, None, "nothing is open by default");
    assert_eq!(config.pva.timeout, Span::seconds(10));
}

#[test]
fn keys_that_are_not_known_are_errors() {
    for (part, name) in [
        ("database = { url = \"x\", path = \"y\" }", "path"),
        ("keys = { at_rest = { env = \"X\" }, key = 1 }", "key"),
        ("[rest]\nopen = true", "open"),
        ("[rest.tls]\ncert = \"c\"\nkey = \"k\"\nca = \"a\"", "ca"),
        ("[pva]\nurl = \"u\"\ntoken = { env = \"X\" }\ninsecure = true", "insecure"),
    ] {
        let error = toml::from_str::<Config>(part).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown field `{name}`")), "{error}");
    }
}

#[test]
fn older_keys_may_go_after_a_minute_or_what_is_configured() {
    let settle = |settle: Option<u64>| {
        KeysConfig { at_rest: SecretSource::File("key".into()), settle: settle.map(Span::seconds) }.settle()
    };
    assert_eq!(settle(None).unwrap().as_secs(), 60);
    assert_eq!(settle(Some(1)).unwrap().as_secs(), 1);
    for wrong in [0, 86_401] {
        assert!(settle(Some(wrong)).unwrap_err().to_string().starts_with("keys.settle: "));
    }
}

#[test]
fn at_rest_keys_are_read_and_errors_name_the_place_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let line = Keyring::generate_line(7).unwrap();
    let keys = KeysConfig { at_rest: private(&folder, "good", &line), settle: None };
    assert_eq!(keys.keyring().unwrap().newest_id(), 7);
    let keys = KeysConfig { at_rest: private(&folder, "bad", "7:c2VjcmV0"), settle: None };
    let error = keys.keyring().unwrap_err();
    assert!(
        error.to_string().starts_with("keys.at_rest: ") && error.to_string().contains("line 1"),
        "{error}"
    );
    assert!(
        error.to_string().contains("bad") && !format!("{error}{error:?}").contains("c2VjcmV0"),
        "{error}"
    );
    let keys = KeysConfig { at_rest: SecretSource::File(folder.path().join("missing")), settle: None };
    let error = keys.keyring().unwrap_err().to_string();
    assert!(error.contains("missing") && error.contains("callhome keys generate"), "{error}");
}

#[test]
fn tokens_may_read_metrics_besides_what_the_role_asks_for() {
    let token = Token::generate().unwrap();
    let rest = |scope: &str| {
        let hash = serde_json::to_value(token.hash()).unwrap();
        let tokens = serde_json::json!([{ "name": "ops", "hash": hash, "scopes": [scope] }]);
        RestConfig { tokens: serde_json::from_value(tokens).unwrap(), ..RestConfig::default() }
    };
    for scope in ["devices:read", METRICS, "admin"] {
        rest(scope).tokens(&["devices:read"]).unwrap();
    }
    let error = rest("devices:write").tokens(&["devices:read"]).unwrap_err().to_string();
    assert!(error.starts_with("rest.tokens: ") && error.contains("devices:read"), "{error}");
    let error = RestConfig::default().tokens(&[]).unwrap_err().to_string();
    assert!(error.contains("no tokens are configured"), "{error}");
    assert_eq!(error.matches("callhome keys token").count(), 1, "what to do is said once: {error}");
}

#[test]
fn https_is_served_where_certificate_and_key_are_given() {
    assert!(RestConfig::default().tls().unwrap().is_none());
    let authority = Authority::new();
    let files = authority.issue("localhost");
    let rest = |cert: &PathBuf| RestConfig {
        tls: Some(RestTls { cert: cert.clone(), key: files.key.clone() }),
        ..RestConfig::default()
    };
    assert!(rest(&files.cert).tls().unwrap().is_some());
    let error = rest(&PathBuf::from("/missing.pem")).tls().unwrap_err().to_string();
    assert!(error.starts_with("rest.tls: ") && error.contains("/missing.pem"), "{error}");
}
