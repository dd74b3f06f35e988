//! Insert subscriber data (TS 29.272 §5.2.2.1): a serving node is told of a changed profile.

use s6a::app::{APPLICATION_ID, InsertSubscriberDataRequest};

use super::subscription;
use crate::model::Snapshot;

/// Gives `then` the IDR that brings a serving node up to date: the whole Subscription-Data, with all APNs, so
/// that those no longer in the profile go (TS 29.272 §5.2.2.1.2). Session-Id, origin, destination and
/// User-Name are the caller's to fill in.
pub fn with_request<R>(subscriber: &Snapshot, then: impl FnOnce(&InsertSubscriberDataRequest<'_>) -> R) -> R {
    subscription::with_data(subscriber, subscriber.credential.address, |subscription_data| {
        then(&InsertSubscriberDataRequest {
            vendor_specific_application_id: Some(APPLICATION_ID),
            subscription_data,
            ..InsertSubscriberDataRequest::default()
        })
    })
}

#[cfg(test)]
mod tests {
    use s6a::app::AllApnConfigurationsIncluded;

    use super::*;
    use crate::procedure::fixture::subscriber;

    #[test]
    fn idr_carries_all_apns_so_that_the_node_forgets_the_others() {
        with_request(&subscriber(), |request| {
            let apns = request.subscription_data.apn_configuration_profile.unwrap();
            assert_eq!(apns.all_apn_configurations_included, AllApnConfigurationsIncluded::All);
            assert_eq!(apns.apn_configuration.len(), 1);
            assert_eq!(request.vendor_specific_application_id, Some(APPLICATION_ID));
        });
    }
}
