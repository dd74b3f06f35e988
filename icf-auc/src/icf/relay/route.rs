//! Who serves a request: this ICF, the HSS of the ordinary IMSIs, a node that it names, or all of its nodes.

use s6a::{
    app::{
        AuthenticationInformationRequest, CancelLocationRequest, DeleteSubscriberDataRequest,
        InsertSubscriberDataRequest, NotifyRequest, PurgeUeRequest, ResetRequest, UpdateLocationRequest,
    },
    base::Routing,
    codec::ResultCode,
};

use super::{passage::Next, split::Split};

/// What an MME or SGSN asks an HSS (TS 29.272 §5.2, §5.3, §5.5; codes §7.2.2).
const UPWARD: [u32; 4] = [
    AuthenticationInformationRequest::CODE,
    UpdateLocationRequest::CODE,
    PurgeUeRequest::CODE,
    NotifyRequest::CODE,
];

/// What an HSS asks an MME or SGSN (the same clauses).
const DOWNWARD: [u32; 4] = [
    CancelLocationRequest::CODE,
    InsertSubscriberDataRequest::CODE,
    DeleteSubscriberDataRequest::CODE,
    ResetRequest::CODE,
];

/// Octets of the longest name of a node or realm (RFC 1035 §2.3.4): no longer DiameterIdentity (RFC 6733 §4.3.1) is one.
pub const LONGEST_NAME: usize = 255;

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From MME or SGSN to the HSS.
    Up,
    /// From the HSS to MME or SGSN.
    Down,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// As metrics and the log name it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Who serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This ICF.
    Here,
    /// Somebody else.
    On(Direction, Next),
    /// Every node that the HSS may have registered subscribers at, of this realm if one is named.
    EveryNode(Option<String>),
}

/// Who is who.
#[derive(Debug, Clone)]
pub struct Route {
    /// The other HSS's Origin-Host.
    pub hss: String,
    /// Its realm.
    pub realm: String,
    /// Our Origin-Host and Origin-Realm.
    pub origin: (String, String),
    /// Whose IMSIs are whose.
    pub split: Split,
}

fn is(named: Option<&str>, name: &str) -> bool {
    named.is_some_and(|named| named.eq_ignore_ascii_case(name))
}

impl Route {
    /// Whether this is the identity of the other HSS (RFC 6733 §4.3.1: without regard to case).
    #[must_use]
    pub fn is_hss(&self, identity: &str) -> bool {
        identity.eq_ignore_ascii_case(&self.hss)
    }

    /// Who serves a request with these routing AVPs, which has come from the peer `from`. What counts is the peer, not
    /// the request's Origin-Host, which anybody can write.
    ///
    /// # Errors
    /// 3005: the HSS asks for its own subscriber, who would come back to us. 3003: another realm. 3002: another host,
    /// for which this peer may not use us, or one without realm (RFC 6733 §7.1.3).
    pub fn decide(&self, from: &str, command: u32, routing: &Routing<'_>) -> Result<Decision, ResultCode> {
        let (host, realm) = (routing.destination_host, routing.destination_realm);
        let of_hss = self.is_hss(from);
        let our_realm = realm.is_none() || is(realm, &self.origin.1);
        let for_us = is(host, &self.origin.0) || (host.is_none() && our_realm);
        if of_hss && command == ResetRequest::CODE && (for_us || host.is_none()) {
            return Ok(Decision::EveryNode(realm.filter(|_| !for_us).map(str::to_owned)));
        }
        let imsi = routing.user_name.and_then(|name| name.parse().ok()).filter(|_| UPWARD.contains(&command));
        let theirs = imsi.is_some_and(|imsi| self.split.is_theirs(imsi));
        // A node that has had an answer of that HSS names it from then on; or only its realm (TS 29.272 §7.1.6).
        let for_hss = is(host, &self.hss) && realm.is_some();
        let for_its_realm = host.is_none() && is(realm, &self.realm);
        if theirs && (for_us || for_hss || for_its_realm) {
            // Sent on, it would come back to us.
            if of_hss {
                return Err(ResultCode::LOOP_DETECTED);
            }
            let next = Next { host: self.hss.clone(), realm: self.realm.clone(), rewrite: true };
            return Ok(Decision::On(Direction::Up, next));
        }
        // An IMSI that was that HSS's and is ours now: an MME names the host of the last successful answer (TS 29.272
        // §7.1.6), as Open5GS's does since July 2026. Refused, it would fail an attach before it asks without a name.
        let named_before = for_its_realm || (for_hss && !of_hss);
        if for_us || (named_before && imsi.is_some_and(|imsi| self.split.is_shared(imsi))) {
            return Ok(Decision::Here);
        }
        match (host, realm) {
            // Only for the HSS, and only to somebody it names: this is no relay for everybody.
            (Some(host), Some(realm))
                if of_hss
                    && !host.eq_ignore_ascii_case(from)
                    && host.len() <= LONGEST_NAME
                    && DOWNWARD.contains(&command) =>
            {
                let next = Next { host: host.to_owned(), realm: realm.to_owned(), rewrite: false };
                Ok(Decision::On(Direction::Down, next))
            }
            _ if our_realm || for_hss || of_hss => Err(ResultCode::UNABLE_TO_DELIVER),
            _ => Err(ResultCode::REALM_NOT_SERVED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const ICF: &str = "icf.example";
    const HSS: &str = "hss.localdomain";
    const MME: &str = "mme.localdomain";
    const THEIRS: &str = "999700000000001";
    const OURS: &str = "999700000500001";
    const AIR: u32 = 318;
    const CLR: u32 = 317;
    const RSR: u32 = 322;

    fn route() -> Route {
        let split = Split::new(&config::Relay {
            prefixes: vec!["99970".into()],
            ours: vec!["999700000500000-999700000599999".into()],
            ..config::Relay::to(HSS, "localdomain")
        });
        Route {
            hss: HSS.into(),
            realm: "localdomain".into(),
            origin: (ICF.into(), "example".into()),
            split: split.unwrap(),
        }
    }

    fn decide(
        from: &str,
        command: u32,
        to: (Option<&str>, Option<&str>),
        imsi: Option<&str>,
    ) -> Result<Decision, ResultCode> {
        let routing = Routing {
            destination_host: to.0,
            destination_realm: to.1,
            user_name: imsi,
            ..Routing::default()
        };
        route().decide(from, command, &routing)
    }

    fn up() -> Result<Decision, ResultCode> {
        let next = Next { host: HSS.into(), realm: "localdomain".into(), rewrite: true };
        Ok(Decision::On(Direction::Up, next))
    }

    fn down(host: &str, realm: &str) -> Result<Decision, ResultCode> {
        let next = Next { host: host.into(), realm: realm.into(), rewrite: false };
        Ok(Decision::On(Direction::Down, next))
    }

    const US: (Option<&str>, Option<&str>) = (Some(ICF), Some("example"));
    const THE_HSS: (Option<&str>, Option<&str>) = (Some(HSS), Some("localdomain"));
    const ITS_REALM: (Option<&str>, Option<&str>) = (None, Some("localdomain"));

    #[test]
    fn what_is_for_us_goes_up_if_the_imsi_is_theirs_whatever_case_names_are_in() {
        for to in [US, (Some("ICF.Example"), Some("example")), (None, Some("EXAMPLE")), (None, None)] {
            assert_eq!(decide(MME, AIR, to, Some(THEIRS)), up(), "{to:?}");
            assert_eq!(decide(MME, AIR, to, Some(OURS)), Ok(Decision::Here), "{to:?}");
        }
        // What is no request of an MME, and what has no IMSI that can be read, is answered here.
        let long = "9".repeat(5000);
        for imsi in
            [None, Some(""), Some("9997"), Some("99970000000000x"), Some("+999700000000001"), Some(&*long)]
        {
            assert_eq!(decide(MME, AIR, US, imsi), Ok(Decision::Here), "{imsi:?}");
        }
        assert_eq!(decide(MME, CLR, US, Some(THEIRS)), Ok(Decision::Here));
    }

    #[test]
    fn what_names_the_hss_or_its_realm_goes_up_for_their_imsis_alone() {
        for to in [THE_HSS, ITS_REALM] {
            assert_eq!(decide(MME, AIR, to, Some(THEIRS)), up(), "{to:?}");
        }
        assert_eq!(decide(MME, AIR, ITS_REALM, Some(OURS)), Ok(Decision::Here));
        assert_eq!(decide(MME, AIR, ITS_REALM, Some("001010000000001")), Err(ResultCode::REALM_NOT_SERVED));
        assert_eq!(decide(MME, CLR, THE_HSS, Some(THEIRS)), Err(ResultCode::UNABLE_TO_DELIVER));
        // RFC 6733 §7.1.3, 3002: a host without its realm.
        assert_eq!(decide(MME, AIR, (Some(HSS), None), Some(THEIRS)), Err(ResultCode::UNABLE_TO_DELIVER));
    }

    #[test]
    fn an_imsi_that_has_moved_is_served_by_whoever_has_it_now_whichever_host_the_mme_names() {
        let realms = [Some("localdomain"), Some("LOCALDOMAIN"), Some("example"), Some("epc.far")];
        for command in UPWARD {
            for realm in realms {
                // From that HSS to us: the MME names the host that answered last.
                for host in [HSS, "HSS.Localdomain"] {
                    let to = (Some(host), realm);
                    assert_eq!(decide(MME, command, to, Some(OURS)), Ok(Decision::Here), "{to:?}");
                }
                // From us to that HSS.
                let to = (Some(ICF), realm);
                assert_eq!(decide(MME, command, to, Some(THEIRS)), up(), "{to:?}");
                assert_eq!(decide(MME, command, to, Some(OURS)), Ok(Decision::Here), "{to:?}");
            }
        }
        // Not what an MME never asks, nor an IMSI of another network, nor that HSS about itself.
        assert_eq!(decide(MME, CLR, THE_HSS, Some(OURS)), Err(ResultCode::UNABLE_TO_DELIVER));
        let other = Some("001010000000001");
        assert_eq!(decide(MME, AIR, THE_HSS, other), Err(ResultCode::UNABLE_TO_DELIVER));
        assert_eq!(decide(HSS, AIR, THE_HSS, Some(OURS)), Err(ResultCode::UNABLE_TO_DELIVER));
    }

    #[test]
    fn the_hss_that_asks_for_its_own_subscriber_would_get_it_back() {
        for to in [US, ITS_REALM, THE_HSS] {
            assert_eq!(decide(HSS, AIR, to, Some(THEIRS)), Err(ResultCode::LOOP_DETECTED), "{to:?}");
        }
        assert_eq!(decide(HSS, AIR, US, Some(OURS)), Ok(Decision::Here));
    }

    #[test]
    fn only_the_hss_reaches_others_and_only_with_what_an_hss_asks() {
        let mme = (Some(MME), Some("localdomain"));
        for command in [CLR, 319, 320, RSR] {
            assert_eq!(decide(HSS, command, mme, Some(THEIRS)), down(MME, "localdomain"));
            assert_eq!(
                decide("x.localdomain", command, mme, Some(THEIRS)),
                Err(ResultCode::REALM_NOT_SERVED)
            );
        }
        assert_eq!(decide("HSS.localdomain", CLR, mme, None), down(MME, "localdomain"));
        for command in UPWARD {
            assert_eq!(decide(HSS, command, mme, Some(THEIRS)), Err(ResultCode::UNABLE_TO_DELIVER));
        }
        // To itself, and to a host without a realm.
        assert_eq!(decide(HSS, CLR, THE_HSS, Some(THEIRS)), Err(ResultCode::UNABLE_TO_DELIVER));
        assert_eq!(decide(HSS, CLR, (Some(MME), None), Some(THEIRS)), Err(ResultCode::UNABLE_TO_DELIVER));
        let long = "x".repeat(LONGEST_NAME + 1);
        let nobody = (Some(&*long), Some("localdomain"));
        assert_eq!(decide(HSS, CLR, nobody, Some(THEIRS)), Err(ResultCode::UNABLE_TO_DELIVER));
        assert_eq!(
            decide(MME, AIR, (Some("x.far"), Some("far")), Some(THEIRS)),
            Err(ResultCode::REALM_NOT_SERVED)
        );
        assert_eq!(
            decide(MME, AIR, (Some("x.example"), Some("example")), Some(THEIRS)),
            Err(ResultCode::UNABLE_TO_DELIVER)
        );
    }

    #[test]
    fn a_reset_of_the_hss_that_names_no_node_is_for_all_of_them() {
        assert_eq!(decide(HSS, RSR, US, None), Ok(Decision::EveryNode(None)));
        assert_eq!(decide(HSS, RSR, (None, None), None), Ok(Decision::EveryNode(None)));
        assert_eq!(decide(HSS, RSR, ITS_REALM, None), Ok(Decision::EveryNode(Some("localdomain".into()))));
        // Nobody else's is.
        assert_eq!(decide(MME, RSR, US, None), Ok(Decision::Here));
    }
}
