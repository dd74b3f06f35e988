//! Insert subscriber data (TS 29.272 §5.2.2.1): a serving node is told of a changed profile.

use s6a::app::{APPLICATION_ID, IdrFlags, InsertSubscriberDataRequest};

use super::{features::NodeFeatures, subscription};
use crate::model::Snapshot;

/// Gives `then` the IDR that brings a serving node up to date: the whole Subscription-Data, with all APNs, so
/// that those no longer in the profile go (TS 29.272 §5.2.2.1.2), as far as the node has told that it knows it. Session-Id,
/// origin, destination and User-Name are the caller's to fill in.
pub fn with_request<R>(
    subscriber: &Snapshot,
    host: &str,
    then: impl FnOnce(&InsertSubscriberDataRequest<'_>) -> R,
) -> R {
    let report = subscriber.registered_with(host).next().map(|registration| &registration.report);
    let features = NodeFeatures(report.and_then(|report| report.features));
    let for_sms = report.is_some_and(|report| report.sms_number.is_some());
    // Bit 6 of IDR-Flags (§7.3.103): what the MME was registered for is subscribed no more.
    let idr_flags =
        Some(IdrFlags::REMOVE_SMS_REGISTRATION).filter(|_| for_sms && subscriber.profile.sms.is_none());
    let recipient = subscription::Recipient { features, update: true };
    subscription::with_data(subscriber, subscriber.credential.address, recipient, |subscription_data| {
        then(&InsertSubscriberDataRequest {
            vendor_specific_application_id: Some(APPLICATION_ID),
            subscription_data,
            idr_flags,
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
        with_request(&subscriber(), "mme.example", |request| {
            let apns = request.subscription_data.apn_configuration_profile.unwrap();
            assert_eq!(apns.all_apn_configurations_included, AllApnConfigurationsIncluded::All);
            assert_eq!(apns.apn_configuration.len(), 1);
            assert_eq!(request.vendor_specific_application_id, Some(APPLICATION_ID));
            assert_eq!(request.idr_flags, None);
        });
    }
}
