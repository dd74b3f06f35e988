//! A serving gateway that is not ours: GTP-U of the Linux kernel, in a network of its own with a cable to the eNB's.

use std::{
    net::Ipv4Addr,
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use harness::programs;
use serde_json::Value;

/// What UEs reach through it.
pub const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);
/// Its GTP device.
const DEVICE: &str = "gtp0";

/// A gateway; its network goes with it.
pub struct Gateway {
    network: String,
    /// Its S1-U address.
    pub address: Ipv4Addr,
    /// The eNB's S1-U address, at the other end of the cable.
    pub enb: Ipv4Addr,
    tunnel: Option<Vec<String>>,
}

impl Gateway {
    /// With a cable of its own.
    ///
    /// # Errors
    /// If this is no machine whose root we are, or its kernel has no GTP.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (enb, address) = (Ipv4Addr::new(10, 99, number, 1), Ipv4Addr::new(10, 99, number, 2));
        let network = format!("gateway{number}");
        let (near, far) = (format!("s1u{number}"), format!("sgw{number}"));
        ip(&["netns", "add", &network])?;
        let made = Self { network: network.clone(), address, enb, tunnel: None };
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &network])?;
        ip(&["addr", "add", &format!("{enb}/30"), "dev", &near])?;
        ip(&["link", "set", &near, "up"])?;
        let inside: [&[&str]; 7] = [
            &["link", "set", "lo", "up"],
            &["addr", "add", &format!("{address}/30"), "dev", &far],
            &["link", "set", &far, "up"],
            &["link", "add", DEVICE, "type", "gtp", "role", "ggsn"],
            &["addr", "add", &format!("{INSIDE}/32"), "dev", DEVICE],
            &["link", "set", DEVICE, "up"],
            &["route", "add", "10.45.0.0/16", "dev", DEVICE],
        ];
        for words in inside {
            ip(&[&["-n", network.as_str()], words].concat())?;
        }
        Ok(made)
    }

    /// Has it carry the packets of a UE, whose bearer these messages of MME and eNB have set up, in place of the last.
    ///
    /// # Errors
    /// If the eNB's has no tunnel endpoint of its, or the kernel does not take it.
    pub fn carry(&mut self, ue: Ipv4Addr, here: u32, response: &Value) -> Result<()> {
        if let Some(old) = self.tunnel.take() {
            self.tunnel("del", &old)?;
        }
        let there = endpoint(response).with_context(|| format!("no TEID of the eNB: {response}"))?;
        let words = [self.enb.to_string(), ue.to_string(), here.to_string(), there.to_string()].to_vec();
        self.tunnel("add", &words)?;
        self.tunnel = Some(words);
        Ok(())
    }

    fn tunnel(&self, what: &str, words: &[String]) -> Result<()> {
        let script = programs::workspace().join("tests/python/gtp_tunnel.py");
        let python = programs::python()?;
        let output = Command::new("ip")
            .args(["netns", "exec", &self.network])
            .arg(python)
            .arg(script)
            .args([what, DEVICE])
            .args(words)
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Three echoes from the network to a UE.
    ///
    /// # Errors
    /// If not all come back.
    pub fn ping(&self, ue: Ipv4Addr) -> Result<()> {
        ping(&self.network, &["-I", &INSIDE.to_string()], ue)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // What is in it goes with it, and with one end of the cable the other.
        let _ = ip(&["netns", "del", &self.network]);
    }
}

/// ping(8) in a network.
///
/// # Errors
/// If not all of three echoes come back.
pub fn ping(network: &str, options: &[&str], to: Ipv4Addr) -> Result<()> {
    let output = Command::new("ip")
        .args(["netns", "exec", network, "ping", "-c", "3", "-i", "0.2", "-W", "5"])
        .args(options)
        .arg(to.to_string())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success() && said.contains(" 3 received"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// ip(8).
///
/// # Errors
/// What it says.
pub fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("ip")?;
    if !output.status.success() {
        bail!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The first tunnel endpoint in a message, as pycrate reads it.
fn endpoint(value: &Value) -> Option<u32> {
    match value {
        Value::Object(fields) => match fields.get("gTP-TEID").and_then(Value::as_str) {
            Some(text) => u32::from_str_radix(text, 16).ok(),
            None => fields.values().find_map(endpoint),
        },
        Value::Array(items) => items.iter().find_map(endpoint),
        _ => None,
    }
}
