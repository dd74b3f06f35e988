//! The lifecycle of one RNCP (seed, section 3.2.2).
//!
//! The seed's figure of the transitions is not in its text. This is how its sentences are read here:
//!
//! | from \ to | Installed | Activated | Selected | Blocked | Retired | Deleted |
//! |---|---|---|---|---|---|---|
//! | Installed | – | activate | – | – | retire | delete |
//! | Activated | – | – | select | block | retire | delete |
//! | Selected  | – | end session | – | – | – | – |
//! | Blocked   | – | unblock | – | – | retire | delete |
//! | Retired   | – | – | – | – | – | delete |
//! | Deleted   | – | – | – | – | – | – |
//!
//! - *Installed* is where an instance begins: "has been created and has an entry in the registry".
//! - "Only an activated RNCP can be selected. When the session ends, the RNCP reverts to the Activated state": a session
//!   has to end before anything else can happen to it.
//! - *Blocked* is an activated one "temporarily de-activated"; "unblocking causes it to be restored to the Activated
//!   state". What was never activated cannot be blocked.
//! - *Retired* is "permanently unavailable": nothing leads back.
//! - "Deletion may be applied to a RNCP that is in any of the above lifecycle states except for the selected state."

use serde::{Deserialize, Serialize};

/// Where an RNCP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has been created and has an entry in the registry.
    Installed,
    /// It is authorised for operational use.
    Activated,
    /// A session with it is on.
    Selected,
    /// It is temporarily de-activated.
    Blocked,
    /// It is permanently unavailable, but still there.
    Retired,
    /// It is removed from the device's memory.
    Deleted,
}

/// What can happen to an RNCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It is authorised for use.
    Activate,
    /// A session begins.
    Select,
    /// The session ends.
    EndSession,
    /// It is taken out of use for a time.
    Block,
    /// It is put back into use.
    Unblock,
    /// It is taken out of use for good.
    Retire,
    /// It is removed.
    Delete,
}

impl State {
    /// All of them, in the seed's order.
    pub const ALL: [Self; 6] =
        [Self::Installed, Self::Activated, Self::Selected, Self::Blocked, Self::Retired, Self::Deleted];

    /// Where `event` leads from here.
    ///
    /// # Errors
    /// If the table has no such transition.
    pub fn after(self, event: Event) -> Result<Self, NoTransition> {
        Ok(match (self, event) {
            (Self::Installed, Event::Activate)
            | (Self::Selected, Event::EndSession)
            | (Self::Blocked, Event::Unblock) => Self::Activated,
            (Self::Activated, Event::Select) => Self::Selected,
            (Self::Activated, Event::Block) => Self::Blocked,
            (Self::Installed | Self::Activated | Self::Blocked, Event::Retire) => Self::Retired,
            (Self::Installed | Self::Activated | Self::Blocked | Self::Retired, Event::Delete) => {
                Self::Deleted
            }
            _ => return Err(NoTransition { from: self, event }),
        })
    }

    /// The event that leads from here to `to`, if there is one.
    #[must_use]
    pub fn to(self, to: Self) -> Option<Event> {
        Event::ALL.into_iter().find(|event| self.after(*event) == Ok(to))
    }

    /// Whether it counts as active: activated, or selected, which only an activated one can be.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Activated | Self::Selected)
    }
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Activate,
        Self::Select,
        Self::EndSession,
        Self::Block,
        Self::Unblock,
        Self::Retire,
        Self::Delete,
    ];
}

/// The lifecycle has no such transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{from:?} has no transition by {event:?} (seed, section 3.2.2){}", hint(*.from))]
pub struct NoTransition {
    /// Where it is.
    pub from: State,
    /// What was to happen.
    pub event: Event,
}

fn hint(from: State) -> &'static str {
    match from {
        State::Selected => "; end its session first",
        State::Blocked => "; unblock it first",
        State::Installed => "; activate it first",
        State::Activated => "",
        State::Retired => "; it can only be deleted, and another be installed",
        State::Deleted => "; install another",
    }
}

#[cfg(test)]
mod tests {
    use super::{Event::*, State::*, *};

    /// Every pair of states: the event of the table, or none.
    #[test]
    fn every_pair_of_states_is_as_the_table_says() {
        #[rustfmt::skip]
        let table: [[Option<Event>; 6]; 6] = [
            // Installed  Activated         Selected      Blocked      Retired       Deleted
            [None,        Some(Activate),   None,         None,        Some(Retire), Some(Delete)], // Installed
            [None,        None,             Some(Select), Some(Block), Some(Retire), Some(Delete)], // Activated
            [None,        Some(EndSession), None,         None,        None,         None        ], // Selected
            [None,        Some(Unblock),    None,         None,        Some(Retire), Some(Delete)], // Blocked
            [None,        None,             None,         None,        None,         Some(Delete)], // Retired
            [None,        None,             None,         None,        None,         None        ], // Deleted
        ];
        for (from, row) in State::ALL.into_iter().zip(table) {
            for (to, expected) in State::ALL.into_iter().zip(row) {
                assert_eq!(from.to(to), expected, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn every_event_in_every_state_leads_along_the_table_or_is_refused() {
        let allowed = [
            (Installed, Activate),
            (Installed, Retire),
            (Installed, Delete),
            (Activated, Select),
            (Activated, Block),
            (Activated, Retire),
            (Activated, Delete),
            (Selected, EndSession),
            (Blocked, Unblock),
            (Blocked, Retire),
            (Blocked, Delete),
            (Retired, Delete),
        ];
        for from in State::ALL {
            for event in Event::ALL {
                let after = from.after(event);
                assert_eq!(after.is_ok(), allowed.contains(&(from, event)), "{from:?} {event:?}");
                if after.is_err() {
                    assert_eq!(after, Err(NoTransition { from, event }));
                }
            }
        }
    }
}
