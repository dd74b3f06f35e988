//! Ways to hold a flow: whoever has to act next is stopped, what was said waits on its way, or the device's disk does not
//! answer. None of them needs the program's help.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use harness::{
    gate::{Gate, Held},
    programs,
    roles::{self, Role, Roles},
};

use super::Flow;

/// Who can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Role(Role),
    Device,
}

/// Where something said can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the MME to the ICF, and back.
    Icf,
    /// From the device to the DRF, and back.
    Drf,
    /// From the SHO to the PVA, and back.
    Pva,
}

/// A way to hold a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Who has to act next is stopped (SIGSTOP).
    Stopped(Who),
    /// What is said next waits at a gate.
    Gate(Way, Held),
    /// The device waits for its disk, in the one write that makes its new RNCP count.
    Disk,
}

/// The gates.
pub(super) struct Gates {
    icf: Gate,
    drf: Gate,
    pva: Gate,
}

impl Gates {
    /// Before the roles start.
    pub(super) fn put(roles: &mut Roles) -> Result<Self> {
        Ok(Self {
            icf: roles.gate_at_icf()?,
            drf: roles.gate_at_drf()?,
            pva: roles.gate_between(Role::Sho, Role::Pva)?,
        })
    }

    pub(super) fn at(&self, way: Way) -> &Gate {
        match way {
            Way::Icf => &self.icf,
            Way::Drf => &self.drf,
            Way::Pva => &self.pva,
        }
    }
}

impl Hold {
    /// Who is stopped by it.
    pub(super) fn who(self) -> Option<Who> {
        match self {
            Self::Stopped(who) => Some(who),
            // When it has settled.
            Self::Disk => Some(Who::Device),
            Self::Gate(..) => None,
        }
    }

    /// The first of a flow: it is there before the device is.
    pub(super) fn before_the_device(self, roles: &mut Roles, gates: &Gates) -> Result<()> {
        match self {
            Self::Stopped(Who::Role(role)) => roles.freeze(role),
            Self::Gate(way, held) => {
                gates.at(way).hold(held);
                Ok(())
            }
            Self::Stopped(Who::Device) | Self::Disk => anyhow::bail!("there is no device yet"),
        }
    }

    /// From now on the flow comes no further than here.
    pub(super) fn arm(self, flow: &mut Flow) -> Result<()> {
        match self {
            Self::Stopped(Who::Role(role)) => flow.roles.freeze(role),
            Self::Stopped(Who::Device) => roles::freeze(&mut flow.device),
            Self::Gate(way, held) => {
                flow.gates.at(way).hold(held);
                Ok(())
            }
            Self::Disk => {
                // Opening a FIFO for writing waits for a reader (fifo(7)), and there is none.
                let status = Command::new(programs::find("mkfifo")?).arg(disk(flow)?).status()?;
                ensure!(status.success(), "mkfifo ends with {status}");
                Ok(())
            }
        }
    }

    /// Whether something waits here. Who is stopped needs not have been asked yet: that is for the step to say.
    pub(super) fn holds(self, flow: &Flow) -> Result<bool> {
        match self {
            Self::Stopped(_) => Ok(true),
            Self::Gate(way, _) => Ok(flow.gates.at(way).holds()),
            Self::Disk => {
                // The last thing before that write: the credentials, sealed in their place.
                let sealed = home(flow)?.join("operators/sho-a/rncp");
                Ok(std::fs::read_dir(sealed)?.next().is_some())
            }
        }
    }

    /// When it holds: what only caught the flow gives way to what can be let go.
    pub(super) fn settle(self, flow: &mut Flow) -> Result<()> {
        if self != Self::Disk {
            return Ok(());
        }
        roles::freeze(&mut flow.device)?;
        // Stopped, it leaves the call, and begins it anew when it goes on (signal(7)): then with a file.
        std::fs::remove_file(disk(flow)?)?;
        Ok(())
    }

    /// Whether what is held here goes on by itself when `next` is armed: the same gate looks for something else.
    pub(super) fn is_replaced_by(self, next: Self) -> bool {
        matches!((self, next), (Self::Gate(one, _), Self::Gate(other, _)) if one == other)
    }

    /// The flow goes on.
    pub(super) fn release(self, flow: &mut Flow) -> Result<()> {
        match self {
            Self::Stopped(Who::Role(role)) => flow.roles.thaw(role),
            Self::Stopped(Who::Device) | Self::Disk => flow.device.signal("CONT"),
            Self::Gate(way, _) => {
                flow.gates.at(way).open();
                Ok(())
            }
        }
    }
}

/// The device's folder.
fn home(flow: &Flow) -> Result<PathBuf> {
    Ok(flow.roles.folder().join("devices").join(flow.identity()?.0))
}

/// Under this name the device writes its state, before it takes the old one's place.
fn disk(flow: &Flow) -> Result<PathBuf> {
    let state = home(flow)?.join("state");
    ensure!(state.exists(), "the device keeps its state elsewhere by now");
    Ok(state.with_file_name(format!(
        "{}.new",
        state.file_name().and_then(|name| name.to_str()).context("no name")?
    )))
}
