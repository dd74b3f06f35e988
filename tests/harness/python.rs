//! python-diameter as an MME; see tests/python/s6a_client.py.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    aka::Vector,
    child::{Child, tail},
    icf::{HOST, REALM},
    programs,
};

/// A running client.
pub struct Mme {
    child: Child,
    events: Receiver<Value>,
    /// Events that came while another was waited for.
    kept: Vec<Value>,
}

impl Mme {
    /// Connects to the ICF at `port` and waits for its CEA.
    ///
    /// # Errors
    /// If it does not get one.
    pub fn connect(folder: &Path, port: u16) -> Result<Self> {
        Self::connect_to(folder, port, HOST, REALM)
    }

    /// As [`Mme::connect`], to an ICF of another name and realm.
    ///
    /// # Errors
    /// As [`Mme::connect`].
    pub fn connect_to(folder: &Path, port: u16, hss: &str, realm: &str) -> Result<Self> {
        Self::start(folder, &["--hss", hss, "--hss-realm", realm, "--port", &port.to_string()])
    }

    /// As [`Mme::connect`], in another name than that of the MME: as the HSS behind the ICF's relay, say.
    ///
    /// # Errors
    /// As [`Mme::connect`].
    pub fn connect_as(folder: &Path, port: u16, identity: &str) -> Result<Self> {
        let port = port.to_string();
        Self::start(
            folder,
            &["--hss", HOST, "--hss-realm", REALM, "--port", &port, "--origin-host", identity],
        )
    }

    /// Waits for a relay to connect to it at `port`, and asks the ICF through that.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn behind(folder: &Path, port: u16, relay: &str) -> Result<Self> {
        let how = ["--hss", HOST, "--hss-realm", REALM, "--listen", &port.to_string(), "--via", relay];
        let mut mme = Self::start(folder, &how)?;
        mme.event("listening", Duration::from_secs(30))?;
        Ok(mme)
    }

    fn start(folder: &Path, how: &[&str]) -> Result<Self> {
        let mut command = Command::new(programs::python()?);
        command
            .arg(programs::workspace().join("tests/python/s6a_client.py"))
            .args(how)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        // Two of them may share a folder.
        let log = tempfile::Builder::new().prefix("python").suffix(".log").tempfile_in(folder)?;
        let (_, log) = log.keep()?;
        let (child, output) = Child::start_piped("python-diameter", command, &log)?;
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event =
                    serde_json::from_str(&line).unwrap_or_else(|_| json!({"event": "noise", "line": line}));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, events, kept: Vec::new() })
    }

    /// Waits until python-diameter calls the connection ready.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_ready(&mut self) -> Result<()> {
        self.event("ready", Duration::from_secs(30)).map(drop)
    }

    /// Waits until its own log says `text`.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        self.child.wait_for(text, Duration::from_secs(60), |log| log.contains(text)).map(drop)
    }

    /// Gives an order and waits for the answer that python-diameter decodes.
    ///
    /// # Errors
    /// If none comes.
    pub fn ask(&mut self, order: &Value) -> Result<Answer> {
        let input = self.child.input()?;
        writeln!(input, "{order}")?;
        input.flush()?;
        let answer = self.event("answer", Duration::from_secs(60))?;
        Ok(Answer(answer))
    }

    /// The next event of a kind: `request` is one of the ICF's own requests.
    ///
    /// # Errors
    /// If it does not come in time, or python-diameter has failed.
    pub fn event(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        if let Some(at) = self.kept.iter().position(|event| event["event"] == kind) {
            return Ok(self.kept.remove(at));
        }
        let until = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) if event["event"] == kind => return Ok(event),
                Ok(event) if event["event"] == "failed" => bail!("python-diameter: {}", event["reason"]),
                Ok(event) => self.kept.push(event),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no {kind} of python-diameter within {limit:?}:\n{}", tail(&self.child.log()))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("python-diameter has ended:\n{}", tail(&self.child.log()))
                }
            }
        }
    }

    /// DPR, DPA, end; its log.
    ///
    /// # Errors
    /// If connections are left over.
    pub fn stop(mut self) -> Result<String> {
        let input = self.child.input()?;
        writeln!(input, "{}", json!({"do": "stop"}))?;
        input.flush()?;
        let end = self.event("stopped", Duration::from_secs(30))?;
        ensure!(end["left"] == 0, "python-diameter has {} connections left", end["left"]);
        self.child.wait(Duration::from_secs(20))?;
        Ok(self.child.log())
    }
}

/// An answer as python-diameter decodes it.
#[derive(Debug, Clone)]
pub struct Answer(pub Value);

impl Answer {
    /// Result-Code.
    ///
    /// # Errors
    /// If there is none.
    pub fn result(&self) -> Result<u64> {
        self.at(&["Result-Code"])?.as_u64().context("Result-Code is no number")
    }

    /// The value of the AVP at a path of names.
    ///
    /// # Errors
    /// If there is none.
    pub fn at(&self, path: &[&str]) -> Result<&Value> {
        at(&self.0["avps"], path).with_context(|| format!("no {path:?} in {:#}", self.0))
    }

    /// Everything that python-diameter's dictionary does not know, and what its grammar misses. Empty is good.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        complaints(&self.0)
    }

    /// The only E-UTRAN-Vector.
    ///
    /// # Errors
    /// If there is none.
    pub fn vector(&self) -> Result<Vector> {
        let octets = |name: &str| -> Result<Vec<u8>> {
            let value = self.at(&["Authentication-Info", "E-UTRAN-Vector", name])?;
            Ok(hex::decode(value.as_str().context("no octets")?)?)
        };
        let wrong =
            |name: &'static str| move |octets: Vec<u8>| anyhow::anyhow!("{name} of {} octets", octets.len());
        Ok(Vector {
            rand: octets("RAND")?.try_into().map_err(wrong("RAND"))?,
            xres: octets("XRES")?,
            autn: octets("AUTN")?.try_into().map_err(wrong("AUTN"))?,
            kasme: octets("KASME")?.try_into().map_err(wrong("KASME"))?,
        })
    }
}

/// As [`Answer::complaints`], for a request.
#[must_use]
pub fn complaints(message: &Value) -> Vec<String> {
    let mut found: Vec<String> = message["missing"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| format!("{} is missing", name.as_str().unwrap_or_default()))
        .collect();
    unknown(&message["avps"], &mut found);
    found
}

fn unknown(avps: &Value, found: &mut Vec<String>) {
    for avp in avps.as_array().into_iter().flatten() {
        if avp["name"].as_str().is_none_or(|name| name.is_empty() || name.contains("Unknown")) {
            found.push(format!("AVP {} of vendor {} is unknown", avp["code"], avp["vendor"]));
        }
        unknown(&avp["avps"], found);
    }
}

/// The value at a path of AVP names.
#[must_use]
pub fn at<'a>(avps: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let avp = avps.as_array()?.iter().find(|avp| avp["name"] == *first)?;
    if rest.is_empty() {
        return Some(if avp["avps"].is_array() { &avp["avps"] } else { &avp["value"] });
    }
    at(&avp["avps"], rest)
}
