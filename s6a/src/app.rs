//! The commands of S6a/S6d, TS 29.272 §7.2, one file a procedure of §5.2.

pub mod ambr;
pub mod authentication;
pub mod cancel;
pub mod command;
pub mod csg;
pub mod features;
pub mod gprs;
pub mod groups;
pub mod lcs;
pub mod location;
pub mod monitoring;
pub mod notify;
pub mod place;
pub mod power;
pub mod purge;
pub mod reset;
pub mod subscriber_data;
pub mod subscription;
pub mod trace;
pub mod v2x;
pub mod values;
pub mod vectors;

pub use ambr::Ambr;
pub use authentication::{AuthenticationInformationAnswer, AuthenticationInformationRequest};
pub use cancel::{CancelLocationAnswer, CancelLocationRequest};
pub use command::{Answer, Request};
pub use features::{FeatureList1, FeatureList2};
pub use groups::TerminalInformation;
pub use groups::{ActiveApn, EquivalentPlmnList, Load, OcOlr, OcSupportedFeatures, SupportedFeatures};
pub use location::{UpdateLocationAnswer, UpdateLocationRequest};
pub use notify::{NotifyAnswer, NotifyRequest};
pub use purge::{PurgeUeAnswer, PurgeUeRequest};
pub use reset::{ResetAnswer, ResetRequest};
pub use subscriber_data::{DeleteSubscriberDataAnswer, DeleteSubscriberDataRequest};
pub use subscriber_data::{InsertSubscriberDataAnswer, InsertSubscriberDataRequest};
pub use subscription::{
    AllocationRetentionPriority, ApnConfiguration, ApnConfigurationProfile, EpsSubscribedQosProfile,
    SubscriptionData,
};
pub use values::*;
pub use vectors::{AuthenticationInfo, EutranVector, GeranVector, RequestedVectors, UtranVector};

use crate::{base::VendorSpecificApplicationId, codec::dictionary::VENDOR_3GPP};

/// Application id of S6a/S6d, TS 29.272 §7.1.8.
pub const S6A: u32 = 16_777_251;

/// The Vendor-Specific-Application-Id of S6a, TS 29.272 §7.1.8.
pub const APPLICATION_ID: VendorSpecificApplicationId = VendorSpecificApplicationId {
    vendor_id: VENDOR_3GPP,
    auth_application_id: Some(S6A),
    acct_application_id: None,
};
