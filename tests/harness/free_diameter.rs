//! Debian's freeDiameterd: the stack under Open5GS's MME, and a relay.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{child::Child, icf::HOST, pki::Identity, programs};

/// Its identity.
pub const NAME: &str = "fd.localdomain";

/// How it reaches the ICF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Plain TCP.
    Tcp,
    /// TLS from the first octet (RFC 6733 §2.1).
    Tls,
}

/// A running freeDiameterd.
pub struct FreeDiameter {
    child: Child,
}

impl FreeDiameter {
    /// Starts it; it connects to the ICF at `port`, and to an MME at `mme` for which it relays.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start(
        folder: &Path,
        files: &Identity,
        security: Security,
        port: u16,
        mme: Option<u16>,
    ) -> Result<Self> {
        let connect = connection(HOST, port, security);
        Self::begin(folder, files, "No_SCTP;\nPrefer_TCP;", connect, mme)
    }

    /// As [`FreeDiameter::start`], over an association from all addresses of `from` to all of `to`.
    ///
    /// # Errors
    /// As [`FreeDiameter::start`].
    pub fn over_sctp(
        folder: &Path,
        files: &Identity,
        from: &[IpAddr],
        to: &[SocketAddr],
        mme: Option<u16>,
    ) -> Result<Self> {
        let from: String = from.iter().map(|address| format!("ListenOn = \"{address}\";\n")).collect();
        let addresses: String = to.iter().map(|to| format!("ConnectTo = \"{}\"; ", to.ip())).collect();
        let port = to.first().map_or(0, SocketAddr::port);
        let connect =
            format!("ConnectPeer = \"{HOST}\" {{ {addresses}Port = {port}; No_TLS; No_TCP; No_IPv6; }};\n");
        Self::begin(folder, files, &from, connect, mme)
    }

    fn begin(
        folder: &Path,
        files: &Identity,
        transport: &str,
        mut connect: String,
        mme: Option<u16>,
    ) -> Result<Self> {
        let template = include_str!("../freediameter/peer.conf");
        if let Some(port) = mme {
            connect += &connection(crate::icf::MME, port, Security::Tcp);
        }
        let extensions = programs::find("freeDiameterd").and_then(|_| {
            let folder = Path::new("/usr/lib/freeDiameter");
            ensure!(
                folder.join("dbg_msg_dumps.fdx").is_file(),
                "freeDiameter's extensions are not installed: apt-get install freediameter-extensions"
            );
            Ok(folder)
        })?;
        let config = template
            .replace("@IDENTITY@", NAME)
            .replace("@TRANSPORT@", transport)
            .replace("@CERT@", &files.cert.to_string_lossy())
            .replace("@KEY@", &files.key.to_string_lossy())
            .replace("@CA@", &files.ca.to_string_lossy())
            .replace("@EXTENSIONS@", &extensions.to_string_lossy())
            .replace("@CONNECT@", &connect);
        let file = folder.join("freediameter.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new(programs::find("freeDiameterd")?);
        command.arg("-c").arg(&file).current_dir(folder);
        Ok(Self { child: Child::start("freeDiameterd", command, &folder.join("freediameter.log"))? })
    }

    /// Waits until it has taken the CEA of `peer`.
    ///
    /// # Errors
    /// If it does not, with its log.
    pub fn wait_connected(&mut self, peer: &str) -> Result<()> {
        let wanted = format!("CONNECTED TO '{peer}'");
        self.child
            .wait_for("CEA that freeDiameter takes", Duration::from_secs(60), |log| log.contains(&wanted))?;
        Ok(())
    }

    /// Waits until the ICF has answered `count` of its watchdogs (6 s each at the least).
    ///
    /// # Errors
    /// If the answers do not come.
    pub fn wait_watchdogs(&mut self, count: usize) -> Result<()> {
        let limit = Duration::from_secs(12 * count as u64 + 10);
        self.child.wait_for("answered watchdogs", limit, |log| {
            received(log, "Device-Watchdog-Answer") + received(log, "Device-Watchdog-Request") >= count
        })?;
        Ok(())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// If it has ended.
    pub fn running(&mut self) -> Result<()> {
        self.child.running()
    }

    /// Its log: every message sent and received in its own words.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Waits until its log says `text`.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        self.child.wait_for(text, limit, |log| log.contains(text))
    }

    /// SIGTERM: it sends DPR, waits for DPA and ends.
    ///
    /// # Errors
    /// If it does not end well; its log.
    pub fn stop(mut self) -> Result<String> {
        self.child.signal("TERM")?;
        let status = self.child.wait(Duration::from_secs(30))?;
        let log = self.child.log();
        ensure!(status.success(), "freeDiameterd ends with {status}:\n{}", crate::child::tail(&log));
        Ok(log)
    }
}

/// How many messages of this name it has received.
#[must_use]
pub fn received(log: &str, name: &str) -> usize {
    messages(log, "RCV from", name)
}

/// How many messages of this name it has sent.
#[must_use]
pub fn sent(log: &str, name: &str) -> usize {
    messages(log, "SND to", name)
}

fn messages(log: &str, direction: &str, name: &str) -> usize {
    let quoted = format!("'{name}'");
    let lines: Vec<&str> = log.lines().collect();
    lines.windows(2).filter(|pair| pair[0].contains(direction) && pair[1].contains(&quoted)).count()
}

/// Lines in which it is not content: errors, dropped or invalid messages, suspicion (RFC 3539 §3.4), up to the DPA; of
/// what comes after that, when both sides close at once, only a TLS session that was cut off (RFC 8446 §6.1).
#[must_use]
pub fn complaints(log: &str) -> Vec<String> {
    // What it says of itself: GnuTLS on a socket that has nothing yet; that it was built without the dictionary of
    // what it relays; that the MME behind it was not there at the first try.
    const OWN: &[&str] =
        &["Resource temporarily unavailable, try again", "fd_dict_search", "CONNECT FAILED to mme."];
    const WORDS: &[&str] =
        &["ERROR", "INVALID", "DISCARDED", "failed", "SUSPECT", "REOPEN", "unknown AVP", "dropped"];
    let end = log.find("'Disconnect-Peer-Answer'").unwrap_or(log.len());
    let mut previous = "";
    let mut found = Vec::new();
    for line in log[..end].lines() {
        if WORDS.iter().any(|word| line.contains(word)) && !OWN.iter().any(|word| line.contains(word)) {
            found.push(format!("{line}   after {previous}"));
        }
        previous = line;
    }
    found.extend(
        log[end..].lines().filter(|line| line.contains("non-properly terminated")).map(str::to_owned),
    );
    found
}

fn connection(name: &str, port: u16, security: Security) -> String {
    let tls = match security {
        Security::Tcp => "No_TLS; ",
        Security::Tls => "",
    };
    format!(
        "ConnectPeer = \"{name}\" {{ ConnectTo = \"127.0.0.1\"; Port = {port}; {tls}Prefer_TCP; No_SCTP; No_IPv6; }};\n"
    )
}
