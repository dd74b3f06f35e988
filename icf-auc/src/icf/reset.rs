//! RSR to every open peer (TS 29.272 §5.2.4.1): asked for by a person, after registrations were lost.

use futures_util::future::join_all;
use s6a::{
    app::{Answer, ResetRequest},
    net::{Destination, Node, PeerStatus},
};
use schemas::rest::ResetResult;

use crate::{model::Timestamp, procedure::rsr};

/// Sends the RSRs at once and waits for the answers; whoever does not answer in time is told of, too.
pub async fn reset(node: &Node, (host, realm): &(String, String), user_ids: &[String]) -> Vec<ResetResult> {
    let ids: Vec<&str> = user_ids.iter().map(String::as_str).collect();
    let open = node.peers().into_iter().filter(|peer| peer.state.is_open());
    join_all(open.map(|peer| {
        let request = ResetRequest { origin_host: host, origin_realm: realm, ..rsr::request(&ids) };
        async move {
            let outcome = ask(node, &peer, &request).await.unwrap_or_else(|why| why);
            tracing::info!(peer = peer.identity, outcome, "reset");
            ResetResult { peer: peer.identity, outcome }
        }
    }))
    .await
}

async fn ask(node: &Node, peer: &PeerStatus, request: &ResetRequest<'_>) -> Result<String, String> {
    let realm = peer.realm.as_deref().unwrap_or_default();
    let session_id = format!("{};{};reset;{}", request.origin_host, Timestamp::now().0, peer.identity);
    let request = ResetRequest {
        session_id: &session_id,
        destination_host: &peer.identity,
        destination_realm: realm,
        ..*request
    };
    let to = Destination { host: Some(&peer.identity), realm };
    let answer = node.request(to, |out, hbh, ete| request.encode(out, hbh, ete)).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let read = Answer::decode(&answer.message()).map_err(|error| error.to_string())?;
    Ok(read.outcome().to_string())
}
