//! Closed subscriber groups, TS 29.272 §7.3.78 and §7.3.155.

use crate::codec::{
    dictionary::{base::*, s6a::*},
    grammar::group,
};

group! {
    /// CSG-Subscription-Data, TS 29.272 §7.3.78; the date in seconds since 1900.
    #[derive(Debug)]
    pub struct CsgSubscriptionData<'a> ::=
        { csg_id: u32 = CSG_ID }
        [ expiration_date: u32 = EXPIRATION_DATE ]
        *[ service_selection: &'a str = SERVICE_SELECTION ]
        [ visited_plmn_id: [u8; 3] = VISITED_PLMN_ID ]
}

group! {
    /// VPLMN-CSG-Subscription-Data, TS 29.272 §7.3.155.
    #[derive(Debug)]
    pub struct VplmnCsgSubscriptionData ::=
        { csg_id: u32 = CSG_ID }
        [ expiration_date: u32 = EXPIRATION_DATE ]
}
