//! Callers: who asks for what, who hangs up, who looks at an answer and for how long.

use super::{
    caller::{Weather, Wish},
    host::{MAX_ROWS, STREAMS},
    rows::{HEAD, Verb},
    world::{Holder, World},
};

impl World {
    pub(super) fn ask(&mut self) {
        let at = self.dice.usize(..self.gateways.len());
        if self.gateways[at].process.is_stopped() || self.waiting.len() > 60 {
            return;
        }
        let verb = match self.dice.u8(..100) {
            0..3 => Verb::Raise,
            3..6 => Verb::Reject,
            6..8 if self.weather == Weather::Storm => Verb::Kill,
            8..10 if self.weather == Weather::Storm => Verb::Hang,
            _ => Verb::Answer,
        };
        let widths = [HEAD, 16, 16, 16, 2048, 2048, 20 << 10, 70 << 10];
        let wish = Wish {
            id: self.id(),
            version: match self.dice.u8(..6) {
                0 | 1 => Some(self.dice.u64(1..=2)),
                2 => Some(STREAMS),
                _ => None,
            },
            rows: self.dice.u32(1..=MAX_ROWS),
            width: widths[self.dice.usize(..widths.len())],
            verb,
            patience: (self.dice.u8(..3) == 0).then(|| self.ms(1..400)),
        };
        // Who sends what kills tends to send it again.
        let wish = match self.poison.filter(|_| verb == Verb::Kill && self.dice.bool()) {
            Some(again) => again,
            None => wish,
        };
        if verb == Verb::Kill {
            self.poison = Some(wish);
        }
        self.note(|| format!("{wish:?}"));
        let may = self.dice.usize(..24);
        let caller = self.gateways[at].ask(wish, self.now, may);
        self.waiting.push(caller);
    }

    /// A caller hangs up.
    pub(super) fn leave(&mut self) {
        let Some(at) = self.dice.usize(..).checked_rem(self.waiting.len()) else { return };
        let Some(gateway) = self.gateways.iter_mut().find(|one| one.id == self.waiting[at].gateway) else {
            return;
        };
        if gateway.process.is_stopped() || self.waiting[at].end.lock().is_some() {
            return;
        }
        let caller = self.waiting.swap_remove(at);
        let heard = caller.heard();
        gateway.process.within(|| caller.task.abort());
        gateway.process.turn(1);
        gateway.left += 1;
        self.note(|| format!("caller {} leaves after {heard} parts", caller.wish.id));
        if heard > 0 {
            self.see("left after parts");
        }
    }

    /// One who pauses at an answer in parts reads on.
    pub(super) fn read(&mut self) {
        let (from, parts) = (self.dice.usize(..), self.dice.usize(1..12));
        let readers: Vec<_> = self.waiting.iter().filter_map(|caller| caller.reader.as_ref()).collect();
        if let Some(reader) = from.checked_rem(readers.len()).and_then(|at| readers.get(at)) {
            reader.may_read(parts);
        }
    }

    /// Somebody is done with an answer, which must be as it was.
    pub(super) fn look_away(&mut self) -> Result<(), String> {
        let Some(at) = self.dice.usize(..).checked_rem(self.held.len()) else { return Ok(()) };
        let Holder { caller, answer } = self.held.swap_remove(at);
        let gateway = self.gateways.iter().find(|one| one.id == caller.gateway);
        let still = caller.is_mine(&answer).map_err(|why| format!("after it was read: {why}"));
        match gateway {
            Some(gateway) => gateway.process.within(|| drop(answer)),
            None => drop(answer),
        }
        still
    }
}
