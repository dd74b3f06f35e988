//! Notification (TS 29.272 §5.2.5.1): a serving node tells what has changed about a UE.

use s6a::{
    app::{APPLICATION_ID, NotifyAnswer, NotifyRequest},
    base::Outcome,
    codec::Experimental,
};

use super::{Refused, ulr::imei};
use crate::{
    model::{Snapshot, Timestamp},
    store::{Event, Op},
};

/// What a NOR does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// For the store, before the answer: [`Op::Renew`]. If it changes nothing, the UE has moved on meanwhile, and
    /// the answer is [`unknown_serving_node`].
    pub renew: Op,
    /// To be told to those who listen, once that is done.
    pub changed: Option<Event>,
}

impl Notice {
    /// The NOA; Session-Id, origin and Proxy-Info are the caller's to fill in.
    #[must_use]
    pub fn answer(&self) -> NotifyAnswer<'static> {
        NotifyAnswer {
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            ..NotifyAnswer::default()
        }
    }
}

/// Decides about a NOR. It is a sign that the UE is served, so its registration lasts for another
/// lifetime; another IMEI in Terminal-Information is stored and told to those who listen. What it says of
/// PDN gateways and reachability concerns no provisional subscription and is accepted without effect.
///
/// # Errors
/// 5001 for an IMSI that is not known, 5423 if the NOR does not come from the node that serves the UE
/// (TS 29.272 §5.2.5.1.3, §7.4.3.6).
pub fn decide(
    request: &NotifyRequest<'_>,
    subscriber: Option<&Snapshot>,
    now: Timestamp,
) -> Result<Notice, Refused> {
    let Some(subscriber) = subscriber else {
        return Err(Refused::new(Experimental::USER_UNKNOWN.into(), "the IMSI is not known here"));
    };
    let serving = subscriber.registered_with(request.origin_host).next();
    let Some(serving) = serving else { return Err(unknown_serving_node()) };
    let told = request.terminal_information.as_ref().and_then(imei);
    let imei = told.filter(|imei| serving.imei.as_ref() != Some(imei));
    let changed = imei.as_ref().map(|imei| Event {
        kind: "imei-changed".into(),
        imsi: Some(serving.imsi),
        detail: serde_json::json!({ "from": serving.imei, "to": imei }),
    });
    let renew = Op::Renew {
        imsi: serving.imsi,
        kind: serving.kind,
        host: serving.node.host.clone(),
        expires_at: now.plus(subscriber.profile.registration_lifetime),
        imei,
    };
    Ok(Notice { renew, changed })
}

/// What a node is told that does not serve the UE.
#[must_use]
pub fn unknown_serving_node() -> Refused {
    Refused::new(Experimental::UNKNOWN_SERVING_NODE.into(), "the UE is not registered with this node")
}

#[cfg(test)]
mod tests {
    use s6a::app::TerminalInformation;

    use super::*;
    use crate::{
        model::NodeKind,
        procedure::fixture::{NOW, registered, subscriber},
    };

    fn nor(host: &'static str, imei: Option<&'static str>) -> NotifyRequest<'static> {
        NotifyRequest {
            user_name: "999710000000001",
            origin_host: host,
            terminal_information: imei
                .map(|imei| TerminalInformation { imei: Some(imei), ..TerminalInformation::default() }),
            ..NotifyRequest::default()
        }
    }

    #[test]
    fn nor_from_the_serving_node_renews_the_registration() {
        let subscriber = registered(NodeKind::Mme, "mme.example");
        let notice = decide(&nor("mme.example", None), Some(&subscriber), NOW).unwrap();
        let imsi = subscriber.credential.imsi;
        let host = "mme.example".to_owned();
        let expires_at = NOW.plus(86_400);
        let renew = Op::Renew { imsi, kind: NodeKind::Mme, host, expires_at, imei: None };
        assert_eq!(notice, Notice { renew, changed: None });
        assert!(notice.answer().outcome.is_success());
    }

    #[test]
    fn nor_with_another_imei_is_stored_and_told() {
        let subscriber = registered(NodeKind::Mme, "mme.example");
        let same = decide(&nor("mme.example", Some("356938035643803")), Some(&subscriber), NOW).unwrap();
        assert!(matches!(same, Notice { renew: Op::Renew { imei: None, .. }, changed: None }));
        let other = decide(&nor("mme.example", Some("490154203237518")), Some(&subscriber), NOW).unwrap();
        let Notice { renew: Op::Renew { imei, .. }, changed: Some(event) } = other else {
            panic!("{other:?}")
        };
        assert_eq!(imei.as_deref(), Some("490154203237518"));
        assert_eq!(event.kind, "imei-changed");
        assert_eq!(event.detail["from"], "356938035643803");
        assert_eq!(event.detail["to"], "490154203237518");
    }

    #[test]
    fn nor_from_a_node_that_does_not_serve_the_ue_gets_5423() {
        for subscriber in [registered(NodeKind::Mme, "mme.example"), subscriber()] {
            let refused = decide(&nor("other.example", None), Some(&subscriber), NOW).unwrap_err();
            assert_eq!(refused.outcome, Experimental::UNKNOWN_SERVING_NODE.into());
        }
    }

    #[test]
    fn nor_for_unknown_imsi_gets_5001() {
        let refused = decide(&nor("mme.example", None), None, NOW).unwrap_err();
        assert_eq!(refused.outcome, Experimental::USER_UNKNOWN.into());
    }
}
