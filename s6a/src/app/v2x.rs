//! V2X and ProSe services over PC5, TS 29.272 §7.3.180, §7.3.212 to §7.3.217, and for NR from release 16 on.

use crate::codec::{
    dictionary::s6a::*,
    grammar::{group, named},
};

named! {
    /// V2X-Permission, TS 29.272 §7.3.213: over PC5 in the serving PLMN.
    pub struct V2xPermission bits {
        /// As a vehicle UE.
        VEHICLE = 0,
        /// As a pedestrian UE.
        PEDESTRIAN = 1,
    }
}

group! {
    /// V2X-Subscription-Data, TS 29.272 §7.3.212, for LTE PC5; the AMBR in bits per second.
    #[derive(Debug)]
    pub struct V2xSubscriptionData ::=
        [ v2x_permission: V2xPermission = V2X_PERMISSION ]
        [ ue_pc5_ambr: u32 = UE_PC5_AMBR ]
}

group! {
    /// V2X-Subscription-Data-Nr, TS 29.272 (release 16), for NR PC5.
    #[derive(Debug)]
    pub struct V2xSubscriptionDataNr<'a> ::=
        [ v2x_permission: V2xPermission = V2X_PERMISSION ]
        [ ue_pc5_ambr: u32 = UE_PC5_AMBR ]
        [ ue_pc5_qos: UePc5Qos<'a> = UE_PC5_QOS ]
}

group! {
    /// UE-PC5-QoS, TS 29.272 (release 16).
    #[derive(Debug)]
    pub struct UePc5Qos<'a> ::=
        1*{ pc5_qos_flow: Pc5QosFlow = PC5_QOS_FLOW }
        [ pc5_link_ambr: i32 = PC5_LINK_AMBR ]
}

group! {
    /// PC5-QoS-Flow, TS 29.272 (release 16); the range in metres.
    #[derive(Debug)]
    pub struct Pc5QosFlow ::=
        { five_qi: i32 = FIVE_QI }
        [ pc5_flow_bitrates: Pc5FlowBitrates = PC5_FLOW_BITRATES ]
        [ pc5_range: i32 = PC5_RANGE ]
}

group! {
    /// PC5-Flow-Bitrates, TS 29.272 (release 16).
    #[derive(Debug)]
    pub struct Pc5FlowBitrates ::=
        [ guaranteed_flow_bitrates: i32 = GUARANTEED_FLOW_BITRATES ]
        [ maximum_flow_bitrates: i32 = MAXIMUM_FLOW_BITRATES ]
}

group! {
    /// ProSe-Subscription-Data, TS 29.272 §7.3.180; the permission's bits in TS 29.344 §6.3.3.
    #[derive(Debug)]
    pub struct ProseSubscriptionData ::=
        { prose_permission: u32 = PROSE_PERMISSION }
}
