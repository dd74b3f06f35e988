//! Two nodes with each other.

use s6a::base::DisconnectCause;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, Header, ResultCode, Writer};
use s6a::net::{Destination, Down, Node, RequestError};
use s6a::peer::State;

use super::Carrier;
use crate::support::*;

fn encode(command: u32, host: &'static str) -> impl FnOnce(&mut Vec<u8>, u32, u32) {
    move |out, hop_by_hop, end_to_end| {
        let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
        let header = Header { length: 0, flags, command, application: S6A, hop_by_hop, end_to_end };
        let mut w = Writer::new(out, &header);
        w.str(&SESSION_ID, "a;1;2");
        w.str(&ORIGIN_HOST, "whoever.example");
        w.str(&ORIGIN_REALM, "example");
        w.str(&DESTINATION_HOST, host);
        w.finish();
    }
}

#[tokio::test]
async fn requests_go_both_ways_and_shutdown_disconnects_by_dpr() {
    let (server, client) = (App::new(Manner::Now), App::new(Manner::Now));
    let hss = Node::start(Carrier::hss(), server.clone()).await.unwrap();
    let mme = Node::start(mme(&hss.local_endpoints()[0]), client.clone()).await.unwrap();
    up(&server, 1).await;
    up(&client, 1).await;
    assert_eq!(hss.peers()[0].state, State::ROpen);
    assert_eq!(mme.peers()[0].state, State::IOpen);

    let to_hss = Destination { host: Some(HSS), realm: HOME };
    let answer = mme.request(to_hss, encode(AIR, HSS)).await.unwrap();
    assert_eq!(answer.message().find(&RESULT_CODE).unwrap().u32().unwrap(), ResultCode::SUCCESS.0);
    let to_mme = Destination { host: Some(MME), realm: VISITED };
    hss.request(to_mme, encode(CLR, MME)).await.unwrap();
    assert_eq!((server.executed(), client.executed()), (1, 1));
    let nobody = Destination { host: Some("x.example"), realm: "nowhere.example" };
    assert_eq!(mme.request(nobody, encode(AIR, HSS)).await.unwrap_err(), RequestError::NoPeer);

    hss.shutdown(DisconnectCause::Rebooting).await;
    until("down", || !client.downs.lock().unwrap().is_empty()).await;
    assert_eq!(client.downs.lock().unwrap()[0], Down::Disconnected(DisconnectCause::Rebooting));
    assert_eq!(server.downs.lock().unwrap()[0], Down::Stopped(DisconnectCause::Rebooting));
}
