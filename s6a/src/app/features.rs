//! Features that a node says it supports, TS 29.272 §7.3.10: the bits of Feature-List under Feature-List-ID 1 and 2.

use crate::codec::grammar::named;

named! {
    /// Feature-List-ID 1, TS 29.272 table 7.3.10/1.
    pub struct FeatureList1 bits {
        /// ODB-all-APN: barring of all packet-oriented services.
        ODB_ALL_APN = 0,
        /// ODB-HPLMN-APN: barring of access points in the HPLMN while roaming.
        ODB_HPLMN_APN = 1,
        /// ODB-VPLMN-APN: barring of access points in the visited network.
        ODB_VPLMN_APN = 2,
        /// ODB-all-OG: barring of all outgoing calls.
        ODB_ALL_OUTGOING = 3,
        /// ODB-all-InternationalOG.
        ODB_ALL_INTERNATIONAL_OUTGOING = 4,
        /// ODB-all-InternationalOGNotToHPLMN-Country.
        ODB_INTERNATIONAL_OUTGOING_NOT_TO_HPLMN_COUNTRY = 5,
        /// ODB-all-InterzonalOG.
        ODB_ALL_INTERZONAL_OUTGOING = 6,
        /// ODB-all-InterzonalOGNotToHPLMN-Country.
        ODB_INTERZONAL_OUTGOING_NOT_TO_HPLMN_COUNTRY = 7,
        /// ODB-all-InterzonalOGAndInternationalOGNotToHPLMN-Country.
        ODB_INTERZONAL_AND_INTERNATIONAL_OUTGOING_NOT_TO_HPLMN_COUNTRY = 8,
        /// RegSub: regional subscription.
        REGIONAL_SUBSCRIPTION = 9,
        /// SM-MO-PP: short messages from the UE.
        SM_MO_PP = 21,
        /// T-ADS Data Retrieval.
        T_ADS_DATA_RETRIEVAL = 27,
        /// Partial Purge from a Combined MME/SGSN.
        PARTIAL_PURGE = 29,
        /// Additional MSISDN.
        ADDITIONAL_MSISDN = 31,
    }
}

named! {
    /// Feature-List-ID 2, TS 29.272 table 7.3.10/2.
    pub struct FeatureList2 bits {
        /// SMS in MME.
        SMS_IN_MME = 0,
        /// SMS in SGSN.
        SMS_IN_SGSN = 1,
        /// ProSe Capability.
        PROSE = 15,
        /// Dedicated Core Networks.
        DEDICATED_CORE_NETWORKS = 20,
        /// Non-IP PDN Type APNs.
        NON_IP_PDN_TYPE_APNS = 21,
        /// Removal of MSISDN, by Delete-Subscriber-Data.
        REMOVAL_OF_MSISDN = 23,
        /// Emergency Service Continuity.
        EMERGENCY_SERVICE_CONTINUITY = 24,
        /// V2X Capability.
        V2X = 25,
        /// External-Identifier.
        EXTERNAL_IDENTIFIER = 26,
        /// NR as Secondary RAT: with it, bandwidths above 4,294,967,295 bit/s.
        NR_AS_SECONDARY_RAT = 27,
        /// Unlicensed Spectrum as Secondary RAT.
        UNLICENSED_SPECTRUM_AS_SECONDARY_RAT = 28,
    }
}
