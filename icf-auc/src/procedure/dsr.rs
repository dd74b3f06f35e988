//! Delete subscriber data (TS 29.272 §5.2.2.2): what an IDR cannot take away.

use s6a::app::{APPLICATION_ID, DeleteSubscriberDataRequest, DsrFlags};

use crate::model::Profile;

/// What is withdrawn when `new` takes the place of `old` and an IDR has told the rest: an IDR replaces values
/// and all APNs, but leaves a timer that it does not mention. None if there is nothing to withdraw.
#[must_use]
pub fn withdrawn(old: &Profile, new: &Profile) -> Option<DsrFlags> {
    if old.periodic_tau.is_some() && new.periodic_tau.is_none() {
        return Some(DsrFlags::SUBSCRIBED_PERIODIC_RAU_TAU_TIMER);
    }
    None
}

/// The DSR with these flags; Session-Id, origin, destination and User-Name are the caller's to fill in.
#[must_use]
pub fn request(dsr_flags: DsrFlags) -> DeleteSubscriberDataRequest<'static> {
    DeleteSubscriberDataRequest {
        vendor_specific_application_id: Some(APPLICATION_ID),
        dsr_flags,
        ..DeleteSubscriberDataRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::fixture::subscriber_with;

    #[test]
    fn a_timer_that_the_profile_lost_is_withdrawn() {
        let with = |timer| (*subscriber_with(|_, profile| profile.periodic_tau = timer).profile).clone();
        let flags = withdrawn(&with(Some(60)), &with(None)).unwrap();
        // Bit 14 of DSR-Flags (TS 29.272 §7.3.25).
        assert_eq!(request(flags).dsr_flags.0, 1 << 14);
        for (old, new) in [(None, None), (None, Some(60)), (Some(60), Some(120))] {
            assert_eq!(withdrawn(&with(old), &with(new)), None);
        }
    }
}
