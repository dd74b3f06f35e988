//! How an answer says what became of the request: Result-Code (RFC 6733 §7.1) or Experimental-Result (§7.6).

use crate::codec::{
    Avp, AvpDef, DecodeError, Experimental, Member, ResultCode, Value, Writer,
    dictionary::{VENDOR_3GPP, base::*},
    grammar::{group, take_one},
};

group! {
    /// RFC 6733 §7.6. Both AVPs are required; an Open5GS MME ends itself when the code is missing.
    #[derive(Debug)]
    pub struct ExperimentalResult ::=
        { vendor_id: u32 = VENDOR_ID }
        { code: u32 = EXPERIMENTAL_RESULT_CODE }
}

/// The result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Result-Code, RFC 6733 §7.1.
    Result(ResultCode),
    /// Experimental-Result, RFC 6733 §7.6: the code means what this vendor says.
    Experimental {
        /// Vendor-Id of who defined the code.
        vendor: u32,
        /// Experimental-Result-Code.
        code: u32,
    },
}

impl Outcome {
    /// DIAMETER_SUCCESS, RFC 6733 §7.1.2.
    pub const SUCCESS: Self = Self::Result(ResultCode::SUCCESS);

    /// Whether it reports success (2xxx in either numbering, RFC 6733 §7.1, §7.7).
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            Self::Result(code) => code.is_success(),
            Self::Experimental { code, .. } => code / 1000 == 2,
        }
    }

    /// Whether the answer has the E bit: a Result-Code of 3xxx (RFC 6733 §7.1.3).
    #[must_use]
    pub const fn is_protocol_error(self) -> bool {
        match self {
            Self::Result(code) => code.is_protocol_error(),
            Self::Experimental { .. } => false,
        }
    }

    /// Takes the AVP with either of the two. Some servers send both; then Experimental-Result counts,
    /// because it says more.
    pub(crate) fn take(slot: &mut Option<Self>, avp: &Avp<'_>, depth: u8) -> Result<(), DecodeError> {
        let mut read = match *slot {
            Some(Self::Result(_)) if avp.is(&EXPERIMENTAL_RESULT) => None,
            Some(Self::Experimental { .. }) if avp.is(&RESULT_CODE) => return avp.u32().map(drop),
            before => before,
        };
        take_one(&mut read, avp, depth)?;
        *slot = read;
        Ok(())
    }
}

/// What was not decided counts as 5012: an answer whose outcome was forgotten must not grant anything.
impl Default for Outcome {
    fn default() -> Self {
        Self::Result(ResultCode::UNABLE_TO_COMPLY)
    }
}

impl From<ResultCode> for Outcome {
    fn from(code: ResultCode) -> Self {
        Self::Result(code)
    }
}

impl From<Experimental> for Outcome {
    /// A code of TS 29.272 §7.4, whose vendor is 3GPP.
    fn from(code: Experimental) -> Self {
        Self::Experimental { vendor: VENDOR_3GPP, code: code.0 }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Result(code) => code.fmt(f),
            Self::Experimental { vendor: VENDOR_3GPP, code } => Experimental(code).fmt(f),
            Self::Experimental { vendor, code } => write!(f, "{code} of vendor {vendor}"),
        }
    }
}

impl<'a> Value<'a> for Outcome {
    const MEMBERS: &'static [Member] = ExperimentalResult::MEMBERS;

    fn read(avp: &Avp<'a>, depth: u8) -> Result<Self, DecodeError> {
        if avp.is(&RESULT_CODE) {
            return Ok(Self::Result(ResultCode(avp.u32()?)));
        }
        let ExperimentalResult { vendor_id: vendor, code } = ExperimentalResult::read(avp, depth)?;
        Ok(Self::Experimental { vendor, code })
    }

    /// The definition is not used: the outcome decides which of the two AVPs it is.
    fn write(&self, _: &AvpDef, writer: &mut Writer<'_>) {
        match *self {
            Self::Result(code) => writer.u32(&RESULT_CODE, code.0),
            Self::Experimental { vendor: vendor_id, code } => {
                ExperimentalResult { vendor_id, code }.write(&EXPERIMENTAL_RESULT, writer);
            }
        }
    }
}
