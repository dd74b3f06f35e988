//! Location services and circuit-switched supplementary services, TS 29.272 §7.3.84 to §7.3.101.

use crate::codec::{dictionary::s6a::*, grammar::group};

group! {
    /// LCS-Info, TS 29.272 §7.3.84.
    #[derive(Debug)]
    pub struct LcsInfo<'a> ::=
        *[ gmlc_number: &'a [u8] = GMLC_NUMBER ]
        *[ lcs_privacy_exception: LcsPrivacyException<'a> = LCS_PRIVACY_EXCEPTION ]
        *[ mo_lr: MoLr<'a> = MO_LR ]
}

group! {
    /// LCS-PrivacyException, TS 29.272 §7.3.86.
    #[derive(Debug)]
    pub struct LcsPrivacyException<'a> ::=
        { ss_code: &'a [u8] = SS_CODE }
        { ss_status: &'a [u8] = SS_STATUS }
        [ notification_to_ue_user: u32 = NOTIFICATION_TO_UE_USER ]
        *[ external_client: ExternalClient<'a> = EXTERNAL_CLIENT ]
        *[ plmn_client: u32 = PLMN_CLIENT ]
        *[ service_type: ServiceType = SERVICE_TYPE ]
}

group! {
    /// External-Client, TS 29.272 §7.3.90.
    #[derive(Debug)]
    pub struct ExternalClient<'a> ::=
        { client_identity: &'a [u8] = CLIENT_IDENTITY }
        [ gmlc_restriction: u32 = GMLC_RESTRICTION ]
        [ notification_to_ue_user: u32 = NOTIFICATION_TO_UE_USER ]
}

group! {
    /// Service-Type, TS 29.272 §7.3.94.
    #[derive(Debug)]
    pub struct ServiceType ::=
        { service_type_identity: u32 = SERVICE_TYPE_IDENTITY }
        [ gmlc_restriction: u32 = GMLC_RESTRICTION ]
        [ notification_to_ue_user: u32 = NOTIFICATION_TO_UE_USER ]
}

group! {
    /// MO-LR, TS 29.272 §7.3.96.
    #[derive(Debug)]
    pub struct MoLr<'a> ::=
        { ss_code: &'a [u8] = SS_CODE }
        { ss_status: &'a [u8] = SS_STATUS }
}

group! {
    /// Teleservice-List, TS 29.272 §7.3.99.
    #[derive(Debug)]
    pub struct TeleserviceList<'a> ::=
        1*{ ts_code: &'a [u8] = TS_CODE }
}

group! {
    /// Call-Barring-Info, TS 29.272 §7.3.101.
    #[derive(Debug)]
    pub struct CallBarringInfo<'a> ::=
        { ss_code: &'a [u8] = SS_CODE }
        { ss_status: &'a [u8] = SS_STATUS }
}
