//! Where a UE is and in which state, TS 29.272 §7.3.110 to §7.3.126 and §7.3.156.

use super::csg::UserCsgInformation;
use crate::codec::{dictionary::s6a::*, grammar::group};

group! {
    /// EPS-User-State, TS 29.272 §7.3.110.
    #[derive(Debug)]
    pub struct EpsUserState ::=
        [ mme_user_state: NodeUserState = MME_USER_STATE ]
        [ sgsn_user_state: NodeUserState = SGSN_USER_STATE ]
}

group! {
    /// MME-User-State and SGSN-User-State, TS 29.272 §7.3.112, §7.3.113.
    #[derive(Debug)]
    pub struct NodeUserState ::=
        [ user_state: u32 = USER_STATE ]
}

group! {
    /// EPS-Location-Information, TS 29.272 §7.3.111.
    #[derive(Debug)]
    pub struct EpsLocationInformation<'a> ::=
        [ mme_location_information: MmeLocationInformation<'a> = MME_LOCATION_INFORMATION ]
        [ sgsn_location_information: SgsnLocationInformation<'a> = SGSN_LOCATION_INFORMATION ]
}

group! {
    /// MME-Location-Information, TS 29.272 §7.3.115; its age in minutes.
    #[derive(Debug)]
    pub struct MmeLocationInformation<'a> ::=
        [ e_utran_cell_global_identity: &'a [u8] = E_UTRAN_CELL_GLOBAL_IDENTITY ]
        [ tracking_area_identity: &'a [u8] = TRACKING_AREA_IDENTITY ]
        [ geographical_information: &'a [u8] = GEOGRAPHICAL_INFORMATION ]
        [ geodetic_information: &'a [u8] = GEODETIC_INFORMATION ]
        [ current_location_retrieved: u32 = CURRENT_LOCATION_RETRIEVED ]
        [ age_of_location_information: u32 = AGE_OF_LOCATION_INFORMATION ]
        [ user_csg_information: UserCsgInformation = USER_CSG_INFORMATION ]
        [ enodeb_id: &'a [u8] = ENODEB_ID ]
        [ extended_enodeb_id: &'a [u8] = EXTENDED_ENODEB_ID ]
}

group! {
    /// SGSN-Location-Information, TS 29.272 §7.3.116; its age in minutes.
    #[derive(Debug)]
    pub struct SgsnLocationInformation<'a> ::=
        [ cell_global_identity: &'a [u8] = CELL_GLOBAL_IDENTITY ]
        [ location_area_identity: &'a [u8] = LOCATION_AREA_IDENTITY ]
        [ service_area_identity: &'a [u8] = SERVICE_AREA_IDENTITY ]
        [ routing_area_identity: &'a [u8] = ROUTING_AREA_IDENTITY ]
        [ geographical_information: &'a [u8] = GEOGRAPHICAL_INFORMATION ]
        [ geodetic_information: &'a [u8] = GEODETIC_INFORMATION ]
        [ current_location_retrieved: u32 = CURRENT_LOCATION_RETRIEVED ]
        [ age_of_location_information: u32 = AGE_OF_LOCATION_INFORMATION ]
        [ user_csg_information: UserCsgInformation = USER_CSG_INFORMATION ]
}

group! {
    /// Local-Time-Zone, TS 29.272 §7.3.156: the offset from UTC as text, and the hours of daylight saving time in it.
    #[derive(Debug)]
    pub struct LocalTimeZone<'a> ::=
        { time_zone: &'a str = TIME_ZONE }
        { daylight_saving_time: u32 = DAYLIGHT_SAVING_TIME }
}
