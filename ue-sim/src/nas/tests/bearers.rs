//! Bearers that the network wants, and what no host can have.

use super::*;

/// The request for the default bearer of the recorded ATTACH ACCEPT, with some of its octets replaced.
fn default_bearer(from: &str, to: &str) -> oxirush_nas::nas_eps::NasActivateDefaultEpsBearerContextRequest {
    use oxirush_nas::nas_eps::{NasEmmMessage, NasEpsMessage, NasEsmMessage};
    assert!(ATTACH_ACCEPT.contains(from));
    // Without its protection, which EEA0 has not ciphered: 6 octets.
    let plain = hex::decode(&ATTACH_ACCEPT.replace(from, to)[12..]).unwrap();
    let NasEpsMessage::Emm(_, NasEmmMessage::AttachAccept(accept)) = NasEpsMessage::decode(&plain).unwrap()
    else {
        panic!("it is an ATTACH ACCEPT")
    };
    match NasEpsMessage::decode(&accept.esm_message_container.value).unwrap() {
        NasEpsMessage::Esm(_, NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request)) => *request,
        other => panic!("{other}"),
    }
}

/// An IP stack cannot be given such an address, nor work on such a link: a network that says so would end the process.
#[test]
fn what_no_host_can_have_is_not_taken_from_the_network() {
    for address in ["00000000", "7f000001", "e0000001", "ffffffff"] {
        let bearer = Bearer::activated(5, &default_bearer("0a2d8001", address));
        assert_eq!(bearer.address, None, "{address}");
    }
    // RFC 791 §3.2: 68 octets go over every link.
    for (mtu, taken) in [("0000", None), ("0027", None), ("0043", None), ("0044", Some(68))] {
        let bearer = Bearer::activated(5, &default_bearer("0010020578", &format!("001002{mtu}")));
        assert_eq!((bearer.address, bearer.mtu), (Some([10, 45, 128, 1].into()), taken), "{mtu}");
    }
}

/// An ESM message whose protection is verified.
fn esm(ue: &mut Ue, message: &str) -> Vec<Output> {
    let header = oxirush_nas::nas_eps::NasEpsSecurityHeaderType::IntegrityProtectedAndCiphered;
    ue.esm(&hex::decode(message).unwrap(), header).unwrap();
    ue.flush()
}

/// §6.4.2.4, §6.4.3.4: a dedicated bearer belongs to a default one, and takes the place of none.
#[test]
fn a_dedicated_bearer_never_replaces_a_default_one() {
    // ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST of bearer, linked to: QCI 1, a TFT of one filter, UDP.
    let request = |ebi: &str, linked: &str| format!("{ebi}200c50{linked}010106213100023011");
    let refused = |ue: &mut Ue, message: &str| {
        let before: Vec<_> = ue.bearers().cloned().collect();
        let outputs = esm(ue, message);
        let text = format!("{outputs:?}");
        assert_eq!(sent(&outputs).len(), 1);
        assert!(text.contains("BearerContextReject") && text.contains("#43"), "{text}");
        assert!(ue.bearers().eq(before.iter()));
    };
    let mut ue = attached();
    for (ebi, linked) in [("5", "5"), ("4", "5"), ("0", "5"), ("6", "9")] {
        refused(&mut ue, &request(ebi, linked));
    }
    assert_eq!(sent(&esm(&mut ue, &request("6", "5"))).len(), 1);
    assert_eq!(
        ue.bearers().map(|bearer| (bearer.ebi, bearer.linked)).collect::<Vec<_>>(),
        [(5, None), (6, Some(5))]
    );
    // Nor is a dedicated one a default one.
    refused(&mut ue, &request("7", "6"));
    // MODIFY EPS BEARER CONTEXT REQUEST of a bearer that there is not.
    refused(&mut ue, "9200c9");
}

#[test]
fn bearers_come_to_a_registered_ue_alone() {
    let mut ue = attached();
    ue.left(false, false, None);
    ue.flush();
    let outputs = esm(&mut ue, "5201c101090908696e7465726e657405010a2d8001");
    assert!(sent(&outputs).is_empty() && ue.bearers().count() == 0, "{outputs:?}");
}
