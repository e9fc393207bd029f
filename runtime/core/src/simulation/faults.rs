//! What goes wrong, and what operators do.

use super::{
    caller::Weather,
    host::{HostProcess, MODEL},
    wire::Side,
    world::{Event, MS, World},
};
use crate::base::contract::Batching;

impl World {
    /// Something that the weather allows.
    pub(super) fn fault(&mut self) {
        match (self.weather, self.dice.u8(..10)) {
            (Weather::Calm, _) => {}
            (_, 0) => self.drain(),
            (_, 1) => self.new_table(),
            (_, 2) => self.new_limits(),
            (_, 3) => self.directory(),
            (Weather::Change, _) => {}
            (Weather::Storm, 4) => {
                if let Some(at) = self.dice.usize(..).checked_rem(self.hosts.len()) {
                    self.kill_host(at);
                }
            }
            (Weather::Storm, 5) => self.kill_gateway(),
            (Weather::Storm, 6) => self.freeze(),
            (Weather::Storm, 7) => self.garble(),
            (Weather::Storm, _) => self.slow(),
        }
    }

    /// Another comes for it, before or after.
    fn drain(&mut self) {
        let Some(at) = self.dice.usize(..).checked_rem(self.hosts.len()) else { return };
        let (now, wait) = (self.now, self.ms(0..500));
        let host = &mut self.hosts[at];
        if host.draining.is_some() || host.process.is_stopped() {
            return;
        }
        let (id, versions) = (host.id, host.versions());
        if self.dice.bool() {
            self.start_host(&versions);
        } else {
            self.events.push((now + wait, Event::Host(versions)));
        }
        self.note(|| format!("host {id} drains"));
        self.hosts[at].drain(now);
        let when = now + self.ms(0..50);
        self.events.push((when, Event::Directory));
    }

    /// Tables reach gateways when they like, and some twice.
    fn new_table(&mut self) {
        let epoch = self.tables.len() as u64 + 1;
        self.tables.push((epoch, [0, 3000, 10_000][self.dice.usize(..3)]));
        for at in 0..self.gateways.len() {
            for _ in 0..self.dice.u8(1..3) {
                let gateway = self.gateways[at].id;
                let (epoch, first) = self.tables[self.dice.usize(..self.tables.len())];
                let when = self.now + self.ms(0..30);
                self.events.push((when, Event::Table { gateway, epoch, first }));
            }
        }
    }

    /// Of batches to come.
    fn new_limits(&mut self) {
        let Some(at) = self.dice.usize(..).checked_rem(self.hosts.len()) else { return };
        let batching = Batching {
            max_rows: self.dice.u32(1..=6),
            priorities: self.dice.u8(1..=3),
            queue_rows: self.dice.u32(6..=24),
            ..self.batching()
        };
        let host = &self.hosts[at];
        for shelf in &host.shelves {
            host.process.within(|| host.host.update(&shelf.intake, &batching));
        }
        let id = host.id;
        self.note(|| format!("{MODEL} on host {id} is now {batching:?}"));
    }

    /// SIGKILL. Serve notices and replaces it.
    pub(super) fn kill_host(&mut self, at: usize) {
        let host = self.hosts.swap_remove(at);
        let id = host.id;
        self.note(|| format!("host {id} is killed"));
        if host.draining.is_none() {
            let versions = host.versions();
            let when = self.now + self.ms(1..1500);
            self.events.push((when, Event::Host(versions)));
        }
        self.bury(host);
    }

    pub(super) fn bury(&mut self, host: HostProcess) {
        self.book.ended += host.host.hangs_so_far();
        self.net.died(Side::Host, host.id);
        host.end();
        let when = self.now + self.ms(0..300);
        self.events.push((when, Event::Directory));
    }

    /// Its callers' connections are reset. The other gateway, or a new one, goes on.
    fn kill_gateway(&mut self) {
        let at = self.dice.usize(..self.gateways.len());
        let gateway = self.gateways.swap_remove(at);
        let id = gateway.id;
        self.note(|| format!("gateway {id} is killed"));
        self.waiting.retain(|caller| caller.gateway != id);
        self.held.retain(|held| held.caller.gateway != id);
        self.net.died(Side::Gateway, id);
        gateway.end();
        self.start_gateway();
    }

    fn freeze(&mut self) {
        let when = self.now + self.ms(1..3000);
        let at = self.dice.usize(..self.hosts.len() + self.gateways.len());
        let (side, id) = match at.checked_sub(self.hosts.len()) {
            Some(at) => (Side::Gateway, self.gateways[at].id),
            None => (Side::Host, self.hosts[at].id),
        };
        match at.checked_sub(self.hosts.len()) {
            Some(at) => self.gateways[at].process.stop(),
            None => self.hosts[at].process.stop(),
        }
        self.see("stopped");
        self.note(|| format!("{side:?} {id} is stopped"));
        self.events.push((when, Event::Continue(side, id)));
    }

    /// One side hears nonsense, and ends the link.
    fn garble(&mut self) {
        let Some(at) = self.dice.usize(..).checked_rem(self.net.wires.len()) else { return };
        let side = if self.dice.bool() { Side::Host } else { Side::Gateway };
        let wire = &mut self.net.wires[at];
        wire.garble(side);
        let (gateway, id) = (wire.gateway, wire.host);
        self.see("heard nonsense");
        self.note(|| format!("between gateway {gateway} and host {id}, the {side:?} hears nonsense"));
    }

    fn slow(&mut self) {
        let Some(at) = self.dice.usize(..).checked_rem(self.net.wires.len()) else { return };
        let pace = [0, 1, 100, usize::MAX][self.dice.usize(..4)];
        self.net.wires[at].pace = pace;
        let (gateway, host) = (self.net.wires[at].gateway, self.net.wires[at].host);
        self.note(|| format!("from gateway {gateway} to host {host} go {pace} bytes at a time"));
    }

    /// A host whose model hangs ends itself, sooner or later.
    pub(super) fn end_hung(&mut self) {
        for host in &mut self.hosts {
            let reports = host.host.hangs_so_far();
            self.book.ended += reports;
            host.hangs |= reports > 0;
        }
        let hung = self.hosts.iter().position(|host| host.hangs);
        if let Some(at) = hung.filter(|_| self.is_good || self.dice.u8(..8) == 0) {
            let id = self.hosts[at].id;
            self.note(|| format!("host {id} has a model that hangs"));
            self.kill_host(at);
        }
    }

    /// Whoever drains and has nothing left ends; who takes too long is ended.
    pub(super) fn end_drained(&mut self) -> Result<(), String> {
        let mut at = 0;
        while at < self.hosts.len() {
            let host = &mut self.hosts[at];
            let late = host.draining.is_some_and(|since| self.now - since > 20_000 * MS);
            let ready =
                host.draining.is_some() && host.is_idle() && !host.process.is_stopped() && host.finish();
            if !late && !ready {
                at += 1;
                continue;
            }
            let host = self.hosts.swap_remove(at);
            let id = host.id;
            self.see("drained");
            self.note(|| format!("host {id} is drained"));
            self.bury(host);
        }
        Ok(())
    }
}
