//! AMBR, which a subscription, an APN and a PDP context have.

use crate::codec::{dictionary::s6a::*, grammar::group};

group! {
    /// AMBR, TS 29.272 §7.3.41: bits per second; above 2^32-1 in the extended AVPs, in kilobits per second.
    #[derive(Debug)]
    pub struct Ambr ::=
        { max_requested_bandwidth_ul: u32 = MAX_REQUESTED_BANDWIDTH_UL }
        { max_requested_bandwidth_dl: u32 = MAX_REQUESTED_BANDWIDTH_DL }
        [ extended_max_requested_bw_ul: u32 = EXTENDED_MAX_REQUESTED_BW_UL ]
        [ extended_max_requested_bw_dl: u32 = EXTENDED_MAX_REQUESTED_BW_DL ]
}
