//! Enumerated values and bit masks of TS 29.272 §7.3.

use crate::codec::grammar::{enumerated, named};

named! {
    /// RAT-Type, TS 29.212 §5.3.31. Others than these are kept: whether a RAT is allowed is the
    /// subscription's decision, not the codec's.
    pub struct RatType values {
        /// WLAN.
        WLAN = 0,
        /// UTRAN.
        UTRAN = 1000,
        /// GERAN.
        GERAN = 1001,
        /// GAN.
        GAN = 1002,
        /// HSPA evolution.
        HSPA_EVOLUTION = 1003,
        /// E-UTRAN (WB).
        EUTRAN = 1004,
        /// E-UTRAN, NB-IoT.
        EUTRAN_NB_IOT = 1005,
        /// NR.
        NR = 1006,
        /// LTE-M.
        LTE_M = 1007,
    }
}

named! {
    /// AIR-Flags, TS 29.272 §7.3.1.
    pub struct AirFlags bits {
        /// Send UE Usage Type.
        SEND_UE_USAGE_TYPE = 0,
    }
}

named! {
    /// ULR-Flags, TS 29.272 §7.3.7.
    pub struct UlrFlags bits {
        /// Single-Registration-Indication: the HSS cancels the SGSN's registration.
        SINGLE_REGISTRATION = 0,
        /// S6a/S6d-Indicator: set on S6a, by an MME.
        S6A = 1,
        /// Skip Subscriber Data: the answer may do without it.
        SKIP_SUBSCRIBER_DATA = 2,
        /// GPRS-Subscription-Data-Indicator.
        GPRS_SUBSCRIPTION_DATA = 3,
        /// Node-Type-Indicator: a combined MME/SGSN.
        NODE_TYPE = 4,
        /// Initial-Attach-Indicator: the HSS cancels the other serving node.
        INITIAL_ATTACH = 5,
        /// PS-LCS-Not-Supported-By-UE.
        PS_LCS_NOT_SUPPORTED_BY_UE = 6,
        /// SMS-Only-Indication.
        SMS_ONLY = 7,
        /// Dual-Registration-5G-Indicator.
        DUAL_REGISTRATION_5G = 8,
    }
}

named! {
    /// ULA-Flags, TS 29.272 §7.3.8.
    pub struct UlaFlags bits {
        /// Separation Indication: the HSS keeps MME and SGSN apart.
        SEPARATION = 0,
        /// MME Registered for SMS.
        MME_REGISTERED_FOR_SMS = 1,
    }
}

named! {
    /// PUR-Flags, TS 29.272 §7.3.149.
    pub struct PurFlags bits {
        /// UE Purged in MME.
        PURGED_IN_MME = 0,
        /// UE Purged in SGSN.
        PURGED_IN_SGSN = 1,
    }
}

named! {
    /// PUA-Flags, TS 29.272 §7.3.48.
    pub struct PuaFlags bits {
        /// Freeze M-TMSI.
        FREEZE_M_TMSI = 0,
        /// Freeze P-TMSI.
        FREEZE_P_TMSI = 1,
    }
}

named! {
    /// NOR-Flags, TS 29.272 §7.3.49.
    pub struct NorFlags bits {
        /// Single-Registration-Indication.
        SINGLE_REGISTRATION = 0,
        /// SGSN area restricted.
        SGSN_AREA_RESTRICTED = 1,
        /// Ready for SM from SGSN.
        READY_FOR_SM_FROM_SGSN = 2,
        /// UE Reachable from MME.
        UE_REACHABLE_FROM_MME = 3,
        /// UE Reachable from SGSN.
        UE_REACHABLE_FROM_SGSN = 5,
        /// Ready for SM from MME.
        READY_FOR_SM_FROM_MME = 6,
        /// Homogeneous Support of IMS Voice Over PS Sessions.
        HOMOGENEOUS_SUPPORT_OF_IMS_VOICE = 7,
        /// S6a/S6d-Indicator.
        S6A = 8,
        /// Removal of MME Registration for SMS.
        REMOVAL_OF_MME_REGISTRATION_FOR_SMS = 9,
    }
}

named! {
    /// CLR-Flags, TS 29.272 §7.3.152.
    pub struct ClrFlags bits {
        /// S6a/S6d-Indicator: to a combined MME/SGSN, that the MME's registration is meant.
        S6A = 0,
        /// Reattach-Required: the UE is to attach again at once.
        REATTACH_REQUIRED = 1,
    }
}

named! {
    /// IDR-Flags, TS 29.272 §7.3.103.
    pub struct IdrFlags bits {
        /// UE Reachability Request.
        UE_REACHABILITY = 0,
        /// T-ADS Data Request.
        T_ADS_DATA = 1,
        /// EPS User State Request.
        EPS_USER_STATE = 2,
        /// EPS Location Information Request.
        EPS_LOCATION_INFORMATION = 3,
        /// Current Location Request.
        CURRENT_LOCATION = 4,
        /// Local Time Zone Request.
        LOCAL_TIME_ZONE = 5,
        /// Remove SMS Registration.
        REMOVE_SMS_REGISTRATION = 6,
        /// RAT-Type Requested.
        RAT_TYPE = 7,
        /// P-CSCF Restoration Request.
        P_CSCF_RESTORATION = 8,
    }
}

named! {
    /// IDA-Flags, TS 29.272 §7.3.47.
    pub struct IdaFlags bits {
        /// Network Node area restricted.
        AREA_RESTRICTED = 0,
    }
}

named! {
    /// DSR-Flags, TS 29.272 §7.3.25: what is withdrawn.
    pub struct DsrFlags bits {
        /// Regional Subscription.
        REGIONAL_SUBSCRIPTION = 0,
        /// Complete APN Configuration Profile.
        COMPLETE_APN_CONFIGURATION_PROFILE = 1,
        /// Subscribed Charging Characteristics.
        CHARGING_CHARACTERISTICS = 2,
        /// The PDN subscription contexts named by Context-Identifier.
        PDN_SUBSCRIPTION_CONTEXTS = 3,
        /// STN-SR.
        STN_SR = 4,
        /// Complete PDP context list.
        COMPLETE_PDP_CONTEXT_LIST = 5,
        /// PDP contexts.
        PDP_CONTEXTS = 6,
        /// Roaming restricted due to unsupported feature.
        ROAMING_RESTRICTED = 7,
        /// Trace Data.
        TRACE_DATA = 8,
        /// CSG subscription.
        CSG = 9,
        /// APN-OI-Replacement.
        APN_OI_REPLACEMENT = 10,
        /// GMLC list.
        GMLC_LIST = 11,
        /// LCS.
        LCS = 12,
        /// SMS.
        SMS = 13,
        /// Subscribed periodic RAU-TAU timer.
        SUBSCRIBED_PERIODIC_RAU_TAU_TIMER = 14,
        /// Subscribed VSRVCC.
        SUBSCRIBED_VSRVCC = 15,
        /// A-MSISDN.
        A_MSISDN = 16,
        /// ProSe.
        PROSE = 17,
        /// Reset-IDs.
        RESET_IDS = 18,
        /// DL-Buffering-Suggested-Packet-Count.
        DL_BUFFERING_SUGGESTED_PACKET_COUNT = 19,
        /// Subscribed IMSI-Group-Id.
        IMSI_GROUP_ID = 20,
        /// The monitoring events of the SCEF that SCEF-ID names.
        MONITORING_EVENTS = 21,
        /// User Plane Integrity Protection.
        USER_PLANE_INTEGRITY_PROTECTION = 22,
        /// MSISDN.
        MSISDN = 23,
        /// UE Usage Type.
        UE_USAGE_TYPE = 24,
        /// V2X.
        V2X = 25,
        /// External-Identifier.
        EXTERNAL_IDENTIFIER = 26,
    }
}

named! {
    /// DSA-Flags, TS 29.272 §7.3.26.
    pub struct DsaFlags bits {
        /// Network Node area restricted.
        AREA_RESTRICTED = 0,
    }
}

named! {
    /// Operator-Determined-Barring, TS 29.272 §7.3.30.
    pub struct OperatorDeterminedBarring bits {
        /// All packet-oriented services.
        ALL_PACKET_SERVICES = 0,
        /// Roamer access to the HPLMN's access points.
        ROAMER_ACCESS_HPLMN_AP = 1,
        /// Roamer access to the VPLMN's access points.
        ROAMER_ACCESS_VPLMN_AP = 2,
        /// All outgoing calls.
        OUTGOING_CALLS = 3,
        /// Outgoing international calls.
        OUTGOING_INTERNATIONAL_CALLS = 4,
        /// Outgoing international calls except to the home country.
        OUTGOING_INTERNATIONAL_CALLS_EXCEPT_HOME_COUNTRY = 5,
        /// Outgoing inter-zonal calls.
        OUTGOING_INTERZONAL_CALLS = 6,
        /// Outgoing inter-zonal calls except to the home country.
        OUTGOING_INTERZONAL_CALLS_EXCEPT_HOME_COUNTRY = 7,
        /// Outgoing international calls except to the home country, and inter-zonal calls.
        OUTGOING_INTERNATIONAL_CALLS_EXCEPT_HOME_COUNTRY_AND_INTERZONAL_CALLS = 8,
    }
}

named! {
    /// Access-Restriction-Data, TS 29.272 §7.3.31: what is not allowed.
    pub struct AccessRestrictionData bits {
        /// UTRAN.
        UTRAN = 0,
        /// GERAN.
        GERAN = 1,
        /// GAN.
        GAN = 2,
        /// I-HSPA evolution.
        I_HSPA_EVOLUTION = 3,
        /// WB-E-UTRAN.
        WB_EUTRAN = 4,
        /// Handover to non-3GPP access.
        HANDOVER_TO_NON_3GPP = 5,
        /// NB-IoT.
        NB_IOT = 6,
        /// Enhanced coverage.
        ENHANCED_COVERAGE = 7,
        /// NR as secondary RAT in E-UTRAN.
        NR_AS_SECONDARY_RAT = 8,
        /// Unlicensed spectrum as secondary RAT.
        UNLICENSED_AS_SECONDARY_RAT = 9,
        /// NR in 5GS.
        NR_IN_5GS = 10,
        /// LTE-M.
        LTE_M = 11,
    }
}

enumerated! {
    /// Cancellation-Type, TS 29.272 §7.3.24.
    pub enum CancellationType {
        /// MME_UPDATE_PROCEDURE.
        #[default]
        MmeUpdateProcedure = 0,
        /// SGSN_UPDATE_PROCEDURE.
        SgsnUpdateProcedure = 1,
        /// SUBSCRIPTION_WITHDRAWAL.
        SubscriptionWithdrawal = 2,
        /// UPDATE_PROCEDURE_IWF.
        UpdateProcedureIwf = 3,
        /// INITIAL_ATTACH_PROCEDURE.
        InitialAttachProcedure = 4,
    }
}

enumerated! {
    /// Subscriber-Status, TS 29.272 §7.3.29.
    pub enum SubscriberStatus {
        /// SERVICE_GRANTED.
        #[default]
        ServiceGranted = 0,
        /// OPERATOR_DETERMINED_BARRING.
        OperatorDeterminedBarring = 1,
    }
}

enumerated! {
    /// Network-Access-Mode, TS 29.272 §7.3.21; 1 is reserved.
    pub enum NetworkAccessMode {
        /// PACKET_AND_CIRCUIT.
        #[default]
        PacketAndCircuit = 0,
        /// ONLY_PACKET.
        OnlyPacket = 2,
    }
}

enumerated! {
    /// PDN-Type, TS 29.272 §7.3.62.
    pub enum PdnType {
        /// IPv4.
        #[default]
        Ipv4 = 0,
        /// IPv6.
        Ipv6 = 1,
        /// IPv4v6.
        Ipv4v6 = 2,
        /// IPv4_OR_IPv6: only for the APN's other uses; an MME of Open5GS stops reading the list at it.
        Ipv4OrIpv6 = 3,
    }
}

enumerated! {
    /// All-APN-Configurations-Included-Indicator, TS 29.272 §7.3.33.
    pub enum AllApnConfigurationsIncluded {
        /// All_APN_CONFIGURATIONS_INCLUDED.
        #[default]
        All = 0,
        /// MODIFIED_ADDED_APN_CONFIGURATIONS_INCLUDED.
        ModifiedAdded = 1,
    }
}

enumerated! {
    /// VPLMN-Dynamic-Address-Allowed, TS 29.272 §7.3.38.
    pub enum VplmnDynamicAddress {
        /// NOTALLOWED.
        #[default]
        NotAllowed = 0,
        /// ALLOWED.
        Allowed = 1,
    }
}

enumerated! {
    /// PDN-GW-Allocation-Type, TS 29.272 §7.3.44.
    pub enum PdnGwAllocationType {
        /// STATIC.
        #[default]
        Static = 0,
        /// DYNAMIC.
        Dynamic = 1,
    }
}

enumerated! {
    /// Pre-emption-Capability, TS 29.212 §5.3.46.
    pub enum PreemptionCapability {
        /// PRE-EMPTION_CAPABILITY_ENABLED.
        Enabled = 0,
        /// PRE-EMPTION_CAPABILITY_DISABLED, what is meant where the AVP is missing.
        #[default]
        Disabled = 1,
    }
}

enumerated! {
    /// Pre-emption-Vulnerability, TS 29.212 §5.3.47.
    pub enum PreemptionVulnerability {
        /// PRE-EMPTION_VULNERABILITY_ENABLED, what is meant where the AVP is missing.
        #[default]
        Enabled = 0,
        /// PRE-EMPTION_VULNERABILITY_DISABLED.
        Disabled = 1,
    }
}

enumerated! {
    /// Alert-Reason, TS 29.272 §7.3.83.
    pub enum AlertReason {
        /// UE_PRESENT.
        #[default]
        UePresent = 0,
        /// UE_MEMORY_AVAILABLE.
        UeMemoryAvailable = 1,
    }
}

enumerated! {
    /// Error-Diagnostic, TS 29.272 §7.3.128.
    pub enum ErrorDiagnostic {
        /// GPRS_DATA_SUBSCRIBED.
        #[default]
        GprsDataSubscribed = 0,
        /// NO_GPRS_DATA_SUBSCRIBED.
        NoGprsDataSubscribed = 1,
        /// ODB_ALL_APN.
        OdbAllApn = 2,
        /// ODB_HPLMN_APN.
        OdbHplmnApn = 3,
        /// ODB_VPLMN_APN.
        OdbVplmnApn = 4,
    }
}
