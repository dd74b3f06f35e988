//! Purge UE (TS 29.272 §5.2.1.3): a serving node has deleted a UE that was silent for long.

use s6a::{
    app::{APPLICATION_ID, PuaFlags, PurFlags, PurgeUeAnswer, PurgeUeRequest},
    base::Outcome,
    codec::Experimental,
};

use super::Refused;
use crate::{
    model::{NodeKind, Snapshot},
    store::Op,
};

/// What a PUR is answered with, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// PUA-Flags: which temporary identities the node keeps from being given to others.
    pub flags: PuaFlags,
    /// For the store, before the answer; none where the PUR changes nothing.
    pub op: Option<Op>,
}

impl Purge {
    /// The PUA; Session-Id, origin and Proxy-Info are the caller's to fill in.
    #[must_use]
    pub fn answer(&self) -> PurgeUeAnswer<'static> {
        PurgeUeAnswer {
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            pua_flags: Some(self.flags),
            ..PurgeUeAnswer::default()
        }
    }
}

/// Decides about a PUR. It takes effect only if it comes from the node that the subscriber is registered with;
/// from another it is answered with success, no temporary identity frozen, and nothing changes: the UE has
/// moved on, and the old node is right to forget it (TS 29.272 §5.2.1.3.3). 5423 is for NOR alone
/// (§7.4.3.6).
///
/// # Errors
/// 5001 for an IMSI that is not known (§5.2.1.3.3). It reaches no UE, so it is not the operator's to change.
pub fn decide(request: &PurgeUeRequest<'_>, subscriber: Option<&Snapshot>) -> Result<Purge, Refused> {
    let Some(subscriber) = subscriber else {
        return Err(Refused::new(Experimental::USER_UNKNOWN.into(), "the IMSI is not known here"));
    };
    let mut purge = Purge { flags: PuaFlags::default(), op: None };
    for registration in subscriber.registered_with(request.origin_host) {
        // A combined MME/SGSN says in which of its parts the UE was purged (§7.3.149).
        let (part, flag) = match registration.kind {
            NodeKind::Mme => (PurFlags::PURGED_IN_MME, PuaFlags::FREEZE_M_TMSI),
            NodeKind::Sgsn => (PurFlags::PURGED_IN_SGSN, PuaFlags::FREEZE_P_TMSI),
        };
        if request.pur_flags.is_none_or(|purged| purged.has(part)) {
            purge.flags.0 |= flag.0;
            purge.op = Some(Op::Purge { imsi: registration.imsi, host: registration.node.host.clone() });
        }
    }
    Ok(purge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::fixture::{registered, subscriber};

    fn pur(host: &'static str, flags: Option<PurFlags>) -> PurgeUeRequest<'static> {
        PurgeUeRequest {
            user_name: "999710000000001",
            origin_host: host,
            pur_flags: flags,
            ..PurgeUeRequest::default()
        }
    }

    #[test]
    fn pur_from_the_serving_mme_purges_and_freezes_the_m_tmsi() {
        let subscriber = registered(NodeKind::Mme, "mme.example");
        // DiameterIdentities compare without regard to case (RFC 6733 §4.3.1).
        for host in ["mme.example", "MME.Example"] {
            let purge = decide(&pur(host, None), Some(&subscriber)).unwrap();
            assert_eq!(purge.flags, PuaFlags::FREEZE_M_TMSI);
            let imsi = subscriber.credential.imsi;
            assert_eq!(purge.op, Some(Op::Purge { imsi, host: "mme.example".into() }));
            assert_eq!(purge.answer().pua_flags, Some(PuaFlags::FREEZE_M_TMSI));
        }
    }

    #[test]
    fn pur_from_the_serving_sgsn_freezes_the_p_tmsi() {
        let purge = decide(&pur("sgsn.example", None), Some(&registered(NodeKind::Sgsn, "sgsn.example")));
        assert_eq!(purge.unwrap().flags, PuaFlags::FREEZE_P_TMSI);
    }

    #[test]
    fn pyhss_pur_from_any_mme_clears_the_registration() {
        let subscriber = registered(NodeKind::Mme, "mme.example");
        let purge = decide(&pur("other.example", None), Some(&subscriber)).unwrap();
        assert_eq!(purge, Purge { flags: PuaFlags::default(), op: None });
        assert!(purge.answer().outcome.is_success());
    }

    #[test]
    fn pur_for_a_ue_that_is_not_registered_changes_nothing() {
        let purge = decide(&pur("mme.example", None), Some(&subscriber())).unwrap();
        assert_eq!(purge.op, None);
    }

    #[test]
    fn pur_of_a_combined_node_counts_for_the_part_that_it_names() {
        let subscriber = registered(NodeKind::Mme, "node.example");
        let purge = |flags| decide(&pur("node.example", Some(flags)), Some(&subscriber)).unwrap();
        assert_eq!(purge(PurFlags::PURGED_IN_SGSN).op, None);
        assert!(purge(PurFlags::PURGED_IN_MME).op.is_some());
        assert!(purge(PurFlags::PURGED_IN_MME.with(PurFlags::PURGED_IN_SGSN)).op.is_some());
    }

    #[test]
    fn pur_for_unknown_imsi_gets_5001() {
        let refused = decide(&pur("mme.example", None), None).unwrap_err();
        assert_eq!(refused.outcome, Experimental::USER_UNKNOWN.into());
    }
}
