//! EMM and ESM causes in words: their names (TS 24.301 annexes A and B), and what a device makes of them.

use oxirush_nas::nas_eps::{EmmCause, EsmCause};

/// What an EMM cause in a reject does to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// The USIM counts as invalid until it is taken out or the device is switched off: no network is tried any more.
    /// For a device in the field this is for good.
    UsimInvalid,
    /// This network is not tried again: it goes on a list of forbidden PLMNs.
    NetworkForbidden,
    /// This tracking area is not tried again; another cell may do.
    AreaForbidden,
    /// The device has to attach anew, and may at once.
    AttachAnew,
    /// The device waits for the back-off timer that the network gave, T3346.
    WaitAsTold,
    /// The device tries again: T3411 (10 s), and after five attempts T3402 (12 minutes).
    TryAgain,
}

impl Consequence {
    /// A sentence for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UsimInvalid => "the USIM counts as invalid until the device is switched off",
            Self::NetworkForbidden => "the device does not try this network again",
            Self::AreaForbidden => "the device does not try this tracking area again",
            Self::AttachAnew => "the device attaches anew",
            Self::WaitAsTold => "the device waits as long as the network says",
            Self::TryAgain => "the device tries again after 10 s, from the fifth time on after 12 minutes",
        }
    }
}

/// What a device makes of an EMM cause in ATTACH REJECT, TRACKING AREA UPDATE REJECT or SERVICE REJECT
/// (TS 24.301 §5.5.1.2.5, §5.5.3.2.5, §5.6.1.5; what is not named there is an abnormal case, §5.5.1.2.6 d).
#[must_use]
pub fn consequence(cause: u8) -> Consequence {
    match cause {
        // Illegal UE, illegal ME, EPS services (and non-EPS services) not allowed.
        3 | 6 | 7 | 8 => Consequence::UsimInvalid,
        // PLMN not allowed; requested service option not authorized; EPS services not allowed in this PLMN.
        11 | 14 | 35 => Consequence::NetworkForbidden,
        // Tracking area not allowed, roaming not allowed in this tracking area, no suitable cells in tracking area.
        12 | 13 | 15 => Consequence::AreaForbidden,
        // UE identity cannot be derived by the network, implicitly detached, no EPS bearer context activated.
        9 | 10 | 40 => Consequence::AttachAnew,
        // Congestion.
        22 => Consequence::WaitAsTold,
        _ => Consequence::TryAgain,
    }
}

/// The name of an EMM cause, TS 24.301 annex A. What the table has not, a UE takes for #111 (§9.9.3.9).
#[must_use]
pub fn emm(cause: u8) -> &'static str {
    EmmCause::from_u8(cause).unwrap_or(EmmCause::ProtocolErrorUnspecified).description()
}

/// The name of an ESM cause, TS 24.301 annex B. What the table has not, a UE takes for #34 (§9.9.4.4).
#[must_use]
pub fn esm(cause: u8) -> &'static str {
    EsmCause::from_u8(cause).unwrap_or(EsmCause::ServiceOptionTemporarilyOutOfOrder).description()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_emm_cause_has_a_name_and_a_consequence() {
        for cause in 0..=u8::MAX {
            assert!(!emm(cause).is_empty() && !esm(cause).is_empty());
            assert!(!consequence(cause).words().is_empty());
        }
        assert_eq!(consequence(8), Consequence::UsimInvalid);
        assert_eq!(consequence(17), Consequence::TryAgain);
        assert_eq!(consequence(22), Consequence::WaitAsTold);
    }
}
