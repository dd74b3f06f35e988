//! Whether the network is genuine: what follows from challenges that the UE has refused (TS 24.301 §5.4.2.7 c to f).

use super::doubt::Doubt;
use super::{EmmState, Output, Timer, Told, Ue};

/// So many challenges refused in a row, for whatever reason, and the network is not genuine (TS 24.301 §5.4.2.7 c, d, e).
const IN_A_ROW: u8 = 3;

impl Ue {
    /// A challenge has come: T3418 and T3420 stop. Gives what was doubted until now.
    pub(super) fn undoubted(&mut self) -> Option<Doubt> {
        let before = self.doubt.take();
        if let Some(doubt) = &before {
            self.out.push(Output::Stop(doubt.timer));
        }
        before
    }

    /// The network has proven itself: the procedure that was under way is supervised again (§5.4.2.7 c, e).
    pub(super) fn trust(&mut self, before: Option<Doubt>) {
        let paused = before.and_then(|doubt| doubt.paused);
        if let Some(procedure) = self.state.procedure().filter(|procedure| paused == Some(*procedure)) {
            let timer = procedure.timer();
            self.out.push(Output::Start(timer, timer.length()));
        }
    }

    /// A challenge was refused and the network told so: `timer`, T3418 or T3420, starts, and the procedure under way
    /// waits (§5.4.2.7 c, d, e).
    pub(super) fn refuse(&mut self, before: Option<Doubt>, timer: Timer) {
        let (refused, paused) = match before {
            Some(doubt) => (doubt.refused.saturating_add(1), doubt.paused),
            None => {
                let under_way = self.state.procedure();
                self.out.extend(under_way.map(|procedure| Output::Stop(procedure.timer())));
                (1, under_way)
            }
        };
        let doubt = Doubt { timer, refused, paused };
        if refused >= IN_A_ROW {
            self.not_genuine(doubt, format!("it has failed {IN_A_ROW} times in a row"));
        } else {
            self.out.push(Output::Start(timer, timer.length()));
            self.doubt = Some(doubt);
        }
    }

    /// T3418 or T3420 has expired: there was no other challenge.
    pub(super) fn left_in_doubt(&mut self, timer: Timer) {
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.timer == timer) {
            let seconds = timer.length().as_secs();
            self.not_genuine(doubt, format!("{timer:?}: nothing came within {seconds} s of the refusal"));
        }
    }

    /// §5.4.2.7 f: the UE lets go of the connection by itself, and does not use the cell for a while.
    fn not_genuine(&mut self, doubt: Doubt, why: String) {
        self.trust(Some(doubt));
        self.barred = true;
        self.out.push(Output::Start(Timer::Barred, Timer::Barred.length()));
        self.tell(Told::NetworkNotGenuine { why });
        self.out.push(Output::Release);
    }

    /// The cell may be used again: its time is over, or the UE is switched off.
    pub(super) fn cell_is_free(&mut self) {
        if std::mem::take(&mut self.barred) {
            self.out.push(Output::Stop(Timer::Barred));
        }
    }

    /// Whether the cell is barred: its network did not prove genuine (TS 24.301 §5.4.2.7 f). The UE neither sends there
    /// nor listens.
    #[must_use]
    pub fn is_barred(&self) -> bool {
        self.barred
    }

    /// Switches the UE off where there is nobody to tell: it was not registered, or its cell is barred.
    pub(super) fn switch_off_alone(&mut self) -> Vec<Output> {
        self.switched_off();
        if self.state == EmmState::Deregistered {
            self.tell(Told::Detached { by_network: false, reattach: false, cause: None });
        } else {
            self.left(false, false, None);
        }
        self.flush()
    }

    /// What a UE forgets with its power.
    pub(super) fn switched_off(&mut self) {
        self.cell_is_free();
        self.lists_are_erased();
    }
}
