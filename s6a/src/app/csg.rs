//! Closed subscriber groups, TS 29.272 §7.3.78. (VPLMN-CSG-Subscription-Data, §7.3.155, is of S7a alone.)

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
    /// User-CSG-Information, TS 32.299 §7.2.240A: the CSG cell where the UE is.
    #[derive(Debug)]
    pub struct UserCsgInformation ::=
        { csg_id: u32 = CSG_ID }
        { csg_access_mode: u32 = CSG_ACCESS_MODE }
        [ csg_membership_indication: u32 = CSG_MEMBERSHIP_INDICATION ]
}
