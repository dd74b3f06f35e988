//! Where a UE does not go after a reject: its lists of forbidden networks and tracking areas, and a USIM that counts as
//! invalid (TS 24.301 §5.3.2, §5.5.1.2.5, §5.5.2.3.2, §5.5.3.2.5, §5.6.1.5; TS 23.122 §3.1). What nobody vouches for is
//! forgotten within the hour (T3247, §5.3.7b).

use std::fmt;
use std::time::Duration;

use schemas::identity::Plmn;

use super::cause::{self, Consequence};
use super::{NasError, Output, Timer, Told, Ue};

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
    const fn is_of_networks(self) -> bool {
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
pub(super) struct Forbidden(Vec<Entry>);

impl Forbidden {
    fn find(&self, of: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        self.0.iter().find(|entry| of(entry))
    }
}

/// T3247: between 30 and 60 minutes, drawn evenly (§5.3.7b). `number`: of the IMSI, which spreads devices as evenly and
/// gives the same in every run.
fn doubt_lasts(number: u64) -> Duration {
    const FROM: u64 = 30 * 60;
    Duration::from_secs(FROM + number % (FROM + 1))
}

impl Ue {
    /// Whether the UE may attach in its cell.
    pub(super) fn may_attach(&self) -> Result<(), NasError> {
        let by_hand = self.options.manual;
        let here = |entry: &Entry| match entry.list {
            List::UsimInvalid => true,
            list if list.is_of_networks() => !by_hand && entry.tai.plmn == self.serving.plmn,
            _ => entry.tai == self.serving,
        };
        let of_usim = Entry {
            list: List::ForbiddenPlmns,
            tai: self.serving,
            cause: None,
            doubtful: false,
            in_usim: true,
        };
        let in_usim = !by_hand && self.device.usim.forbidden_plmns().contains(&self.serving.plmn);
        match self.forbidden.find(here).or_else(|| in_usim.then_some(&of_usim)) {
            Some(entry) => Err(NasError::Forbidden(Box::new(entry.clone()))),
            None => Ok(()),
        }
    }

    /// What a reject with this cause forbids from now on; `protected`: whether the network has proven that it is from
    /// it. Anybody can send one that is not: what it says is then not for good, and never touches the USIM (§5.3.7b).
    pub(super) fn forbid(&mut self, cause: u8, protected: bool) {
        let list = match (cause, cause::consequence(cause)) {
            // §5.3.7b, 1: this tracking area in place of the USIM.
            (_, Consequence::UsimInvalid) if !protected => List::ForbiddenAreasForRoaming,
            (_, Consequence::UsimInvalid) => List::UsimInvalid,
            (14, _) => List::ForbiddenPlmnsForGprs,
            (_, Consequence::NetworkForbidden) => List::ForbiddenPlmns,
            (12, _) => List::ForbiddenAreasForRegionalProvision,
            (_, Consequence::AreaForbidden) => List::ForbiddenAreasForRoaming,
            _ => return,
        };
        self.put_down(list, Some(cause), protected);
    }

    /// AUTHENTICATION REJECT: the USIM is invalid, or, if nothing has protected it, doubted as above (§5.4.2.5).
    pub(super) fn authentication_rejected(&mut self, protected: bool) {
        let list = if protected { List::UsimInvalid } else { List::ForbiddenAreasForRoaming };
        self.put_down(list, None, protected);
    }

    fn put_down(&mut self, list: List, cause: Option<u8>, protected: bool) {
        let in_usim = list == List::ForbiddenPlmns && protected;
        let entry = Entry { list, tai: self.serving, cause, doubtful: !protected, in_usim };
        if in_usim {
            self.device.usim.forbid(self.serving.plmn);
            self.out.push(Output::Keep);
        } else if let Some(there) =
            self.forbidden.0.iter_mut().find(|there| there.list == list && there.tai == entry.tai)
        {
            // Once the network has proven it, doubts are over.
            there.doubtful &= entry.doubtful;
        } else {
            self.forbidden.0.push(entry.clone());
        }
        if entry.doubtful && !self.t3247 {
            self.t3247 = true;
            self.out.push(Output::Start(Timer::T3247, doubt_lasts(self.imsi().number())));
        }
        self.tell(Told::Forbidden(Box::new(entry)));
    }

    /// T3247 has expired: what nobody has vouched for is forgotten (§5.3.7b).
    pub(super) fn doubts_are_over(&mut self) {
        self.t3247 = false;
        let before = self.forbidden.0.len();
        self.forbidden.0.retain(|entry| !entry.doubtful);
        if self.forbidden.0.len() < before {
            self.tell(Told::Allowed("T3247 has expired: what nothing has protected is forgotten".into()));
        }
    }

    /// The network has accepted the UE here: it is forbidden no more (§5.3.2, TS 23.122 §3.1).
    pub(super) fn allowed_here(&mut self) {
        let here = self.serving;
        self.forbidden.0.retain(|entry| match entry.list {
            List::UsimInvalid => true,
            list if list.is_of_networks() => entry.tai.plmn != here.plmn,
            _ => entry.tai != here,
        });
        if self.device.usim.permit(here.plmn) {
            self.out.push(Output::Keep);
            let list = List::ForbiddenPlmns.words();
            self.tell(Told::Allowed(format!("{} has left the list \"{list}\" of the USIM", here.plmn)));
        }
    }

    /// What goes with the power: everything but the USIM's list (§5.3.2, §5.5.1.2.5, TS 23.122 §3.1).
    pub(super) fn lists_are_erased(&mut self) {
        self.forbidden.0.clear();
        if std::mem::take(&mut self.t3247) {
            self.out.push(Output::Stop(Timer::T3247));
        }
    }
}
