//! schemathesis (PyPI): reads a role's OpenAPI document and holds the role to it, with valid requests, with requests
//! that are wrong in one place, without a token, by other methods, and in sequences. tests/schemathesis.toml says how.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{child::Child, http, programs};

/// Until a run is given up. It is bounded by its number of examples; this is for a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(300);

/// In tests/schemathesis.toml, what stands for the session of [`DeviceApi`].
const NO_SESSION: &str = "00000000-0000-4000-8000-000000000000";

/// A role's REST API over plain HTTP on loopback.
#[derive(Debug, Clone, Copy)]
pub struct Api<'a> {
    /// Its port.
    pub port: u16,
    /// A token that may do everything.
    pub token: &'a str,
}

/// What a role has for devices: HTTPS with a device's certificate instead of a token.
#[derive(Debug, Clone)]
pub struct DeviceApi<'a> {
    /// Its port on loopback.
    pub port: u16,
    /// Who certifies it.
    pub ca: PathBuf,
    /// The device's certificate and key.
    pub identity: (PathBuf, PathBuf),
    /// A session of the device, so that not every request ends at 404.
    pub session: &'a str,
}

impl DeviceApi<'_> {
    /// As [`Api::conforms`]; `document` is the one that is served, which is read here to count its operations.
    ///
    /// # Errors
    /// schemathesis' report, if it is not clean.
    pub fn conforms(&self, folder: &Path, document: &serde_json::Value) -> Result<()> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let arguments = [
            // The certificate is in TLS, where schemathesis cannot leave it out: another_device::identities does.
            "--exclude-checks",
            "ignored_auth",
            "--tls-verify",
            &path(&self.ca),
            "--request-cert",
            &path(&self.identity.0),
            "--request-cert-key",
            &path(&self.identity.1),
        ];
        let url = format!("https://127.0.0.1:{}/openapi.json", self.port);
        let report = judge(folder, &url, &arguments, ("none", self.session))?;
        whole(document, &report)
    }
}

/// What schemathesis says.
#[derive(Debug, Clone)]
pub struct Report {
    /// Whether nothing failed, and no line of the configuration was idle.
    pub clean: bool,
    /// Its own words.
    pub text: String,
}

impl Api<'_> {
    /// The document that the role serves.
    ///
    /// # Errors
    /// If it serves none.
    pub fn document(&self) -> Result<serde_json::Value> {
        let answer = http::request(self.port, "GET", "/openapi.json", None, None, &[])?;
        ensure!(answer.status == 200, "GET /openapi.json is answered {}", answer.status);
        answer.json()
    }

    /// Judges the whole document that the role serves: nothing may fail, and no operation be left out.
    ///
    /// # Errors
    /// schemathesis' report, if it is not clean.
    pub fn conforms(&self, folder: &Path) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/openapi.json", self.port);
        whole(&self.document()?, &self.judge(folder, &url, &[])?)
    }

    /// Judges the role by another document than its own: `operations` of it, by their operationId.
    ///
    /// # Errors
    /// If schemathesis cannot be run.
    pub fn judged_by(
        &self,
        folder: &Path,
        document: &serde_json::Value,
        operations: &[&str],
    ) -> Result<Report> {
        let file = folder.join("openapi.json");
        std::fs::write(&file, document.to_string())?;
        let url = format!("http://127.0.0.1:{}", self.port);
        let mut arguments = vec!["--url", &url];
        for operation in operations {
            arguments.extend(["--include-operation-id", operation]);
        }
        self.judge(folder, &file.to_string_lossy(), &arguments)
    }

    fn judge(&self, folder: &Path, location: &str, arguments: &[&str]) -> Result<Report> {
        judge(folder, location, arguments, (self.token, NO_SESSION))
    }
}

fn judge(
    folder: &Path,
    location: &str,
    arguments: &[&str],
    (token, session): (&str, &str),
) -> Result<Report> {
    // Tokens may be left to the environment, values of dictionaries not.
    let config = std::fs::read_to_string(programs::workspace().join("tests/schemathesis.toml"))?;
    let file = folder.join("schemathesis.toml");
    std::fs::write(&file, config.replace(NO_SESSION, session))?;
    // A file for each run: a child's output is appended.
    let log = tempfile::NamedTempFile::new_in(folder)?.into_temp_path();
    let mut command = Command::new(programs::python()?);
    command
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(&file)
        .args(["run", location, "--checks", "all", "--no-color"])
        .args(arguments)
        .env("SCHEMATHESIS_TOKEN", token)
        .env("SCHEMATHESIS_HOOKS", "schemathesis_media")
        .env("PYTHONPATH", programs::workspace().join("tests/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("COLUMNS", "120")
        .current_dir(folder);
    let mut child = Child::start("schemathesis", command, &log)?;
    let status = child.wait(LIMIT)?;
    let text = child.log();
    // 0: clean; 1: failures, or a warning that counts as one. Anything else is a judge that did not judge.
    let code = status.code().context("schemathesis was killed")?;
    ensure!(code <= 1 && text.contains("Seed: "), "schemathesis ends with {status}:\n{text}");
    Ok(Report { clean: code == 0, text })
}

/// That the report is clean, and of every operation of the document.
fn whole(document: &serde_json::Value, report: &Report) -> Result<()> {
    let operations = operations(document);
    print!("{}", report.text);
    ensure!(report.clean, "schemathesis objects:\n{}", report.text);
    let tested = format!("Tested: {operations}");
    ensure!(
        operations > 0 && report.text.lines().any(|line| line.trim() == tested),
        "the document has {operations} operations, and schemathesis has tested others:\n{}",
        report.text
    );
    Ok(())
}

/// How many operations a document describes.
fn operations(document: &serde_json::Value) -> usize {
    const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(_, item)| item.as_object().into_iter().flatten())
        .filter(|(method, _)| METHODS.contains(&method.as_str()))
        .count()
}
