//! The lists of forbidden networks and tracking areas (TS 24.301 §5.3.2, TS 23.122 §3.1), and what is on them.

use std::fmt;

use schemas::identity::Plmn;

use super::cause;

/// A tracking area identity, TS 23.003 §19.4.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tai {
    /// The network.
    pub plmn: Plmn,
    /// Tracking area code.
    pub tac: u16,
}

impl fmt::Display for Tai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TAC {}", self.plmn, self.tac)
    }
}

/// What a UE is kept from by, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The USIM counts as invalid for EPS services: no network is tried (#3, #6, #7, #8, AUTHENTICATION REJECT).
    UsimInvalid,
    /// "Forbidden PLMNs" (#11, #35). It is the USIM's, EF FPLMN of TS 31.102 §4.2.16, and outlives everything; what
    /// nothing has protected stays in the ME (§5.3.7b).
    ForbiddenPlmns,
    /// "Forbidden PLMNs for GPRS service" (#14).
    ForbiddenPlmnsForGprs,
    /// "Forbidden tracking areas for roaming" (#13, #15).
    ForbiddenAreasForRoaming,
    /// "Forbidden tracking areas for regional provision of service" (#12).
    ForbiddenAreasForRegionalProvision,
}

impl List {
    /// As TS 24.301 and TS 23.122 call it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UsimInvalid => "USIM invalid for EPS services",
            Self::ForbiddenPlmns => "forbidden PLMNs",
            Self::ForbiddenPlmnsForGprs => "forbidden PLMNs for GPRS service",
            Self::ForbiddenAreasForRoaming => "forbidden tracking areas for roaming",
            Self::ForbiddenAreasForRegionalProvision => {
                "forbidden tracking areas for regional provision of service"
            }
        }
    }

    /// Whether it keeps the UE from the whole network, so that a choice by hand passes it by (TS 23.122 §4.4.3.1.2).
    pub(super) const fn is_of_networks(self) -> bool {
        matches!(self, Self::ForbiddenPlmns | Self::ForbiddenPlmnsForGprs)
    }
}

/// Something on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which list.
    pub list: List,
    /// The cell that it came from.
    pub tai: Tai,
    /// The EMM cause that has put it there; `None`: AUTHENTICATION REJECT, or an earlier run of the USIM.
    pub cause: Option<u8>,
    /// Nothing has protected the message: T3247 takes it off again (§5.3.7b).
    pub doubtful: bool,
    /// It is in the USIM, and stays when the UE is switched off.
    pub in_usim: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list {
            List::UsimInvalid => f.write_str("the USIM counts as invalid for EPS services")?,
            list if list.is_of_networks() => {
                write!(f, "{} is in the list \"{}\"", self.tai.plmn, list.words())?
            }
            list => write!(f, "{} is in the list \"{}\"", self.tai, list.words())?,
        }
        match self.cause {
            Some(number) => write!(f, " since EMM cause #{number}, {}", cause::emm(number))?,
            None if !self.in_usim => f.write_str(" since AUTHENTICATION REJECT")?,
            None => {}
        }
        f.write_str(if self.in_usim {
            ": it stays there, in the USIM, until the network was chosen by hand (--manual) and has accepted the UE"
        } else {
            ": until the UE is switched off (off)"
        })?;
        if self.doubtful {
            f.write_str(", or T3247 has expired (30 to 60 minutes), for nothing has protected the message")?;
        }
        if self.list.is_of_networks() && !self.in_usim {
            f.write_str("; chosen by hand (--manual) the network is tried all the same")?;
        }
        Ok(())
    }
}

/// What the ME remembers while it has power. The USIM has a list of its own.
#[derive(Debug, Default)]
pub(super) struct Forbidden(pub(super) Vec<Entry>);

impl Forbidden {
    pub(super) fn find(&self, of: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        self.0.iter().find(|entry| of(entry))
    }
}
