//! The procedures of S6a/S6d as decisions: a decoded request, what is known of the subscriber and the time
//! go in; facts for the answer and operations for the store come out. No IO, so each is tested without a
//! socket. One file a procedure of TS 29.272 §5.2.
//!
//! What can be refused is refused at AIR: an MME such as Open5GS's leaves a UE hanging whose ULR is
//! refused. Nothing is stored, sent or counted before all of a request is judged.

pub mod admission;
pub mod air;
pub mod clr;
pub mod dsr;
pub mod features;
pub mod idr;
pub mod nor;
pub mod pur;
pub mod refusal;
pub mod rsr;
pub mod subscription;
pub mod ulr;

#[cfg(test)]
mod fixture;

use s6a::codec::{ResultCode, dictionary::base::USER_NAME, dictionary::s6a::VISITED_PLMN_ID};
use schemas::identity::{Imsi, Plmn};

pub use refusal::{Cause, Causes, Refused};

/// The IMSI that User-Name holds (TS 29.272 §7.2: User-Name "shall contain the user IMSI").
///
/// # Errors
/// 5004 with Failed-AVP if it is none.
pub fn imsi(user_name: &str) -> Result<Imsi, Refused> {
    user_name.parse().map_err(|_| {
        Refused::new(ResultCode::INVALID_AVP_VALUE.into(), "User-Name is not an IMSI of 6 to 15 digits")
            .with_failed(&USER_NAME, user_name.as_bytes())
    })
}

/// The PLMN that Visited-PLMN-Id holds (TS 29.272 §7.3.9).
///
/// # Errors
/// 5004 with Failed-AVP if a digit is none.
pub fn visited_plmn(octets: [u8; 3]) -> Result<Plmn, Refused> {
    Plmn::from_octets(octets).map_err(|_| {
        Refused::new(
            ResultCode::INVALID_AVP_VALUE.into(),
            "Visited-PLMN-Id is not coded as TS 24.008 10.5.1.3 says",
        )
        .with_failed(&VISITED_PLMN_ID, &octets)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_name_that_is_no_imsi_gets_5004_with_failed_avp() {
        assert_eq!(imsi("999710000000001").unwrap().to_string(), "999710000000001");
        for wrong in ["", "99971000000000a", "9997100000000012", "999710000000001@realm"] {
            let refused = imsi(wrong).unwrap_err();
            assert_eq!(refused.outcome, ResultCode::INVALID_AVP_VALUE.into());
            // AVP 1, M bit, then the name as it came.
            assert_eq!(refused.failed[..5], [0, 0, 0, 1, 0x40]);
            assert_eq!(&refused.failed[8..8 + wrong.len()], wrong.as_bytes());
            assert_eq!(refused.failed.len() % 4, 0);
        }
    }

    #[test]
    fn visited_plmn_id_with_a_digit_above_9_gets_5004() {
        assert!(visited_plmn([0x99, 0xf9, 0x17]).is_ok());
        let refused = visited_plmn([0xa9, 0xf9, 0x17]).unwrap_err();
        assert_eq!(refused.outcome, ResultCode::INVALID_AVP_VALUE.into());
        assert_eq!(refused.failed[12..15], [0xa9, 0xf9, 0x17]);
    }
}
