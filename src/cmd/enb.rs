//! What `callhome ue`, `callhome crowd` and the lab say of the simulated eNB and of its UEs.

use std::net::{IpAddr, SocketAddr};

use anyhow::ensure;
use schemas::identity::Plmn;
use ue_sim::{
    access::s1ap::{EnbConfig, PORT, S1Error},
    nas::{Capabilities, UeOptions},
};

use super::client::Failure;

/// The eNB.
#[derive(Debug, Clone, clap::Args)]
pub struct EnbArgs {
    /// The MME's S1AP: its address, or several of one MME with commas between (multihoming).
    #[arg(long, value_name = "ADDRESS[:PORT]", value_delimiter = ',', required = true, value_parser = mme)]
    mme: Vec<SocketAddr>,
    /// The eNB's own SCTP addresses; without, the system chooses.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    bind: Vec<IpAddr>,
    /// The eNB's network, as MCC-MNC.
    #[arg(long, default_value = "999-70")]
    plmn: Plmn,
    /// The eNB's tracking area code.
    #[arg(long, default_value_t = 1)]
    tac: u16,
    /// The eNB's identity, 20 bits.
    #[arg(long, default_value_t = 0x0ca11)]
    enb_id: u32,
}

impl EnbArgs {
    /// As the simulator takes it.
    pub fn config(&self) -> EnbConfig {
        // clap requires at least one.
        let first = self.mme.first().copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], PORT)));
        EnbConfig {
            mme: self.mme.clone(),
            local: self.bind.clone(),
            tac: self.tac,
            enb_id: self.enb_id,
            ..EnbConfig::new(first, self.plmn)
        }
    }
}

/// Its UEs.
#[derive(Debug, Clone, clap::Args)]
pub struct OptionArgs {
    /// The APN that the UE asks for; without, the network's default.
    #[arg(long)]
    apn: Option<String>,
    /// Ciphering algorithms that the UE has, as 0,1,2.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "0,1,2,3")]
    eea: Vec<u8>,
    /// Integrity algorithms that the UE has, as 1,2.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,2,3")]
    eia: Vec<u8>,
    /// The network was chosen by hand: it is tried although the USIM or the UE has it among the forbidden ones, and
    /// leaves these lists if it accepts the UE.
    #[arg(long)]
    manual: bool,
}

impl OptionArgs {
    /// As the simulator takes it.
    ///
    /// # Errors
    /// An algorithm that there is not.
    pub fn options(&self) -> anyhow::Result<UeOptions> {
        let capabilities =
            Capabilities { ciphering: bits(&self.eea, "eea")?, integrity: bits(&self.eia, "eia")? };
        Ok(UeOptions { apn: self.apn.clone(), capabilities, manual: self.manual })
    }
}

/// With the exit code of a server that was not reached.
pub fn unreached(error: S1Error) -> anyhow::Error {
    match error {
        S1Error::Codec(_) | S1Error::Nas(_) => error.into(),
        other => Failure::Unreachable(other.to_string()).into(),
    }
}

/// What is wrong where GTP-U cannot be had.
pub fn taken(address: IpAddr) -> String {
    format!("{address}, port 2152: no user packets can be taken; has another eNB or gateway this address?")
}

/// An address, with S1AP's port unless another is given.
pub fn mme(text: &str) -> Result<SocketAddr, String> {
    text.parse().or_else(|_| {
        let address: IpAddr = text.parse().map_err(|_| "an address, or an address and a port".to_owned())?;
        Ok(SocketAddr::new(address, PORT))
    })
}

/// Bit 8 for number 0, as the UE network capability has them.
fn bits(numbers: &[u8], what: &str) -> anyhow::Result<u8> {
    let mut octet = 0;
    for number in numbers {
        ensure!(*number < 8, Failure::Usage(format!("--{what}: 0 to 7")));
        octet |= 0x80 >> number;
    }
    Ok(octet)
}
