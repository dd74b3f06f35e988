//! The rules of the house, kept by a test: who may know whom (ARCHITECTURE.md), and what may not be in any source.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use harness::programs::workspace;

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Normal and build dependencies of every crate of the workspace, by name; development ones prove things and bind
/// nobody.
fn edges() -> Result<Edges> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let mut edges = Edges::new();
    for package in metadata["packages"].as_array().context("no packages")? {
        let name = package["name"].as_str().context("a package without a name")?;
        let dependencies = package["dependencies"].as_array().context("no dependencies")?;
        let normal = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
        let names = normal.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned);
        edges.insert(name.to_owned(), names.collect());
    }
    Ok(edges)
}

/// `from` and everything that it needs inside the workspace.
fn reach(edges: &Edges, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from.to_owned()];
    while let Some(name) = waiting.pop() {
        for next in edges.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                waiting.push(next.clone());
            }
        }
    }
    seen
}

const ROLES: &[&str] = &["icf-auc", "drf", "dpf", "sho", "pva", "ue-sim"];

/// Which crates of the workspace a crate may name.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("s6a", &["schemas"]),
    ("service", &["schemas"]),
    ("icf-auc", &["schemas", "service", "s6a"]),
    ("drf", &["schemas", "service"]),
    ("dpf", &["schemas", "service"]),
    ("sho", &["schemas", "service"]),
    ("pva", &["schemas", "service"]),
    ("ue-sim", &["schemas", "service", "s6a"]),
];

#[test]
fn crates_know_only_whom_they_may() -> Result<()> {
    let edges = edges()?;
    for (name, dependencies) in &edges {
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(known, _)| known == name) else {
            ensure!(
                ["callhome", "callhome-tests"].contains(&name.as_str()),
                "{name} is new: say in tests/rules.rs and ARCHITECTURE.md whom it may know"
            );
            continue;
        };
        for dependency in dependencies.iter().filter(|dependency| edges.contains_key(*dependency)) {
            ensure!(allowed.contains(&dependency.as_str()), "{name} may not know {dependency}");
        }
    }
    Ok(())
}

#[test]
fn roles_never_import_one_another() -> Result<()> {
    let edges = edges()?;
    for role in ROLES {
        let reached = reach(&edges, role);
        for other in ROLES {
            ensure!(!reached.contains(*other), "{role} reaches {other}");
        }
    }
    Ok(())
}

#[test]
fn the_simulator_shares_no_cryptography_with_the_authentication_centre() -> Result<()> {
    let edges = edges()?;
    let simulator = reach(&edges, "ue-sim");
    for shared in ["icf-auc", "milenage"] {
        ensure!(!simulator.contains(shared), "ue-sim reaches {shared}: its verdict would prove nothing");
    }
    let centre = reach(&edges, "icf-auc");
    ensure!(!centre.contains("oxirush-security"), "icf-auc reaches the simulator's cryptography");
    ensure!(simulator.contains("oxirush-security"), "ue-sim has no cryptography of its own");
    Ok(())
}

#[test]
fn the_harness_shares_no_code_with_what_it_judges() -> Result<()> {
    let edges = edges()?;
    let direct = edges.get("callhome-tests").context("no callhome-tests")?;
    for judged in ["s6a", "icf-auc", "service", "callhome"] {
        ensure!(!direct.contains(judged), "callhome-tests depends on {judged}");
    }
    Ok(())
}

/// Every Rust file of the workspace that is ours.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(sources(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// A line without what follows `//`, and without its string literals: what the compiler reads as code.
fn code(line: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut previous = ' ';
    for (at, character) in line.char_indices() {
        if character == '"' && previous != '\\' && previous != '\'' {
            quoted = !quoted;
        } else if !quoted {
            if line[at..].starts_with("//") {
                break;
            }
            out.push(character);
        }
        previous = character;
    }
    out
}

/// Lines of `files` whose code `wrong` finds fault with, as `path:line: text`.
fn faults(files: &[PathBuf], wrong: impl Fn(&Path, &str) -> bool) -> Result<Vec<String>> {
    let root = workspace();
    let mut found = Vec::new();
    for path in files {
        let relative = path.strip_prefix(&root).unwrap_or(path);
        for (at, line) in std::fs::read_to_string(path)?.lines().enumerate() {
            if wrong(relative, line) {
                found.push(format!("{}:{}: {}", relative.display(), at + 1, line.trim()));
            }
        }
    }
    Ok(found)
}

/// Whether `word` stands in `code` as a word of its own.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let outside = |side: Option<char>| side.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        outside(before) && outside(after)
    })
}

#[test]
fn auc_and_procedures_know_neither_io_nor_web_nor_database() -> Result<()> {
    let root = workspace().join("icf-auc/src");
    let mut files = Vec::new();
    for room in ["auc", "procedure"] {
        files.extend(sources(&root.join(room))?);
        let file = root.join(format!("{room}.rs"));
        if file.is_file() {
            files.push(file);
        }
    }
    ensure!(!files.is_empty(), "icf-auc/src/auc has moved: this test would pass without reading anything");
    let found = faults(&files, |_, line| {
        let code = code(line);
        ["axum", "sqlx", "tokio", "reqwest", "hyper"].iter().any(|word| has_word(&code, word))
            || ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "ToSocketAddrs"]
                .iter()
                .any(|word| has_word(&code, word))
            || code.contains("std::fs")
            || code.contains("SystemTime::now")
            || code.contains("Instant::now")
    })?;
    ensure!(found.is_empty(), "auc/ and procedure/ are pure:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn codec_and_peer_know_neither_io_nor_clock() -> Result<()> {
    let mut files = sources(&workspace().join("s6a/src/codec"))?;
    files.extend(sources(&workspace().join("s6a/src/peer"))?);
    // Tests make their own time from where the clock stands.
    files.retain(|path| {
        !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests")
    });
    let found = faults(&files, |_, line| {
        let code = code(line);
        has_word(&code, "tokio") || code.contains("std::net::Tcp") || code.contains("::now()")
    })?;
    ensure!(
        found.is_empty(),
        "s6a/src/codec and s6a/src/peer have no IO and no clock:\n{}",
        found.join("\n")
    );
    Ok(())
}

#[test]
fn unsafe_is_nowhere_but_in_the_sctp_file() -> Result<()> {
    let found = faults(&sources(&workspace())?, |path, line| {
        path != Path::new("s6a/src/net/sctp.rs") && has_word(&code(line), "unsafe")
    })?;
    ensure!(found.is_empty(), "unsafe:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() -> Result<()> {
    let found = faults(&sources(&workspace())?, |_, line| {
        let code = code(line);
        code.contains("#[ignore") || code.contains("todo!(") || code.contains("unimplemented!(")
    })?;
    ensure!(found.is_empty(), "ignored or unwritten:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn no_path_of_one_machine_is_in_a_source() -> Result<()> {
    let homes = ["/home/", "/root/", "/Users/", concat!("/wo", "rk/")];
    let found = faults(&sources(&workspace())?, |path, line| {
        path != Path::new("tests/rules.rs") && homes.iter().any(|home| line.contains(home))
    })?;
    ensure!(found.is_empty(), "paths of one machine:\n{}", found.join("\n"));
    Ok(())
}
