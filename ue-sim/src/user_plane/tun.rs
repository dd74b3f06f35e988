//! A TUN device of this machine in place of a UE's own stack, for programs that are bound to its address.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use oxirush_gtp_u::Endpoint;
use oxirush_gtp_u::tun::{Routing, TunConfig};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Routing table, and priority of the rule that leads to it, of UEs with a TUN device. The device goes with the process;
/// the rule stays where the process is killed, and keeps the next one of the same address from making its own.
pub const RULE: u32 = 9971;
/// Where `ip netns` keeps its names (ip-netns(8)).
const NAMES: &str = "/run/netns";

/// Which device, and where.
#[derive(Debug, Clone)]
pub struct Tun {
    /// Its name, 1 to 15 octets.
    pub name: String,
    /// The network namespace that it is made in, by its name for `ip netns` or as a path; `None`: that of this process.
    pub network: Option<String>,
}

/// A device as it is made anew with each bearer.
#[derive(Debug, Clone)]
pub(super) struct UeTun {
    config: TunConfig,
    network: Option<PathBuf>,
}

impl UeTun {
    pub(super) fn new(tun: &Tun, address: Ipv4Addr) -> Self {
        let routing = Routing::UePolicy { address, table: RULE, priority: RULE };
        let network = tun.network.as_ref().map(|name| std::path::Path::new(NAMES).join(name));
        Self { config: TunConfig::new(&tun.name, routing), network }
    }

    /// Makes it, at a tunnel of `endpoint`.
    ///
    /// # Errors
    /// Without the tunnel, the network or `CAP_NET_ADMIN`.
    pub(super) fn attach(&self, endpoint: &Endpoint, (enb_ue, erab): (u32, u8)) -> io::Result<()> {
        let Some(network) = &self.network else {
            return endpoint.attach_tun(enb_ue, erab, self.config.clone());
        };
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", network.display()));
        let network = File::open(network).map_err(named)?;
        let runtime = tokio::runtime::Handle::current();
        let made = std::thread::scope(|scope| {
            // A thread of its own, which ends in the other network: no other work comes there.
            let maker = scope.spawn(|| {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
                let _entered = runtime.enter();
                endpoint.attach_tun(enb_ue, erab, self.config.clone())
            });
            maker.join()
        });
        made.unwrap_or_else(|_| Err(io::Error::other("the TUN device was not made")))
    }
}
