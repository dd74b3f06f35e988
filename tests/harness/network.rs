//! A host of its own for the ICF, with two cables to this one that can be cut, and a third for REST that cannot.
//!
//! It is a network namespace; that takes root, which the guest of `tests/uml/run` is.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context, Result, ensure};

use crate::programs;

/// Another host.
#[derive(Debug)]
pub struct Network {
    number: u8,
}

/// Which cable. REST has the third.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    /// 10.n.1.0/24.
    First = 1,
    /// 10.n.2.0/24.
    Second = 2,
}

const REST: u8 = 3;

impl Network {
    /// A new host with its cables.
    ///
    /// # Errors
    /// If this process may not make one.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let network = Self { number: NUMBER.fetch_add(1, Ordering::Relaxed) };
        let (number, name) = (network.number, network.name());
        let (mut here, mut there) = (format!("netns add {name}\n"), "link set lo up\n".to_owned());
        for cable in 1..=REST {
            here += &format!(
                "link add c{number}-{cable} type veth peer name c{cable} netns {name}\n\
                 addr add 10.{number}.{cable}.2/24 dev c{number}-{cable}\nlink set c{number}-{cable} up\n"
            );
            there += &format!("addr add 10.{number}.{cable}.1/24 dev c{cable}\nlink set c{cable} up\n");
        }
        batch(&["-batch", "-"], &here)?;
        batch(&["-n", &name, "-batch", "-"], &there)?;
        Ok(network)
    }

    fn name(&self) -> String {
        format!("icf{}", self.number)
    }

    fn address(&self, cable: u8, end: u8) -> IpAddr {
        Ipv4Addr::new(10, self.number, cable, end).into()
    }

    /// The ICF's end of both cables.
    #[must_use]
    pub fn icf(&self) -> [IpAddr; 2] {
        [self.address(1, 1), self.address(2, 1)]
    }

    /// This host's end of both cables.
    #[must_use]
    pub fn mme(&self) -> [IpAddr; 2] {
        [self.address(1, 2), self.address(2, 2)]
    }

    /// Where the ICF listens for REST.
    #[must_use]
    pub fn icf_rest(&self) -> IpAddr {
        self.address(REST, 1)
    }

    /// The interface of a cable at this end.
    #[must_use]
    pub fn interface(&self, cable: Cable) -> String {
        format!("c{}-{}", self.number, cable as u8)
    }

    /// A program on the ICF's host.
    ///
    /// # Errors
    /// If there is no `ip`.
    pub fn icf_command(&self, program: &Path) -> Result<Command> {
        let mut command = Command::new(programs::find("ip")?);
        command.args(["netns", "exec", &self.name()]).arg(program);
        Ok(command)
    }

    /// The ICF's kernel gives paths up within seconds, as docs/ICF.md says how.
    ///
    /// # Errors
    /// If it has not these settings.
    pub fn give_up_fast(&self) -> Result<()> {
        for (name, value) in [("rto_min", 100), ("rto_initial", 200), ("rto_max", 500), ("hb_interval", 500)]
        {
            let setting = format!("net.sctp.{name}={value}");
            let output = self.icf_command(&programs::find("sysctl")?)?.args(["-w", &setting]).output()?;
            ensure!(output.status.success(), "{setting}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// From now on whatever goes into the cable, at either end, is lost, and nobody is told.
    ///
    /// # Errors
    /// If `tc` refuses.
    pub fn lose(&self, cable: Cable) -> Result<()> {
        let (here, there) = (self.interface(cable), format!("c{}", cable as u8));
        tc(&["qdisc", "replace", "dev", &here, "root", "netem", "loss", "100%"])?;
        tc(&["-n", &self.name(), "qdisc", "replace", "dev", &there, "root", "netem", "loss", "100%"])
    }

    /// The cable is whole again.
    ///
    /// # Errors
    /// If `tc` refuses.
    pub fn restore(&self, cable: Cable) -> Result<()> {
        tc(&["qdisc", "del", "dev", &self.interface(cable), "root"])?;
        tc(&["-n", &self.name(), "qdisc", "del", "dev", &format!("c{}", cable as u8), "root"])
    }

    /// Loses what the ICF sends on the first cable in packets of 768 octets and more, and nothing else.
    ///
    /// # Errors
    /// If `tc` refuses.
    pub fn lose_long_ones_of_the_icf(&self) -> Result<()> {
        let name = self.name();
        let at = ["-n", &name];
        let tc = |arguments: &[&str]| tc(&[&at, arguments].concat());
        tc(&["qdisc", "add", "dev", "c1", "root", "handle", "1:", "prio"])?;
        // The length field of IP: 768 to 1023, 1024 to 2047.
        for length in [["0x0300", "0xff00"], ["0x0400", "0xfc00"]] {
            tc(&[
                &["filter", "add", "dev", "c1", "parent", "1:", "protocol", "ip", "u32", "match", "u16"][..],
                &length,
                &["at", "2", "action", "drop"],
            ]
            .concat())?;
        }
        Ok(())
    }

    /// Pulls the plug at this end: both hosts see that there is no carrier.
    ///
    /// # Errors
    /// If `ip` refuses.
    pub fn pull(&self, cable: Cable) -> Result<()> {
        batch(&["-batch", "-"], &format!("link set {} down\n", self.interface(cable)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Its ends of the cables go with it, and with them ours. What is left goes with the guest.
        let _ = batch(&["-batch", "-"], &format!("netns del {}\n", self.name()));
    }
}

fn batch(arguments: &[&str], lines: &str) -> Result<()> {
    let mut child = Command::new(programs::find("ip")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no standard input")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "ip refuses (the tests of SCTP run in the guest of tests/uml/run): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn tc(arguments: &[&str]) -> Result<()> {
    let output = Command::new(programs::find("tc")?).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "tc {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
