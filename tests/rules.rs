//! The rules of the house, kept by a test: who may know whom (ARCHITECTURE.md), and what may not be in any source.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use harness::programs::workspace;

type Edges = BTreeMap<String, BTreeSet<String>>;

#[path = "rules/circles.rs"]
mod circles;

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

/// The roots of all crates.
fn crate_roots() -> Result<Vec<PathBuf>> {
    let root = workspace();
    let files = sources(&root)?.into_iter().filter(|path| {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = path.file_name().unwrap_or_default();
        folder == "src" && (name == "lib.rs" || name == "main.rs")
    });
    Ok(files.collect())
}

#[test]
fn modules_import_one_another_in_no_circle() -> Result<()> {
    let mut wrong = Vec::new();
    let roots = crate_roots()?;
    ensure!(roots.len() >= 10, "{roots:?}");
    let mut arrows = 0;
    for root in roots {
        let read = circles::Crate::read(&root)?;
        arrows += read.arrows().values().map(BTreeSet::len).sum::<usize>();
        for circle in read.circles() {
            let shown = |file: &Path| file.strip_prefix(workspace()).unwrap_or(file).display().to_string();
            wrong.push(format!("a circle of {} files:", circle.len()));
            for (from, to) in read.arrows().into_iter().filter(|(from, _)| circle.contains(from)) {
                let to = to.into_iter().filter(|file| circle.contains(file)).map(shown);
                wrong.push(format!("  {} -> {}", shown(from), to.collect::<Vec<_>>().join(", ")));
            }
        }
    }
    ensure!(arrows > 500, "{arrows} imports are seen");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
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

/// Names of the `#[test]`s in a file, in the order of the file.
fn tests_in(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut found = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if marked && let Some((_, rest)) = line.split_once("fn ") {
            found.extend(rest.split(['(', '<']).next().map(str::to_owned));
            marked = false;
        }
    }
    Ok(found)
}

/// Every test of the binaries in a `tests` folder, as `tests/run` notes it: `prefix module::name`, a binary's name
/// standing in `prefix` for `{}`.
fn tests_under(folder: &Path, prefix: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in sources(folder)? {
        let relative = path.strip_prefix(folder)?.with_extension("");
        let mut parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let binary = parts.remove(0);
        if parts.last().is_some_and(|last| last == "main") {
            parts.pop();
        }
        for name in tests_in(&path)? {
            let name = [&parts[..], &[name]].concat().join("::");
            found.push(prefix.replace("{}", &binary) + &name);
        }
    }
    Ok(found)
}

/// All tests that tests/third-party.toml can name: system tests by their names, the others by crate and binary.
fn all_tests() -> Result<BTreeSet<String>> {
    let root = workspace();
    let mut all: BTreeSet<String> = tests_under(&root.join("tests"), "")?.into_iter().collect();
    for name in edges()?.keys() {
        // SHO and PVA live beside what they belong to.
        let folders = [root.join(name), root.join("dpf").join(name)].map(|folder| folder.join("tests"));
        if let Some(folder) = folders.iter().find(|folder| folder.is_dir()) {
            all.extend(tests_under(folder, &format!("{name}::{{}} "))?);
        }
    }
    Ok(all)
}

/// What the README says of a program: how many tests, and which.
fn told(table: &str, program: &str) -> Result<(usize, BTreeSet<String>)> {
    let row = table.lines().find(|line| line.starts_with(&format!("| {program} |")));
    let cells: Vec<_> = row.with_context(|| format!("no row for {program}"))?.split('|').collect();
    let count = cells.get(4).with_context(|| format!("{program}: the row has no count"))?.trim().parse()?;
    let list = table.lines().find_map(|line| line.strip_prefix(&format!("- {program}: ")));
    let list = list.with_context(|| format!("{program}: its tests are not named"))?;
    Ok((count, list.split('`').skip(1).step_by(2).map(str::to_owned).collect()))
}

/// What is wrong with the README's table: `programs` are those of tests/third-party.toml with the beginnings of their
/// tests' names, `all` are the tests that there are.
fn table_faults(
    table: &str,
    programs: &[(String, Vec<String>)],
    all: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (program, beginnings) in programs {
        for beginning in beginnings {
            if !all.iter().any(|name| name.starts_with(beginning)) {
                wrong.push(format!("tests/third-party.toml: {program}: no test begins with {beginning:?}"));
            }
        }
        let begins = |name: &&String| beginnings.iter().any(|beginning| name.starts_with(beginning));
        let listed: BTreeSet<String> = all.iter().filter(begins).cloned().collect();
        let (count, named) = told(table, program)?;
        wrong.extend(named.difference(&listed).map(|name| format!("{program}: there is no test {name}")));
        wrong.extend(listed.difference(&named).map(|name| format!("{program}: {name} is missing")));
        if count != named.len() {
            wrong.push(format!("{program}: {count} tests are counted, and {} named", named.len()));
        }
    }
    let rows = table.lines().filter(|line| line.starts_with("- ")).count();
    if rows != programs.len() {
        wrong.push(format!("{rows} programs are named, {} are in tests/third-party.toml", programs.len()));
    }
    Ok(wrong)
}

#[test]
fn the_readme_names_the_tests_against_programs_of_others_that_there_are() -> Result<()> {
    let root = workspace();
    let list: toml::Table = std::fs::read_to_string(root.join("tests/third-party.toml"))?.parse()?;
    let programs = list["program"].as_array().context("no programs")?.iter().map(|program| {
        let name = program["name"].as_str().context("a program without a name")?.to_owned();
        let tests = program["tests"].as_array().context("a program without tests")?.iter();
        Ok((name, tests.filter_map(|test| test.as_str().map(str::to_owned)).collect()))
    });
    let programs: Vec<(String, Vec<String>)> = programs.collect::<Result<_>>()?;
    let readme = std::fs::read_to_string(root.join("README.md"))?;
    let (_, rest) = readme.split_once("<!-- third-party:begin -->").context("README.md has no table")?;
    let (table, _) = rest.split_once("<!-- third-party:end -->").context("the table does not end")?;
    let wrong = table_faults(table, &programs, &all_tests()?)?;
    ensure!(
        wrong.is_empty(),
        "the table in README.md is not of these tests; `bash tests/run`, then `python3 docs/third_party.py`:\n{}",
        wrong.join("\n")
    );
    Ok(())
}

#[test]
fn a_table_that_names_too_little_or_too_much_is_noticed() -> Result<()> {
    let programs = [("peer".to_owned(), vec!["a::".to_owned()])];
    let all = ["a::one", "a::two", "b::three"].map(str::to_owned).into();
    let table = |count: u32, names: &str| format!("| peer | 1.0 | talks | {count} |\n\n- peer: {names}\n");
    assert_eq!(table_faults(&table(2, "`a::one`, `a::two`"), &programs, &all)?, Vec::<String>::new());
    let cases = [
        (table(1, "`a::one`"), "a::two is missing"),
        (table(3, "`a::one`, `a::two`, `a::gone`"), "there is no test a::gone"),
        (table(3, "`a::one`, `a::two`"), "3 tests are counted, and 2 named"),
    ];
    for (table, expected) in cases {
        let wrong = table_faults(&table, &programs, &all)?;
        assert!(wrong.iter().any(|wrong| wrong.contains(expected)), "{wrong:?}");
    }
    let renamed = [("peer".to_owned(), vec!["a::".to_owned(), "c::".to_owned()])];
    assert_eq!(table_faults(&table(2, "`a::one`, `a::two`"), &renamed, &all)?.len(), 1);
    assert!(table_faults("", &programs, &all).is_err());
    Ok(())
}

/// What documents call a test, in backquotes: words of a sentence, joined by underscores.
fn named_tests(text: &str) -> impl Iterator<Item = &str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let quoted = text.split('`').skip(1).step_by(2);
    let names = quoted.map(|name| name.rsplit("::").next().unwrap_or(name));
    names.filter(move |name| {
        name.matches('_').count() >= 4 && name.chars().all(plain) && !name.starts_with("callhome_")
    })
}

#[test]
fn tests_that_the_documents_name_are_there() -> Result<()> {
    let root = workspace();
    let mut all = BTreeSet::new();
    for path in sources(&root)? {
        all.extend(tests_in(&root.join(path))?);
    }
    // Those that each store is put to are named by a macro.
    let contract = std::fs::read_to_string(root.join("icf-auc/tests/store_contract.rs"))?;
    all.extend(contract.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for name in named_tests(&text) {
            seen += 1;
            // A row may name several tests by what they begin with.
            if !all.iter().any(|test| test.starts_with(name)) {
                wrong.push(format!("{}: there is no test {name}", path.display()));
            }
        }
    }
    ensure!(seen > 50, "{seen} tests are named");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
