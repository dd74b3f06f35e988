//! The program under test.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use anyhow::{Context, Result, ensure};

use crate::programs::workspace;

/// The path of `callhome`: what `TESTED_BIN` names (`tests/run` sets it), or what cargo builds now.
///
/// # Errors
/// If it cannot be built.
pub fn binary() -> Result<PathBuf> {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = BINARY.get() {
        return Ok(path.clone());
    }
    let path = match std::env::var_os("TESTED_BIN") {
        Some(path) => PathBuf::from(path),
        None => build()?,
    };
    ensure!(path.is_file(), "{} is not a program; unset TESTED_BIN to have it built", path.display());
    Ok(BINARY.get_or_init(|| path).clone())
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--package", "callhome", "--bin", "callhome", "--message-format", "json"])
        .current_dir(workspace())
        .output()
        .context("cargo cannot be run")?;
    ensure!(output.status.success(), "callhome does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "callhome")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo names no executable for callhome")
}

/// Runs a subcommand to its end and returns what it prints.
///
/// # Errors
/// If it fails: with what it says.
pub fn run(arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary()?).args(arguments).env_remove("RUST_LOG").output()?;
    ensure!(
        output.status.success(),
        "callhome {} ends with {}:\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
