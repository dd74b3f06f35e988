//! What a device is told when the home network refuses.

use ::s6a::base::Outcome;
use ::s6a::codec::dictionary::VENDOR_3GPP;
use ::s6a::codec::{Experimental, ResultCode};

/// The EMM cause (TS 24.301 annex A) that an MME makes of an S6a result, TS 29.272 annex A.1 as Open5GS's
/// MME has it; `None` for success.
#[must_use]
pub fn emm_cause(outcome: Outcome) -> Option<u8> {
    let cause = match outcome {
        success if success.is_success() => return None,
        Outcome::Experimental { vendor: VENDOR_3GPP, code } => match Experimental(code) {
            // EPS services and non-EPS services not allowed.
            Experimental::USER_UNKNOWN => 8,
            // No suitable cells in tracking area.
            Experimental::UNKNOWN_EPS_SUBSCRIPTION => 15,
            // Roaming not allowed in this tracking area.
            Experimental::RAT_NOT_ALLOWED => 13,
            // PLMN not allowed.
            Experimental::ROAMING_NOT_ALLOWED => 11,
            // Network failure.
            Experimental::AUTHENTICATION_DATA_UNAVAILABLE => 17,
            _ => SEVERE_NETWORK_FAILURE,
        },
        Outcome::Experimental { .. } => SEVERE_NETWORK_FAILURE,
        Outcome::Result(code) => match code {
            ResultCode::AUTHORIZATION_REJECTED
            | ResultCode::UNABLE_TO_DELIVER
            | ResultCode::REALM_NOT_SERVED => 15,
            ResultCode::UNABLE_TO_COMPLY
            | ResultCode::INVALID_AVP_VALUE
            | ResultCode::AVP_UNSUPPORTED
            | ResultCode::MISSING_AVP
            | ResultCode::AVP_OCCURS_TOO_MANY_TIMES => 17,
            _ => SEVERE_NETWORK_FAILURE,
        },
    };
    Some(cause)
}

/// Severe network failure.
const SEVERE_NETWORK_FAILURE: u8 = 42;

/// The name of the EMM causes that occur here (TS 24.301 annex A).
pub(super) fn name(cause: u8) -> &'static str {
    match cause {
        8 => "EPS services and non-EPS services not allowed",
        11 => "PLMN not allowed",
        13 => "roaming not allowed in this tracking area",
        15 => "no suitable cells in tracking area",
        17 => "network failure",
        20 => "MAC failure",
        21 => "synch failure",
        26 => "non-EPS authentication unacceptable",
        42 => "severe network failure",
        _ => "another cause",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_code_and_a_3gpp_code_of_the_same_number_have_their_own_cause() {
        assert_eq!(emm_cause(Outcome::SUCCESS), None);
        assert_eq!(emm_cause(Experimental::USER_UNKNOWN.into()), Some(8));
        assert_eq!(emm_cause(ResultCode::AVP_UNSUPPORTED.into()), Some(17));
        assert_eq!(emm_cause(Experimental::ROAMING_NOT_ALLOWED.into()), Some(11));
        assert_eq!(emm_cause(ResultCode::INVALID_AVP_VALUE.into()), Some(17));
        assert_eq!(emm_cause(Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into()), Some(17));
        assert_eq!(emm_cause(ResultCode::TOO_BUSY.into()), Some(42));
        assert_eq!(emm_cause(Outcome::Experimental { vendor: 1, code: 5001 }), Some(42));
    }
}
