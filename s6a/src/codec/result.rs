//! Result-Code values, RFC 6733 §7.1, and Experimental-Result-Code values, TS 29.272 §7.4.

use std::fmt;

/// A Result-Code of the base protocol (RFC 6733 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResultCode(pub u32);

macro_rules! codes {
    ($type:ident: $($(#[$doc:meta])* $name:ident = $value:literal $text:literal),* $(,)?) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name that the specification gives it, if it is known here.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some($text),)* _ => None }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() { Some(name) => write!(f, "{} {name}", self.0), None => write!(f, "{}", self.0) }
            }
        }
    };
}

codes! { ResultCode:
    /// RFC 6733 §7.1.2.
    SUCCESS = 2001 "DIAMETER_SUCCESS",
    /// RFC 6733 §7.1.2.
    LIMITED_SUCCESS = 2002 "DIAMETER_LIMITED_SUCCESS",
    /// RFC 6733 §7.1.3: the command is not known; E bit.
    COMMAND_UNSUPPORTED = 3001 "DIAMETER_COMMAND_UNSUPPORTED",
    /// RFC 6733 §7.1.3: nobody by that Destination-Host can be reached; E bit.
    UNABLE_TO_DELIVER = 3002 "DIAMETER_UNABLE_TO_DELIVER",
    /// RFC 6733 §7.1.3: the realm is not served; E bit.
    REALM_NOT_SERVED = 3003 "DIAMETER_REALM_NOT_SERVED",
    /// RFC 6733 §7.1.3: the node is loaded; E bit.
    TOO_BUSY = 3004 "DIAMETER_TOO_BUSY",
    /// RFC 6733 §7.1.3: our identity is in a Route-Record already; E bit.
    LOOP_DETECTED = 3005 "DIAMETER_LOOP_DETECTED",
    /// RFC 6733 §7.1.3: the application is not supported; E bit.
    APPLICATION_UNSUPPORTED = 3007 "DIAMETER_APPLICATION_UNSUPPORTED",
    /// RFC 6733 §7.1.3: a combination of header bits that is not allowed; E bit.
    INVALID_HDR_BITS = 3008 "DIAMETER_INVALID_HDR_BITS",
    /// RFC 6733 §7.1.3: an AVP's bits are not those of its definition; E bit.
    INVALID_AVP_BITS = 3009 "DIAMETER_INVALID_AVP_BITS",
    /// RFC 6733 §7.1.3: a CER from a peer that is not known; E bit.
    UNKNOWN_PEER = 3010 "DIAMETER_UNKNOWN_PEER",
    /// RFC 6733 §7.1.4.
    AUTHENTICATION_REJECTED = 4001 "DIAMETER_AUTHENTICATION_REJECTED",
    /// RFC 6733 §7.1.4: the election was lost.
    ELECTION_LOST = 4003 "DIAMETER_ELECTION_LOST",
    /// RFC 6733 §7.1.5: an AVP with the M bit is not known; Failed-AVP.
    AVP_UNSUPPORTED = 5001 "DIAMETER_AVP_UNSUPPORTED",
    /// RFC 6733 §7.1.5.
    UNKNOWN_SESSION_ID = 5002 "DIAMETER_UNKNOWN_SESSION_ID",
    /// RFC 6733 §7.1.5.
    AUTHORIZATION_REJECTED = 5003 "DIAMETER_AUTHORIZATION_REJECTED",
    /// RFC 6733 §7.1.5: Failed-AVP.
    INVALID_AVP_VALUE = 5004 "DIAMETER_INVALID_AVP_VALUE",
    /// RFC 6733 §7.1.5: Failed-AVP holds an example of the missing AVP.
    MISSING_AVP = 5005 "DIAMETER_MISSING_AVP",
    /// RFC 6733 §7.1.5.
    CONTRADICTING_AVPS = 5007 "DIAMETER_CONTRADICTING_AVPS",
    /// RFC 6733 §7.1.5.
    AVP_NOT_ALLOWED = 5008 "DIAMETER_AVP_NOT_ALLOWED",
    /// RFC 6733 §7.1.5: Failed-AVP holds the first one too many.
    AVP_OCCURS_TOO_MANY_TIMES = 5009 "DIAMETER_AVP_OCCURS_TOO_MANY_TIMES",
    /// RFC 6733 §7.1.5: CER and CEA have no application in common.
    NO_COMMON_APPLICATION = 5010 "DIAMETER_NO_COMMON_APPLICATION",
    /// RFC 6733 §7.1.5.
    UNSUPPORTED_VERSION = 5011 "DIAMETER_UNSUPPORTED_VERSION",
    /// RFC 6733 §7.1.5.
    UNABLE_TO_COMPLY = 5012 "DIAMETER_UNABLE_TO_COMPLY",
    /// RFC 6733 §7.1.5: a reserved header bit is set.
    INVALID_BIT_IN_HEADER = 5013 "DIAMETER_INVALID_BIT_IN_HEADER",
    /// RFC 6733 §7.1.5: Failed-AVP.
    INVALID_AVP_LENGTH = 5014 "DIAMETER_INVALID_AVP_LENGTH",
    /// RFC 6733 §7.1.5.
    INVALID_MESSAGE_LENGTH = 5015 "DIAMETER_INVALID_MESSAGE_LENGTH",
    /// RFC 6733 §7.1.5.
    NO_COMMON_SECURITY = 5017 "DIAMETER_NO_COMMON_SECURITY",
}

/// A code that nobody set is 5012: forgetting it must not grant anything.
impl Default for ResultCode {
    fn default() -> Self {
        Self::UNABLE_TO_COMPLY
    }
}

impl ResultCode {
    /// Whether it is a protocol error (3xxx), whose answer has the E bit and the format of RFC 6733 §7.2.
    #[must_use]
    pub const fn is_protocol_error(self) -> bool {
        self.0 >= 3000 && self.0 < 4000
    }

    /// Whether it reports success (2xxx).
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 2000 && self.0 < 3000
    }
}

/// An Experimental-Result-Code of vendor 10415 (TS 29.272 §7.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Experimental(pub u32);

codes! { Experimental:
    /// TS 29.272 §7.4.4.1: retryable.
    AUTHENTICATION_DATA_UNAVAILABLE = 4181 "DIAMETER_AUTHENTICATION_DATA_UNAVAILABLE",
    /// TS 29.272 §7.4.3.1.
    USER_UNKNOWN = 5001 "DIAMETER_ERROR_USER_UNKNOWN",
    /// TS 29.272 §7.4.3.4.
    ROAMING_NOT_ALLOWED = 5004 "DIAMETER_ERROR_ROAMING_NOT_ALLOWED",
    /// TS 29.272 §7.4.3.2.
    UNKNOWN_EPS_SUBSCRIPTION = 5420 "DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION",
    /// TS 29.272 §7.4.3.3.
    RAT_NOT_ALLOWED = 5421 "DIAMETER_ERROR_RAT_NOT_ALLOWED",
    /// TS 29.272 §7.4.3.5.
    EQUIPMENT_UNKNOWN = 5422 "DIAMETER_ERROR_EQUIPMENT_UNKNOWN",
    /// TS 29.272 §7.4.3.6.
    UNKNOWN_SERVING_NODE = 5423 "DIAMETER_ERROR_UNKNOWN_SERVING_NODE",
}
