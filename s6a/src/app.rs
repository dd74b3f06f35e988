//! The commands of S6a/S6d, TS 29.272 §7.2.

use crate::{base::VendorSpecificApplicationId, codec::dictionary::VENDOR_3GPP};

/// Application id of S6a/S6d, TS 29.272 §7.1.8.
pub const S6A: u32 = 16_777_251;

/// The Vendor-Specific-Application-Id of S6a, TS 29.272 §7.1.8.
pub const APPLICATION_ID: VendorSpecificApplicationId = VendorSpecificApplicationId {
    vendor_id: VENDOR_3GPP,
    auth_application_id: Some(S6A),
    acct_application_id: None,
};

/// Command code of ULR and ULA, TS 29.272 §7.2.3.
pub const UPDATE_LOCATION: u32 = 316;
