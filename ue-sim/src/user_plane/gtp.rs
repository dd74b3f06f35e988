//! S1-U of an eNB: which tunnel a UE's packets take, and which UE a tunnel's packets are for.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, Stream};
use oxirush_gtp_u::{Endpoint, ReceivedPacket, RemoteTunnel};
use schemas::identity::Imsi;
use tokio::sync::{Notify, mpsc, watch};
use tokio_smoltcp::device::{AsyncDevice, DeviceCapabilities, Packet};
use tokio_util::sync::PollSender;

use super::tun::{Tun, UeTun};
use crate::access::s1ap::UserPlane;

/// Packets that wait in either direction for one UE; more are dropped, as by any link.
const QUEUE: usize = 256;
/// How long a packet of an idle UE waits for its service request.
const AWAIT_BEARER: Duration = Duration::from_secs(10);

/// A bearer's tunnel: the eNB's identifier of the UE's connection, and the E-RAB.
type Tunnel = (u32, u8);

/// One UE's packets.
#[derive(Debug)]
struct Lane {
    down: mpsc::Sender<Packet>,
    tunnel: watch::Sender<Option<Tunnel>>,
    tun: Option<UeTun>,
}

/// A UE that is switched on.
#[derive(Debug, Default)]
struct There {
    /// Told when it has packets and no bearer.
    wanted: Arc<Notify>,
    /// How many are it: the next may be there before the last is gone.
    users: usize,
}

#[derive(Debug, Default)]
struct Lanes {
    by_imsi: HashMap<Imsi, Lane>,
    owners: HashMap<u32, Imsi>,
    there: HashMap<Imsi, There>,
}

/// The S1-U endpoint of an eNB; a clone is another handle to the same.
#[derive(Clone)]
pub struct Gtp {
    endpoint: Endpoint,
    lanes: Arc<Mutex<Lanes>>,
}

impl std::fmt::Debug for Gtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gtp").field("at", &self.endpoint.local_addr().ok()).finish_non_exhaustive()
    }
}

impl Gtp {
    /// Takes user packets at `address`, port 2152 (TS 29.281 §4.4.2.3). A serving gateway sends there whatever port ours
    /// is, so there is one of them at an address.
    ///
    /// # Errors
    /// What the system says: the port is taken, the address is not this machine's.
    pub async fn bind(address: IpAddr) -> io::Result<Self> {
        let (endpoint, received) = Endpoint::bind(SocketAddr::new(address, oxirush_gtp_u::PORT)).await?;
        let lanes = Arc::new(Mutex::new(Lanes::default()));
        tokio::spawn(deliver(received, lanes.clone()));
        Ok(Self { endpoint, lanes })
    }

    /// The UE's end: what it sends goes to its bearer, what comes for it comes here. Replaces an earlier one.
    #[must_use]
    pub fn port(&self, imsi: Imsi, mtu: u16) -> Port {
        let (down, from_network) = mpsc::channel(QUEUE);
        let (to_network, up) = mpsc::channel(QUEUE);
        let tunnel = {
            let mut lanes = lock(&self.lanes);
            let tunnel = lanes.by_imsi.get(&imsi).and_then(|lane| *lane.tunnel.borrow());
            let sender = watch::channel(tunnel).0;
            let tunnel = sender.subscribe();
            lanes.by_imsi.insert(imsi, Lane { down, tunnel: sender, tun: None });
            tunnel
        };
        tokio::spawn(send(self.endpoint.clone(), up, tunnel, self.wanted_by(imsi)));
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = smoltcp::phy::Medium::Ip;
        capabilities.max_transmission_unit = usize::from(mtu);
        Port { from_network, to_network: PollSender::new(to_network), capabilities }
    }

    /// Gives the UE a TUN device of this machine in place of a [`Port`]: what is sent from `address` goes through its
    /// bearer. The device is there while the bearer is; an idle UE has none, and nothing that is sent wakes it.
    ///
    /// # Errors
    /// Without a bearer, the network or `CAP_NET_ADMIN`.
    pub fn tun(&self, imsi: Imsi, tun: &Tun, address: Ipv4Addr) -> io::Result<()> {
        let tun = UeTun::new(tun, address);
        let mut lanes = lock(&self.lanes);
        let lane = lanes.by_imsi.get_mut(&imsi).ok_or(io::ErrorKind::NotConnected)?;
        let tunnel = lane.tunnel.borrow().ok_or(io::ErrorKind::NotConnected)?;
        tun.attach(&self.endpoint, tunnel)?;
        lane.tun = Some(tun);
        Ok(())
    }

    fn wanted_by(&self, imsi: Imsi) -> Arc<Notify> {
        lock(&self.lanes).there.entry(imsi).or_default().wanted.clone()
    }
}

fn lock(lanes: &Mutex<Lanes>) -> MutexGuard<'_, Lanes> {
    // What a panicking thread left is whole: entries are put in and taken out as one.
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UserPlane for Gtp {
    fn install(&self, imsi: Imsi, enb_ue: u32, erab: u8, (address, teid): (IpAddr, u32)) -> u32 {
        let remote = RemoteTunnel::new(SocketAddr::new(address, oxirush_gtp_u::PORT), teid);
        let teid = self.endpoint.install_s1u(enb_ue, erab, remote);
        let mut lanes = lock(&self.lanes);
        lanes.owners.insert(enb_ue, imsi);
        // Without packet filters a UE's packets take its default bearer, which is the first.
        if let Some(lane) = lanes.by_imsi.get(&imsi) {
            if let Some(tun) = &lane.tun
                && let Err(error) = tun.attach(&self.endpoint, (enb_ue, erab))
            {
                tracing::warn!(%imsi, %error, "the TUN device of the UE is not there any more");
            }
            lane.tunnel.send_if_modified(|tunnel| match tunnel {
                Some((owner, _)) if *owner == enb_ue => false,
                _ => {
                    *tunnel = Some((enb_ue, erab));
                    true
                }
            });
        } else {
            let (down, _) = mpsc::channel(1);
            let tunnel = watch::channel(Some((enb_ue, erab))).0;
            lanes.by_imsi.insert(imsi, Lane { down, tunnel, tun: None });
        }
        teid
    }

    fn remove(&self, enb_ue: u32, erab: u8) {
        self.endpoint.remove(enb_ue, erab);
        self.forget(enb_ue, |tunnel| tunnel == (enb_ue, erab));
    }

    fn remove_all(&self, enb_ue: u32) {
        self.endpoint.remove_ran(enb_ue);
        self.forget(enb_ue, |(owner, _)| owner == enb_ue);
        lock(&self.lanes).owners.remove(&enb_ue);
    }

    fn wanted(&self, imsi: Imsi) -> Option<Arc<Notify>> {
        let mut lanes = lock(&self.lanes);
        let there = lanes.there.entry(imsi).or_default();
        there.users += 1;
        Some(there.wanted.clone())
    }

    fn gone(&self, imsi: Imsi) {
        let mut lanes = lock(&self.lanes);
        if let Some(there) = lanes.there.get_mut(&imsi) {
            there.users = there.users.saturating_sub(1);
            if there.users > 0 {
                return;
            }
        }
        // With its lane the far ends of its port are closed.
        lanes.there.remove(&imsi);
        lanes.by_imsi.remove(&imsi);
    }
}

impl Gtp {
    fn forget(&self, enb_ue: u32, which: impl Fn(Tunnel) -> bool) {
        let lanes = lock(&self.lanes);
        let lane = lanes.owners.get(&enb_ue).and_then(|imsi| lanes.by_imsi.get(imsi));
        if let Some(lane) = lane {
            lane.tunnel.send_if_modified(|tunnel| tunnel.take_if(|tunnel| which(*tunnel)).is_some());
        }
    }
}

/// From the network to the UEs.
async fn deliver(mut received: mpsc::Receiver<ReceivedPacket>, lanes: Arc<Mutex<Lanes>>) {
    while let Some(ReceivedPacket { ran_id, packet, .. }) = received.recv().await {
        if packet.payload.is_empty() {
            // An End Marker or an Error Indication: the tunnel's control plane says what follows.
            continue;
        }
        let lanes = lock(&lanes);
        let lane = lanes.owners.get(&ran_id).and_then(|imsi| lanes.by_imsi.get(imsi));
        if let Some(lane) = lane {
            // A full queue drops, as a radio link does.
            let _ = lane.down.try_send(packet.payload.to_vec());
        }
    }
}

/// From one UE to the network. A packet of an idle UE asks for its bearer and waits for it.
async fn send(
    endpoint: Endpoint,
    mut up: mpsc::Receiver<Packet>,
    mut tunnel: watch::Receiver<Option<Tunnel>>,
    wanted: Arc<Notify>,
) {
    while let Some(packet) = up.recv().await {
        let now = *tunnel.borrow_and_update();
        let there = match now {
            Some(there) => Some(there),
            None => {
                wanted.notify_one();
                let come = tokio::time::timeout(AWAIT_BEARER, tunnel.wait_for(Option::is_some)).await;
                come.ok().and_then(Result::ok).and_then(|there| *there)
            }
        };
        if let Some((enb_ue, erab)) = there
            && let Err(error) = endpoint.send(enb_ue, erab, packet).await
        {
            tracing::debug!(enb_ue, erab, %error, "a user packet was not sent");
        }
    }
}

/// A UE's end of its bearer: IP packets.
#[derive(Debug)]
pub struct Port {
    from_network: mpsc::Receiver<Packet>,
    to_network: PollSender<Packet>,
    capabilities: DeviceCapabilities,
}

impl Stream for Port {
    type Item = io::Result<Packet>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(ready!(self.from_network.poll_recv(cx)).map(Ok))
    }
}

fn gone<T>(_: T) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Sink<Packet> for Port {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_network.poll_reserve(cx).map_err(gone)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Packet) -> io::Result<()> {
        self.to_network.send_item(packet).map_err(gone)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_network.close();
        Poll::Ready(Ok(()))
    }
}

impl AsyncDevice for Port {
    fn capabilities(&self) -> &DeviceCapabilities {
        &self.capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imsi(number: u32) -> Imsi {
        format!("99971{number:010}").parse().unwrap()
    }

    /// What is kept: lanes, UEs that are there, connections.
    fn kept(gtp: &Gtp) -> (usize, usize, usize) {
        let lanes = lock(&gtp.lanes);
        (lanes.by_imsi.len(), lanes.there.len(), lanes.owners.len())
    }

    #[tokio::test]
    async fn nothing_is_kept_of_ues_that_are_gone() {
        let gtp = Gtp::bind([127, 21, 52, 1].into()).await.unwrap();
        let gateway = (IpAddr::from([127, 21, 52, 2]), 7);
        for number in 0..500 {
            assert!(gtp.wanted(imsi(number)).is_some());
            gtp.install(imsi(number), number, 5, gateway);
            let _port = (number % 2 == 0).then(|| gtp.port(imsi(number), 1400));
            gtp.remove_all(number);
        }
        assert_eq!(kept(&gtp), (500, 500, 0));
        for number in 0..500 {
            gtp.gone(imsi(number));
        }
        assert_eq!(kept(&gtp), (0, 0, 0));
        // Once more is no more.
        gtp.gone(imsi(1));
        assert_eq!(kept(&gtp), (0, 0, 0));
    }

    /// A device is switched on again before the old one is dropped: the new one keeps what it has.
    #[tokio::test]
    async fn the_next_ue_of_a_subscriber_outlives_the_last() {
        let gtp = Gtp::bind([127, 21, 52, 3].into()).await.unwrap();
        let before = gtp.wanted(imsi(1)).unwrap();
        let mut port = gtp.port(imsi(1), 1400);
        let after = gtp.wanted(imsi(1)).unwrap();
        gtp.install(imsi(1), 9, 5, (IpAddr::from([127, 21, 52, 4]), 7));
        gtp.gone(imsi(1));
        assert_eq!(kept(&gtp), (1, 1, 1));
        assert!(Arc::ptr_eq(&before, &after));
        gtp.remove_all(9);
        gtp.gone(imsi(1));
        assert_eq!(kept(&gtp), (0, 0, 0));
        // Whoever still holds the port sees its end.
        let end = futures_util::StreamExt::next(&mut port).await;
        assert!(end.is_none());
    }
}
