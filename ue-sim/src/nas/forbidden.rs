//! Where a UE does not go after a reject: its lists of forbidden networks and tracking areas, and a USIM that counts as
//! invalid (TS 24.301 §5.3.2, §5.5.1.2.5, §5.5.2.3.2, §5.5.3.2.5, §5.6.1.5; TS 23.122 §3.1). What nobody vouches for is
//! forgotten within the hour (T3247, §5.3.7b).

use std::time::Duration;

use super::cause::{self, Consequence};
use super::{Entry, List, NasError, Output, Timer, Told, Ue};

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
