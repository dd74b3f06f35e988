//! Subscriber and equipment trace with minimisation of drive tests, TS 29.272 §7.3.63 to §7.3.71, §7.3.98 and
//! §7.3.136 to §7.3.146; what the values mean stands in TS 32.422.

use std::net::{IpAddr, Ipv4Addr};

use crate::codec::{
    Avp, AvpDef, DecodeError, Value, Writer,
    dictionary::s6a::*,
    grammar::{group, named},
};

named! {
    /// Trace-Depth, TS 32.422 §5.3, by the numbers of TS 29.002.
    pub struct TraceDepth values {
        /// Some IEs, decoded, with the vendor's extensions.
        MINIMUM = 0,
        /// Besides, IEs of radio measurements.
        MEDIUM = 1,
        /// Whole messages, encoded.
        MAXIMUM = 2,
        /// As 0, without the vendor's extensions.
        MINIMUM_WITHOUT_VENDOR_SPECIFIC_EXTENSION = 3,
        /// As 1, without the vendor's extensions.
        MEDIUM_WITHOUT_VENDOR_SPECIFIC_EXTENSION = 4,
        /// As 2, without the vendor's extensions.
        MAXIMUM_WITHOUT_VENDOR_SPECIFIC_EXTENSION = 5,
    }
}

named! {
    /// Job-Type, TS 29.272 §7.3.137, TS 32.422 §5.9a.
    pub struct JobType values {
        /// Immediate MDT only.
        IMMEDIATE_MDT = 0,
        /// Logged MDT only.
        LOGGED_MDT = 1,
        /// Trace only.
        TRACE = 2,
        /// Immediate MDT and trace.
        IMMEDIATE_MDT_AND_TRACE = 3,
        /// RLF reports only.
        RLF_REPORTS = 4,
        /// RCEF reports only.
        RCEF_REPORTS = 5,
        /// Logged MBSFN MDT.
        LOGGED_MBSFN_MDT = 6,
    }
}

/// Trace-Collection-Entity, TS 29.272 §7.3.98: where the records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceCollectionEntity(pub IpAddr);

/// The unspecified address, which no collector has.
impl Default for TraceCollectionEntity {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl<'a> Value<'a> for TraceCollectionEntity {
    fn read(avp: &Avp<'a>, _: u8) -> Result<Self, DecodeError> {
        avp.address().map(Self)
    }

    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.address(def, self.0);
    }
}

group! {
    /// Trace-Data, TS 29.272 §7.3.63. The reference is MCC and MNC (3 octets) and trace id (3 octets).
    #[derive(Debug)]
    pub struct TraceData<'a> ::=
        { trace_reference: &'a [u8] = TRACE_REFERENCE }
        { trace_depth: TraceDepth = TRACE_DEPTH }
        { trace_ne_type_list: &'a [u8] = TRACE_NE_TYPE_LIST }
        [ trace_interface_list: &'a [u8] = TRACE_INTERFACE_LIST ]
        { trace_event_list: &'a [u8] = TRACE_EVENT_LIST }
        [ omc_id: &'a [u8] = OMC_ID ]
        { trace_collection_entity: TraceCollectionEntity = TRACE_COLLECTION_ENTITY }
        [ mdt_configuration: MdtConfiguration<'a> = MDT_CONFIGURATION ]
}

group! {
    /// MDT-Configuration, TS 29.272 §7.3.136.
    #[derive(Debug)]
    pub struct MdtConfiguration<'a> ::=
        { job_type: JobType = JOB_TYPE }
        [ area_scope: AreaScope<'a> = AREA_SCOPE ]
        [ list_of_measurements: u32 = LIST_OF_MEASUREMENTS ]
        [ reporting_trigger: u32 = REPORTING_TRIGGER ]
        [ report_interval: u32 = REPORT_INTERVAL ]
        [ report_amount: u32 = REPORT_AMOUNT ]
        [ event_threshold_rsrp: u32 = EVENT_THRESHOLD_RSRP ]
        [ event_threshold_rsrq: u32 = EVENT_THRESHOLD_RSRQ ]
        [ logging_interval: u32 = LOGGING_INTERVAL ]
        [ logging_duration: u32 = LOGGING_DURATION ]
        [ measurement_period_lte: u32 = MEASUREMENT_PERIOD_LTE ]
        [ measurement_period_umts: u32 = MEASUREMENT_PERIOD_UMTS ]
        [ collection_period_rrm_lte: u32 = COLLECTION_PERIOD_RRM_LTE ]
        [ collection_period_rrm_umts: u32 = COLLECTION_PERIOD_RRM_UMTS ]
        [ positioning_method: &'a [u8] = POSITIONING_METHOD ]
        [ measurement_quantity: &'a [u8] = MEASUREMENT_QUANTITY ]
        [ event_threshold_event_1f: i32 = EVENT_THRESHOLD_EVENT_1F ]
        [ event_threshold_event_1i: i32 = EVENT_THRESHOLD_EVENT_1I ]
        *[ mdt_allowed_plmn_id: [u8; 3] = MDT_ALLOWED_PLMN_ID ]
        *[ mbsfn_area: MbsfnArea = MBSFN_AREA ]
}

group! {
    /// Area-Scope, TS 29.272 §7.3.138: where an MDT job runs.
    #[derive(Debug)]
    pub struct AreaScope<'a> ::=
        *[ cell_global_identity: &'a [u8] = CELL_GLOBAL_IDENTITY ]
        *[ e_utran_cell_global_identity: &'a [u8] = E_UTRAN_CELL_GLOBAL_IDENTITY ]
        *[ routing_area_identity: &'a [u8] = ROUTING_AREA_IDENTITY ]
        *[ location_area_identity: &'a [u8] = LOCATION_AREA_IDENTITY ]
        *[ tracking_area_identity: &'a [u8] = TRACKING_AREA_IDENTITY ]
}

group! {
    /// MBSFN-Area, TS 29.272 §7.3.219: one area (0 to 255), all on a frequency (0 to 262143), or, empty, any.
    #[derive(Debug)]
    pub struct MbsfnArea ::=
        [ mbsfn_area_id: u32 = MBSFN_AREA_ID ]
        [ carrier_frequency: u32 = CARRIER_FREQUENCY ]
}
