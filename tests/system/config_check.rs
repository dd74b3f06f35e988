//! `callhome config check` finds what keeps a role from starting: each mistake is tried with the check and with a start.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    child::Child,
    roles::{Role, Roles},
};

const ROLES: [Role; 5] = [Role::Icf, Role::Drf, Role::Dpf, Role::Sho, Role::Pva];

fn check(role: Role, config: &Path) -> Result<Output> {
    let mut command = Command::new(callhome::binary()?);
    command.args(["config", "check", role.name(), "--config"]).arg(config);
    Ok(command.output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Replaces a line's value: `key = …` at the first line that begins so.
fn with(text: &str, key: &str, value: &str) -> Result<String> {
    let begin = format!("{key} = ");
    let line = text.lines().find(|line| line.starts_with(&begin)).with_context(|| format!("no {key}"))?;
    Ok(text.replacen(line, &format!("{begin}{value}"), 1))
}

/// The check says so, and a start ends for the same reason.
fn both_refuse(role: Role, config: &Path, expected: &str) -> Result<()> {
    let checked = check(role, config)?;
    let text = said(&checked);
    ensure!(
        checked.status.code() == Some(1) && text.contains(expected),
        "{}: {expected}: {text}",
        role.name()
    );
    let mut command = Command::new(callhome::binary()?);
    command.arg(role.name()).arg("--config").arg(config);
    let mut started = Child::start("a role that cannot start", command, &config.with_extension("log"))?;
    let status = started.wait(Duration::from_secs(60))?;
    ensure!(status.code() == Some(1), "{}: {expected}: it starts: {}", role.name(), started.log());
    Ok(())
}

#[test]
fn what_is_written_for_a_lab_is_right_in_every_role_and_nothing_is_made() -> Result<()> {
    let roles = Roles::new()?;
    for role in ROLES {
        let output = check(role, &roles.config(role))?;
        ensure!(output.status.success(), "{}: {}", role.name(), said(&output));
        ensure!(said(&output).contains("is right"), "{}", said(&output));
        let database = roles.folder().join(format!("{}.db", role.name()));
        ensure!(!database.exists(), "{} was made", database.display());
    }
    // Whom they ask is not there yet, which keeps none of them from starting.
    let output = said(&check(Role::Sho, &roles.config(Role::Sho))?);
    for warning in ["warning: connectors: callhome: ", "warning: pva: ", "warning: dpf: "] {
        ensure!(output.contains(warning), "{warning}: {output}");
    }
    Ok(())
}

#[test]
fn what_keeps_a_role_from_starting_is_found_by_the_check() -> Result<()> {
    let roles = Roles::new()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = format!("\"{}\"", taken.local_addr()?);
    let missing = format!("\"sqlite://{}/missing/x.db\"", roles.folder().display());
    for role in ROLES {
        let text = std::fs::read_to_string(roles.config(role))?;
        let config = roles.folder().join(format!("{}-mistaken.toml", role.name()));
        for (key, value, expected) in [
            ("url", "\"postgres://localhost/callhome\"", "only SQLite is known"),
            ("url", &missing, "does not exist; create it for callhome's user"),
            ("filter", "\"warn,=debug=\"", "is no log filter"),
            ("listen", &taken, taken.trim_matches('"')),
            ("at_rest", "{ file = \"/nonexistent/key\" }", "/nonexistent/key"),
        ] {
            std::fs::write(&config, with(&text, key, value)?)?;
            both_refuse(role, &config, expected)?;
        }
        // A key that others may read.
        std::fs::write(&config, &text)?;
        let key = roles.folder().join(if role == Role::Icf {
            "at-rest.key".into()
        } else {
            format!("{}.at-rest.key", role.name())
        });
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
        both_refuse(role, &config, "at-rest.key")?;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
        // A certificate with the key of another.
        if role != Role::Icf {
            let pki = roles.folder().join("pki");
            let (cert, key) = (pki.join("drf.tls.crt"), pki.join("pva.sign.key"));
            let pair = format!("{{ cert = {cert:?}, key = {key:?} }}");
            std::fs::write(&config, with(&text, "tls", &pair)?)?;
            both_refuse(role, &config, "pva.sign.key")?;
        }
    }
    Ok(())
}

#[test]
fn what_only_the_icf_can_have_wrong_is_found_too() -> Result<()> {
    let roles = Roles::new()?;
    let text = std::fs::read_to_string(roles.config(Role::Icf))?;
    let config = roles.folder().join("icf-mistaken.toml");
    let twice = "[{ identity = \"mme.localdomain\" }, { identity = \"MME.localdomain\" }]";
    std::fs::write(&config, with(&text, "peers", twice)?)?;
    both_refuse(Role::Icf, &config, "list every peer once")?;
    let (before, after) = text.split_once("[diameter]").context("there is [diameter]")?;
    let diameter = |listen: &str| -> Result<String> {
        Ok(format!("{before}[diameter]{}", with(after, "listen", listen)?))
    };
    std::fs::write(&config, diameter("[\"tls://127.0.0.1:0\"]")?)?;
    both_refuse(Role::Icf, &config, "no certificate is configured")?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(&config, diameter(&format!("[\"tcp://{}\"]", taken.local_addr()?))?)?;
    both_refuse(Role::Icf, &config, "another program listens there")?;
    // SCTP is there or not, and the check knows.
    std::fs::write(&config, diameter("[\"sctp://127.0.0.1:0\"]")?)?;
    let output = check(Role::Icf, &config)?;
    let offered = Path::new("/proc/sys/net/sctp").exists();
    ensure!(output.status.success() == offered, "{}", said(&output));
    ensure!(offered || said(&output).contains("offers no SCTP"), "{}", said(&output));
    Ok(())
}

#[test]
fn a_role_that_runs_already_is_told_from_one_whose_ports_are_taken() -> Result<()> {
    let mut roles = Roles::new()?;
    for role in [Role::Icf, Role::Pva] {
        roles.start(role)?;
        let process = roles.process(role)?.id();
        let output = check(role, &roles.config(role))?;
        let text = said(&output);
        ensure!(output.status.success(), "{}: {text}", role.name());
        ensure!(text.contains(&format!("warning: it runs already (process {process})")), "{text}");
        // With a database of its own it does not run, and its ports are another's.
        let config = roles.folder().join("other.toml");
        let other = format!("\"sqlite://{}/other.db\"", roles.folder().display());
        std::fs::write(&config, with(&std::fs::read_to_string(roles.config(role))?, "url", &other)?)?;
        let output = check(role, &config)?;
        ensure!(output.status.code() == Some(1), "{}", said(&output));
    }
    Ok(())
}
