//! What Wireshark makes of our messages.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{child::Child, programs};

/// dumpcap at work on loopback.
pub struct Capture {
    child: Child,
    file: PathBuf,
    transport: &'static str,
    port: u16,
}

/// A finished capture.
pub struct Captured {
    file: PathBuf,
    transport: &'static str,
    port: u16,
}

impl Capture {
    /// Captures what goes to and from a TCP port of loopback into `folder`.
    ///
    /// # Errors
    /// If dumpcap may not capture: it needs CAP_NET_RAW, which root has.
    pub fn start(port: u16, folder: &Path) -> Result<Self> {
        Self::on("lo", "tcp", port, folder)
    }

    /// As [`Capture::start`], of SCTP on any interface.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn sctp(interface: &str, port: u16, folder: &Path) -> Result<Self> {
        Self::on(interface, "sctp", port, folder)
    }

    fn on(interface: &str, transport: &'static str, port: u16, folder: &Path) -> Result<Self> {
        let file = folder.join(format!("{port}.pcapng"));
        let mut command = Command::new(programs::find("dumpcap")?);
        command.args(["-i", interface, "-f", &format!("{transport} port {port}"), "-w"]).arg(&file);
        let mut child = Child::start("dumpcap", command, &folder.join(format!("dumpcap-{port}.log")))?;
        child
            .wait_for("start of the capture", Duration::from_secs(20), |log| log.contains("File:"))
            .context(
                "dumpcap must be allowed to capture: run as root, or `dpkg-reconfigure wireshark-common`",
            )?;
        Ok(Self { child, file, transport, port })
    }

    /// Ends the capture.
    ///
    /// # Errors
    /// If dumpcap does not end or has dropped packets.
    pub fn stop(mut self) -> Result<Captured> {
        // The kernel hands packets over in blocks; the last one needs its time-out.
        std::thread::sleep(Duration::from_millis(1200));
        self.child.signal("INT")?;
        self.child.wait(Duration::from_secs(20))?;
        let log = self.child.log();
        ensure!(log.contains("/0 (pcap:0/"), "dumpcap has dropped packets:\n{log}");
        Ok(Captured { file: self.file, transport: self.transport, port: self.port })
    }
}

/// One Diameter message as tshark sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissected {
    /// Command Code.
    pub command: u32,
    /// Whether it is a request.
    pub request: bool,
}

impl Captured {
    fn tshark(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(programs::find("tshark")?)
            .args(["-n", "-r"])
            .arg(&self.file)
            .args(["-d", &format!("{}.port=={},diameter", self.transport, self.port)])
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Every Diameter message in order.
    ///
    /// # Errors
    /// If tshark cannot read the capture.
    pub fn messages(&self) -> Result<Vec<Dissected>> {
        let text = self.tshark(&[
            "-Y",
            "diameter",
            "-T",
            "fields",
            "-E",
            "occurrence=a",
            "-E",
            "aggregator=,",
            "-e",
            "diameter.cmd.code",
            "-e",
            "diameter.flags.request",
        ])?;
        let mut messages = Vec::new();
        for line in text.lines() {
            let (commands, requests) = line.split_once('\t').with_context(|| format!("tshark: {line}"))?;
            for (command, request) in commands.split(',').zip(requests.split(',')) {
                let request = matches!(request, "1" | "True");
                messages.push(Dissected { command: command.parse()?, request });
            }
        }
        Ok(messages)
    }

    /// What tshark has to complain about: malformed packets, unknown commands, applications, vendors or AVPs, values
    /// and lengths that do not fit, and every other expert note of the Diameter dissector. Empty is good.
    ///
    /// # Errors
    /// If tshark cannot read the capture.
    pub fn complaints(&self) -> Result<String> {
        const WRONG: &str = "diameter && (_ws.malformed || diameter.avp.code.unknown || diameter.unknown_vendor \
             || diameter.applicationId.unknown || diameter.cmd.code.unknown || diameter.version.unknown \
             || diameter.avp.invalid-len || diameter.avp.invalid-data || diameter.avp.unknown)";
        let wrong = self.tshark(&["-Y", WRONG, "-V", "-O", "diameter"])?;
        // Whatever else the dissectors of Diameter and of the values inside remark, by severity.
        let experts = self.tshark(&["-Y", "diameter", "-T", "fields", "-e", "_ws.expert.message"])?;
        let experts: Vec<&str> = experts
            .lines()
            .filter(|line| !line.trim().is_empty())
            // How TCP was closed or acknowledged is not Diameter's concern.
            .filter(|line| !line.starts_with("Connection ") && !line.contains("keep-alive"))
            .collect();
        Ok(format!("{wrong}{}", experts.join("\n")))
    }

    /// The capture in words: for a failure message.
    ///
    /// # Errors
    /// If tshark cannot read the capture.
    pub fn words(&self) -> Result<String> {
        self.tshark(&["-Y", "diameter"])
    }

    /// Session-Ids and result codes of the answers to a command, as tshark reads them.
    ///
    /// # Errors
    /// If tshark cannot read the capture.
    pub fn fields(&self, filter: &str, field: &str) -> Result<Vec<String>> {
        let text = self.tshark(&["-Y", filter, "-T", "fields", "-e", field])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// As [`Captured::fields`], several at once: one line a packet, with what occurs more than once between commas.
    ///
    /// # Errors
    /// If tshark cannot read the capture.
    pub fn table(&self, filter: &str, fields: &[&str]) -> Result<Vec<Vec<String>>> {
        let mut arguments = vec!["-Y", filter, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"];
        arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
        let text = self.tshark(&arguments)?;
        let lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect());
        let table: Vec<Vec<String>> = lines.collect();
        ensure!(table.iter().all(|line| line.len() == fields.len()), "tshark: {text}");
        Ok(table)
    }
}
