//! Reset (TS 29.272 §5.2.4.1): after the HSS has lost registrations, as by a restored backup, serving nodes
//! are asked to send ULR again for the UEs that they have. A restart alone needs none: registrations are
//! durable.

use s6a::app::{APPLICATION_ID, ResetRequest};

/// The RSR for subscribers whose IMSIs begin with one of `user_ids`, leading digits (TS 29.272 §7.3.50); for
/// all of this HSS if there is none. Session-Id, origin and destination are the caller's to fill in.
#[must_use]
pub fn request<'a>(user_ids: &'a [&'a str]) -> ResetRequest<'a> {
    ResetRequest {
        vendor_specific_application_id: Some(APPLICATION_ID),
        user_id: user_ids.into(),
        ..ResetRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsr_names_leading_digits() {
        let request = request(&["99971", "99972"]);
        assert_eq!(request.user_id.iter().collect::<Vec<_>>(), ["99971", "99972"]);
    }
}
