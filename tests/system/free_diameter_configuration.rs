//! What `callhome open5gs check` says of a freeDiameter file is held against freeDiameterd itself: whether it is good,
//! and in which line and column it is not.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use harness::{callhome, pki::Authority, programs};
use serde_json::Value;

mod table;

use table::{Agreement, HEAD, ROWS};

/// What is said of a file.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    good: bool,
    /// Line, and column if one is said.
    place: Option<(usize, Option<usize>)>,
    said: String,
}

/// freeDiameterd on a file: it ends at a mistake at once; of a good one it says what it has read, and is ended then.
fn judge(folder: &Path, file: &Path) -> Result<Verdict> {
    let mut child = Command::new(programs::find("freeDiameterd")?)
        .arg("-c")
        .arg(file)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take().context("its output is a pipe")?;
    let (mut said, mut good) = (Vec::new(), false);
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        good = line.contains("freeDiameter configuration:");
        let ends = good || line.contains("framework is stopping");
        said.push(line);
        if ends {
            break;
        }
    }
    // The process that was started here, by its id.
    child.kill()?;
    child.wait()?;
    let place = said.iter().find_map(|line| place_of(line, file));
    Ok(Verdict { good, place, said: said.join("\n") })
}

/// `…/mme.conf:3.9-24 : …` or `Unrecognized text on line 3 col 9`.
fn place_of(line: &str, file: &Path) -> Option<(usize, Option<usize>)> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let (number, column) = match line.split_once("Unrecognized text on line ") {
        Some((_, rest)) => (digits(rest)?, digits(rest.split_once(" col ")?.1)?),
        None => {
            let (_, rest) = line.split_once(&format!("{}:", file.display()))?;
            (digits(rest)?, digits(rest.split_once('.')?.1)?)
        }
    };
    // bison begins the first line at column 2.
    Some((number, Some(if number == 1 { column - 1 } else { column })))
}

/// `callhome open5gs check` on the same file.
fn ours(folder: &Path, file: &Path) -> Result<Vec<Value>> {
    let output = Command::new(callhome::binary()?)
        .args(["open5gs", "check", "--json", "--config"])
        .arg(folder.join("icf.toml"))
        .arg("--mme-conf")
        .arg(file)
        .current_dir(folder)
        .output()?;
    let code = output.status.code();
    ensure!(matches!(code, Some(0 | 1)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout)?;
    let findings: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    // What the MME wants beyond freeDiameter, and what the ICF has to do with it, is for other tests.
    let of_file = |one: &Value| match one["check"].as_str() {
        Some("file" | "mme-conf" | "mme-tls") => true,
        Some("extensions") => {
            one["found"].as_str().is_some_and(|found| !found.contains("no dictionary of S6a"))
        }
        _ => false,
    };
    Ok(findings.into_iter().filter(of_file).collect())
}

fn verdict(findings: &[Value], file: &Path) -> Verdict {
    let wrong: Vec<&Value> = findings.iter().filter(|one| one["verdict"] == "wrong").collect();
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let place = wrong.iter().find_map(|one| {
        let rest = one["place"].as_str()?.strip_prefix(&name)?.strip_prefix(':')?;
        let mut numbers = rest.split(':').map(str::parse::<usize>);
        Some((numbers.next()?.ok()?, numbers.next().and_then(Result::ok)))
    });
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Verdict { good: wrong.is_empty(), place, said: said.join("\n") }
}

fn prepare(folder: &Path) -> Result<()> {
    let authority = Authority::new(folder)?;
    let mme = authority.identity("mme.localdomain")?;
    let other = authority.identity("other.localdomain")?;
    let stranger = tempfile::tempdir()?;
    let stranger = Authority::new(stranger.path())?.identity("mme.localdomain")?;
    for (from, to) in [
        (&mme.cert, "mme.crt"),
        (&mme.key, "mme.key"),
        (&mme.ca, "ca.crt"),
        (&other.cert, "other.crt"),
        (&other.key, "other.key"),
        (&stranger.ca, "stranger-ca.crt"),
    ] {
        // Some of them may have that name already.
        let octets = std::fs::read(from)?;
        std::fs::write(folder.join(to), octets)?;
    }
    std::fs::write(folder.join("dh.pem"), table::DH_PARAMETERS)?;
    std::fs::write(folder.join("peer.inc"), table::INCLUDED)?;
    std::fs::write(folder.join("broken.inc"), "NoRelay;\nNoRelay\n")?;
    std::fs::write(folder.join("self.inc"), format!("include \"{}\"\n", folder.join("self.inc").display()))?;
    std::fs::write(folder.join("icf.toml"), table::ICF)?;
    Ok(())
}

#[test]
fn each_verdict_on_a_freediameter_file_is_that_of_freediameterd() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    prepare(folder)?;
    let mut wrong = Vec::new();
    for (number, (text, agreement)) in ROWS.iter().enumerate() {
        let text = format!("{}{text}", if text.contains("Identity") { "" } else { HEAD });
        let text = text.replace("@", &folder.to_string_lossy());
        let file = folder.join(format!("{number}.conf"));
        std::fs::write(&file, &text)?;
        let judged = judge(folder, &file)?;
        let findings = ours(folder, &file)?;
        let own = verdict(&findings, &file);
        let agree = match agreement {
            Agreement::Good => judged.good && own.good,
            Agreement::Bad => !judged.good && !own.good && judged.place == own.place,
            // Where freeDiameter names no place, ours may; and at the end of a file it counts otherwise.
            Agreement::BadLine => {
                let line = |verdict: &Verdict| verdict.place.map(|(line, _)| line);
                !judged.good && !own.good && (judged.place.is_none() || line(&judged) == line(&own))
            }
            Agreement::Included => !judged.good && !own.good,
            // 1.2.1 does not know the word that 1.3 and all of Open5GS know.
            Agreement::Since13 => !judged.good && own.good && judged.said.contains("Unrecognized text"),
            // It depends on where it runs: freeDiameterd says no here, and we say that it may.
            Agreement::Doubtful => {
                !judged.good && own.good && findings.iter().any(|one| one["verdict"] == "doubtful")
            }
        };
        if !agree {
            wrong.push(format!("{agreement:?} {text}\n-- freeDiameterd: {judged:#?}\n-- ours: {own:#?}"));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), ROWS.len(), wrong.join("\n\n"));
    Ok(())
}
