//! Where the third parties are, and what to install when they are not.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The Debian package of each program that a test may need.
const PACKAGES: &[(&str, &str)] = &[
    ("freeDiameterd", "freediameterd freediameter-extensions"),
    ("osmo-auc-gen", "libosmocore-utils"),
    ("tshark", "tshark"),
    ("dumpcap", "tshark"),
    ("age", "age"),
    ("age-keygen", "age"),
    ("openssl", "openssl"),
    ("kill", "procps"),
    ("sysctl", "procps"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
];

/// Finds a program on PATH.
///
/// # Errors
/// If it is not there: with the Debian package to install, for a test is never passed by skipping it.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("PATH is not set")?;
    // Daemons live in sbin, which a user's PATH may lack.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    for place in places {
        let candidate = place.join(name);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    match PACKAGES.iter().find(|(program, _)| *program == name) {
        Some((_, package)) => {
            bail!("{name} is not installed: apt-get install {package}, or run tests/run as root")
        }
        None => bail!("{name} is not installed"),
    }
}

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The Python that has `tests/python/requirements.txt` installed.
///
/// # Errors
/// If `tests/run` has not made it.
pub fn python() -> Result<PathBuf> {
    let python = std::env::var_os("TESTS_PYTHON")
        .map_or_else(|| target().join("third-party/venv/bin/python"), PathBuf::from);
    if !python.is_file() {
        bail!(
            "{} is not there: run `bash tests/run --prepare` (it makes a virtual environment and installs \
             tests/python/requirements.txt), or set TESTS_PYTHON",
            python.display()
        );
    }
    Ok(python)
}
