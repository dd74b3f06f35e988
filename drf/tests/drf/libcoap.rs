//! libcoap (Debian's libcoap3-bin) as the judge: its client reads our server, its server takes our trigger.

use std::{net::SocketAddr, process::Stdio, sync::Arc};

use async_trait::async_trait;
use drf::coap::{
    endpoint::{Endpoint, Lookup, Resources},
    message::Code,
};
use schemas::identity::Pcid;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::harness::{PCID, World, quick};

/// What `coap-client` says, standard output and error.
async fn client(arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new("coap-client-notls").args(arguments).kill_on_drop(true).output().await;
    let output = output.expect("coap-client-notls: apt-get install libcoap3-bin");
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn coap_client_discovers_and_reads_the_rnct_and_is_refused_as_the_rfc_says() {
    let world = World::with(9, "revoke").await;
    let at = format!("coap://{}", world.coap());
    let (links, _) = client(&[&format!("{at}/.well-known/core")]).await;
    assert_eq!(String::from_utf8_lossy(&links).trim_end(), "</rnct>;rt=\"callhome.rnct\";ct=18");
    let rnct = format!("{at}/rnct?pcid={PCID}");
    assert!(client(&[&rnct]).await.1.contains("4.03"));
    world.contract(PCID, "sho-a").await;
    world.notice(uuid::Uuid::new_v4(), "127.0.0.1").await.unwrap();
    let file = world.folder.path().join("rnct.cose");
    for blocks in [&[][..], &["-b", "64"]] {
        let mut arguments = vec!["-o", file.to_str().unwrap(), "-A", "18"];
        arguments.extend(blocks);
        arguments.push(&rnct);
        let (_, said) = client(&arguments).await;
        let octets = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(world.open(&octets).operator.as_str(), "sho-a");
        std::fs::remove_file(&file).unwrap();
    }
    for (arguments, code) in [
        (vec!["-m", "put", "-e", "x", rnct.as_str()], "4.05"),
        (vec!["-m", "delete", rnct.as_str()], "4.05"),
        (vec!["-A", "0", rnct.as_str()], "4.06"),
        (vec!["-O", "65001,x", rnct.as_str()], "4.02"),
        (vec![&at], "4.04"),
    ] {
        let said = client(&arguments).await.1;
        assert!(said.contains(code), "{arguments:?}: {said}");
    }
}

struct Nothing;

#[async_trait]
impl Resources for Nothing {
    async fn rnct(&self, _: Pcid, _: std::net::IpAddr) -> Lookup {
        Lookup::None
    }
}

#[tokio::test]
async fn coap_server_takes_a_trigger_in_one_message_and_in_blocks() {
    // A port that is free, for a program that cannot say which it took.
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let port = server.port().to_string();
    // -d: resources are made by PUT; example_data is there from the beginning.
    let mut child = Command::new("coap-server-notls")
        .args(["-A", "127.0.0.1", "-p", &port, "-d", "10"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("coap-server-notls: apt-get install libcoap3-bin");
    let stop = CancellationToken::new();
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), quick(), Arc::new(Nothing)).await.unwrap();
    let endpoint = Arc::new(endpoint);
    tokio::spawn(endpoint.clone().run(stop.clone()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("read");
    let file = file.to_str().unwrap();
    let body: Vec<u8> = (0..2500_u32).map(|n| n as u8).collect();
    for length in [20, 1024, 1025, 2500] {
        // Until it listens; what a retransmission is for.
        let response = loop {
            match endpoint.request(Code::of(0, 3), server, "example_data", 18, &body[..length]).await {
                Ok(response) => break response,
                Err(error) => assert!(child.try_wait().unwrap().is_none(), "{error}: it has ended"),
            }
        };
        // 2.01 the first time, 2.04 then.
        assert!([Code::of(2, 1), Code::CHANGED].contains(&response.code), "{length}: {}", response.code);
        let (read, said) = client(&["-o", file, &format!("coap://{server}/example_data")]).await;
        let stored = std::fs::read(file).unwrap_or_else(|error| panic!("{error}: {read:02x?} {said}"));
        assert_eq!(stored, body[..length], "what it has is what was sent");
    }
    stop.cancel();
    child.kill().await.unwrap();
}
