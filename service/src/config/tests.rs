use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Root {
    diameter: Diameter,
    #[serde(default)]
    keys: Keys,
    #[serde(default)]
    labels: BTreeMap<String, u8>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Diameter {
    origin_host: String,
    #[serde(default)]
    listen: Vec<String>,
    #[serde(default)]
    peers: Vec<Peer>,
    #[serde(default)]
    watchdog: Span,
    #[serde(default)]
    max_message: ByteSize,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    ratio: f64,
    #[serde(default)]
    window: Option<u16>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    http: Option<SocketAddr>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Peer {
    identity: String,
    #[serde(default)]
    port: u16,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Plain,
    Pool {
        size: u8,
    },
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields)]
struct Keys {
    at_rest: Option<SecretSource>,
}

const MINIMAL: &str = "[diameter]\norigin_host = \"hss.example\"\n";

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Root, ConfigError> {
    Loader::text("icf.toml", text).variables(variables.iter().copied()).load()
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    read(text, variables).expect_err("has to be refused").to_string()
}

#[test]
fn a_file_is_read_into_its_types() {
    let text = r#"
        [diameter]
        origin_host = "hss.example"
        listen = ["tcp://127.0.0.1:0"]
        peers = [{ identity = "mme.example", port = 3868 }]
        watchdog = "1m 30s"
        max_message = "64KiB"
        ratio = 0.5
        window = 256
        mode = { pool = { size = 3 } }
        [keys]
        at_rest = { file = "at-rest.key" }
        [labels]
        a = 1
    "#;
    let root = read(text, &[]).unwrap();
    assert_eq!(root.diameter.watchdog, Span(Duration::from_secs(90)));
    assert_eq!(root.diameter.max_message, ByteSize::kib(64));
    assert_eq!(root.diameter.mode, Mode::Pool { size: 3 });
    assert_eq!(root.diameter.peers, [Peer { identity: "mme.example".to_owned(), port: 3868 }]);
    assert_eq!(root.keys.at_rest, Some(SecretSource::File("at-rest.key".into())));
    assert_eq!(root.labels.get("a"), Some(&1));
}

#[test]
fn variables_override_keys_and_take_their_types() {
    let root = read(
        MINIMAL,
        &[
            // A host of digits alone stays a string, because the target is one.
            ("CALLHOME_DIAMETER__ORIGIN_HOST", "123"),
            ("CALLHOME_DIAMETER__LISTEN", "tcp://127.0.0.1:1, tls://127.0.0.1:2"),
            ("CALLHOME_DIAMETER__PEERS", r#"[{ identity = "a" }, { identity = "b" }]"#),
            ("CALLHOME_DIAMETER__PEERS__1__PORT", "99"),
            ("CALLHOME_DIAMETER__WATCHDOG", "250ms"),
            ("CALLHOME_DIAMETER__MAX_MESSAGE", "1MiB"),
            ("CALLHOME_DIAMETER__STRICT", "true"),
            ("CALLHOME_DIAMETER__RATIO", "0.25"),
            ("CALLHOME_DIAMETER__WINDOW", "1_000"),
            ("CALLHOME_DIAMETER__MODE", r#"{"pool": {"size": 7}}"#),
            ("CALLHOME_DIAMETER__HTTP", "127.0.0.1:80"),
            ("CALLHOME_KEYS__AT_REST", r#"{ env = "AT_REST" }"#),
            ("CALLHOME_LABELS__X", "5"),
            ("CALLHOME_LOG", "debug"),
            ("OTHER_THING", "is none of ours"),
        ],
    )
    .unwrap();
    let peer = |identity: &str, port| Peer { identity: identity.to_owned(), port };
    assert_eq!(
        root.diameter,
        Diameter {
            origin_host: "123".to_owned(),
            listen: vec!["tcp://127.0.0.1:1".to_owned(), "tls://127.0.0.1:2".to_owned()],
            peers: vec![peer("a", 0), peer("b", 99)],
            watchdog: Span(Duration::from_millis(250)),
            max_message: ByteSize::mib(1),
            strict: true,
            ratio: 0.25,
            window: Some(1000),
            mode: Mode::Pool { size: 7 },
            http: Some("127.0.0.1:80".parse().unwrap()),
        }
    );
    assert_eq!(root.keys.at_rest, Some(SecretSource::Env("AT_REST".to_owned())));
    assert_eq!(root.labels.get("x"), Some(&5));
}

#[test]
fn variables_alone_are_enough() {
    let loader = Loader::default().variables([("CALLHOME_DIAMETER__ORIGIN_HOST", "hss.example")]);
    assert_eq!(loader.load::<Root>().unwrap().diameter.origin_host, "hss.example");
}

#[test]
fn an_array_in_a_variable_may_be_json_or_empty() {
    let json = read(MINIMAL, &[("CALLHOME_DIAMETER__PEERS", r#"[{"identity":"a","port":1}]"#)]).unwrap();
    assert_eq!(json.diameter.peers, [Peer { identity: "a".to_owned(), port: 1 }]);
    let empty = read(MINIMAL, &[("CALLHOME_DIAMETER__LISTEN", "")]).unwrap();
    assert!(empty.diameter.listen.is_empty());
}

#[test]
fn an_unknown_key_names_its_line_and_the_likely_one() {
    assert_eq!(
        refusal("[diameter]\norgin_host = \"x\"\n", &[]),
        "icf.toml:2:1: diameter.orgin_host: unknown key; did you mean `origin_host`?"
    );
    // Diameter does not say deny_unknown_fields; it holds all the same.
    let text = format!("{MINIMAL}zzz = 1\n");
    let refusal = refusal(&text, &[]);
    assert!(
        refusal.starts_with("icf.toml:3:1: diameter.zzz: unknown key; known here: origin_host"),
        "{refusal}"
    );
}

#[test]
fn an_unknown_key_deep_in_an_array_names_its_path() {
    let text = format!("{MINIMAL}peers = [{{ identity = \"a\" }}, {{ identity = \"b\", prot = 1 }}]\n");
    assert_eq!(
        refusal(&text, &[]),
        "icf.toml:3:48: diameter.peers[1].prot: unknown key; did you mean `port`?"
    );
}

#[test]
fn a_wrong_type_names_line_key_and_what_is_needed() {
    let refusal = refusal(&format!("{MINIMAL}window = \"many\"\n"), &[]);
    assert_eq!(refusal, "icf.toml:3:10: diameter.window: u16 is needed here, not this string");
}

#[test]
fn a_number_out_of_range_is_refused_at_its_place() {
    let refusal = refusal(&format!("{MINIMAL}window = 65536\n"), &[]);
    assert_eq!(refusal, "icf.toml:3:10: diameter.window: u16 is needed here, not this integer");
}

#[test]
fn a_missing_key_names_the_variable_that_would_do() {
    let refusal = refusal("[diameter]\nstrict = true\n", &[]);
    assert!(
        refusal.ends_with("diameter.origin_host: missing; add it, or set CALLHOME_DIAMETER__ORIGIN_HOST"),
        "{refusal}"
    );
    assert!(refusal.starts_with("icf.toml:1:1: "), "{refusal}");
}

#[test]
fn text_that_is_no_toml_names_line_and_column() {
    let refusal = refusal("[diameter]\norigin_host = \n", &[]);
    assert!(refusal.starts_with("icf.toml:2:1"), "{refusal}");
    assert!(refusal.contains("not TOML"), "{refusal}");
}

#[test]
fn a_variable_that_matches_no_key_is_named() {
    let refused = refusal(MINIMAL, &[("CALLHOME_DIAMETER__ORIGIN_HSOT", "x")]);
    assert_eq!(
        refused,
        "environment variable CALLHOME_DIAMETER__ORIGIN_HSOT: diameter.origin_hsot: \
         unknown key; did you mean `origin_host`?"
    );
    let single = refusal(MINIMAL, &[("CALLHOME_DIAMETER_ORIGIN_HOST", "x")]);
    assert!(single.contains("two underscores nest"), "{single}");
    let empty_step = refusal(MINIMAL, &[("CALLHOME_DIAMETER__", "x")]);
    assert!(empty_step.contains("names no key"), "{empty_step}");
    let index = refusal(MINIMAL, &[("CALLHOME_DIAMETER__ORIGIN_HOST__X", "x")]);
    assert!(index.contains("diameter.origin_host: is a single value"), "{index}");
}

#[test]
fn values_from_the_environment_are_not_repeated_in_errors() {
    for name in ["WINDOW", "STRICT", "MAX_MESSAGE", "WATCHDOG", "MODE", "PEERS__0__PORT", "PEERS", "HTTP"] {
        let name = format!("CALLHOME_DIAMETER__{name}");
        let text = format!("{MINIMAL}peers = [{{ identity = \"a\" }}]\n");
        let refused = refusal(&text, &[(&name, "s3cr3t")]);
        assert!(refused.contains(&name), "{refused}");
        assert!(!refused.contains("s3cr3t"), "{refused}");
    }
    let refused = refusal(MINIMAL, &[("CALLHOME_KEYS__AT_REST", "s3cr3t")]);
    assert!(refused.contains("CALLHOME_KEYS__AT_REST") && !refused.contains("s3cr3t"), "{refused}");
}

#[test]
fn a_secret_written_into_the_file_is_refused_and_not_repeated() {
    let refused = refusal(&format!("{MINIMAL}[keys]\nat_rest = \"s3cr3t\"\n"), &[]);
    assert!(refused.contains("keys.at_rest") && refused.contains("{ file ="), "{refused}");
    assert!(!refused.contains("s3cr3t"), "{refused}");
    let both = refusal(&format!("{MINIMAL}[keys]\nat_rest = {{ file = \"a\", env = \"b\" }}\n"), &[]);
    assert!(both.contains("either `file` or `env`"), "{both}");
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let error = load::<Root>(Path::new("/nonexistent/icf.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/icf.toml: cannot read the configuration"), "{error}");
    assert!(error.contains("callhome config default"), "{error}");
}

#[test]
fn a_duration_without_unit_is_refused() {
    let refused = refusal(&format!("{MINIMAL}watchdog = \"30\"\n"), &[]);
    assert!(refused.contains("icf.toml:3:12: diameter.watchdog: a duration with its unit"), "{refused}");
    assert_eq!(Span(Duration::from_secs(330)).to_string(), "5m 30s");
}

#[cfg(unix)]
mod secrets {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret_file(text: &str, mode: u32) -> (tempfile::TempDir, SecretSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, SecretSource::File(path))
    }

    #[test]
    fn a_secret_is_read_without_its_line_end_and_does_not_print() {
        let (_folder, source) = secret_file("hunter2\n", 0o600);
        let secret = source.read().unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_chmod_to_run() {
        let (_folder, source) = secret_file("hunter2", 0o604);
        let SecretSource::File(path) = &source else { unreachable!() };
        let error = source.read().unwrap_err().to_string();
        assert!(
            error.contains("0604") && error.ends_with(&format!("run: chmod 600 {}", path.display())),
            "{error}"
        );
        let (_folder, source) = secret_file("hunter2", 0o644);
        assert!(source.read().unwrap_err().to_string().contains("chmod 640"));
        let (_folder, source) = secret_file("hunter2", 0o640);
        assert!(source.read().is_ok());
    }

    #[test]
    fn an_empty_or_missing_secret_is_refused() {
        let (_folder, source) = secret_file("\n", 0o600);
        assert!(matches!(source.read(), Err(SecretError::Empty { .. })));
        let unset = SecretSource::Env("NO_SUCH_VARIABLE_IS_SET".to_owned());
        assert!(unset.read().unwrap_err().to_string().contains("NO_SUCH_VARIABLE_IS_SET"));
        let (_folder, source) = secret_file(&"x".repeat((1 << 20) + 1), 0o600);
        assert!(matches!(source.read(), Err(SecretError::TooLarge { .. })));
    }
}

#[test]
fn a_part_is_read_whatever_else_is_there() {
    let text = format!("zzz = 1\n{MINIMAL}zzz = 2\n[keys]\nat_rest = {{ file = \"key\" }}\n");
    let part = || Loader::text("icf.toml", text.clone()).variables([("CALLHOME_OTHER__KEY", "5")]);
    assert!(part().load::<Root>().is_err());
    let root: Root = part().load_part(&["diameter.origin_host", "keys"]).unwrap();
    assert_eq!(root.diameter.origin_host, "hss.example");
    assert_eq!(root.keys.at_rest, Some(SecretSource::File("key".into())));
    let error = part().load_part::<Root>(&["keys"]).unwrap_err().to_string();
    assert!(error.contains("diameter: missing"), "{error}");
}
