//! Extended idle-mode DRX, TS 29.272 §7.3.215, §7.3.226 and §7.3.229.

use super::values::*;
use crate::codec::{
    dictionary::s6a::*,
    grammar::{group, named},
};

named! {
    /// Operation-Mode, TS 29.272 §7.3.227: the access that a paging time window is for.
    pub struct OperationMode values {
        /// Iu mode.
        IU = 1,
        /// WB-S1 mode.
        WB_S1 = 2,
        /// NB-S1 mode.
        NB_S1 = 3,
    }
}

group! {
    /// eDRX-Cycle-Length, TS 29.272 §7.3.215; the value is one octet (TS 24.008 §10.5.5.32, bits 1 to 4).
    #[derive(Debug)]
    pub struct EdrxCycleLength<'a> ::=
        { rat_type: RatType = RAT_TYPE }
        { edrx_cycle_length_value: &'a [u8] = EDRX_CYCLE_LENGTH_VALUE }
}

group! {
    /// Paging-Time-Window, TS 29.272 §7.3.226; the length is one octet (TS 24.008 §10.5.5.32, bits 5 to 8).
    #[derive(Debug)]
    pub struct PagingTimeWindow<'a> ::=
        { operation_mode: OperationMode = OPERATION_MODE }
        { paging_time_window_length: &'a [u8] = PAGING_TIME_WINDOW_LENGTH }
}

group! {
    /// eDRX-Related-RAT, TS 29.272 §7.3.229: the RATs whose eDRX cycle lengths a DSR withdraws.
    #[derive(Debug)]
    pub struct EdrxRelatedRat<'a> ::=
        1*{ rat_type: RatType = RAT_TYPE }
}
