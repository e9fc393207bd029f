//! Calls that a host has, and the memory it looks at.

use crate::{
    base::{
        call::{Outcome, Outlet, Produced, Reply, Timing},
        contract::Contract,
        device::{End, OnDevice, Sender},
        fault::{Fault, Kind, Phase},
        tensor::Tensor,
        units::{CallId, Rows},
    },
    link::tensors::{Lent, fit},
    wire::frame::Malformed,
};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};

#[derive(Debug)]
pub(super) struct Flight {
    /// The gateway's own number; the wire has one of the link's, which no retry can bring a second time.
    pub(super) id: CallId,
    pub(super) reply: Reply,
    pub(super) rows: Rows,
    /// Parts that may yet come.
    pub(super) credit: u32,
    pub(super) contract: Arc<Contract>,
    pub(super) lent: Lent,
    pub(super) on_device: Option<Arc<OnDevice>>,
    /// Where its frame ends in all that was ever sent on this link.
    pub(super) end: u64,
}

/// Whose a part is, and where it goes.
type Reader = (CallId, Option<Arc<dyn Outlet>>);

/// Of one link. Exactly one of: in flight, answered with memory still lent, over.
#[derive(Debug)]
pub(super) struct Flights {
    flying: FxHashMap<u64, Flight>,
    lent: FxHashMap<u64, Lent>,
    /// Regions of devices that the host was told of, and may have open.
    mapped: FxHashMap<u64, Arc<End>>,
    /// Of calls whose answers come in parts: their readers' news come often.
    numbers: FxHashMap<CallId, u64>,
    next: u64,
    /// Somebody looks now and then whether the host still answers.
    watched: bool,
    /// False from the moment the link is lost, or one side wants no more calls to take off.
    pub(super) open: bool,
}

impl Flights {
    pub(super) fn new() -> Flights {
        Flights {
            flying: FxHashMap::default(),
            lent: FxHashMap::default(),
            mapped: FxHashMap::default(),
            numbers: FxHashMap::default(),
            next: 1,
            watched: false,
            open: true,
        }
    }

    /// The number on the wire of the next call.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// True: nobody watches the host, and somebody should.
    pub(super) fn took_off(&mut self, number: u64, flight: Flight) -> bool {
        if flight.credit > 0 {
            self.numbers.insert(flight.id, number);
        }
        self.flying.insert(number, flight);
        !std::mem::replace(&mut self.watched, true)
    }

    /// True if there is nothing to watch for; who asks is to be woken by the next call.
    pub(super) fn rest(&mut self) -> bool {
        self.watched = !self.flying.is_empty();
        !self.watched
    }

    /// A terminal frame came. `released`: the host no longer looks at the inputs.
    pub(super) fn land(&mut self, number: u64, released: bool) -> Result<Flight, Malformed> {
        let flight = self.flying.remove(&number);
        let mut flight = flight.ok_or_else(|| {
            Malformed::conduct(format!("an answer to call {number}, which is not in flight"))
        })?;
        let lent = std::mem::take(&mut flight.lent);
        if !released && !lent.is_empty() {
            self.lent.insert(number, lent);
        }
        if flight.contract.streams {
            self.numbers.remove(&flight.id);
        }
        Ok(flight)
    }

    /// A part of a call's answer came: where it goes, if it fits its contract.
    pub(super) fn part(&mut self, number: u64, part: &Produced) -> Result<Reader, Malformed> {
        let flight = self.flying.get_mut(&number);
        let flight = flight.ok_or_else(|| {
            Malformed::conduct(format!("a part of the answer to call {number}, which is not in flight"))
        })?;
        flight.credit = flight.credit.checked_sub(1).ok_or_else(|| {
            Malformed::conduct(format!("a part of the answer to call {number} that nobody asked for"))
        })?;
        fit(&part.outputs, &flight.contract.outputs, flight.rows)?;
        Ok((flight.id, flight.reply.outlet().cloned()))
    }

    /// So many more parts of a call's answer may come; its number on the wire.
    pub(super) fn allow(&mut self, id: CallId, parts: u32) -> Option<u64> {
        let number = *self.numbers.get(&id)?;
        let flight = self.flying.get_mut(&number)?;
        flight.credit = flight.credit.saturating_add(parts);
        Some(number)
    }

    /// The host looked at the inputs of an answered call for the last time.
    pub(super) fn released(&mut self, number: u64) -> Result<(), Malformed> {
        let lent = self.lent.remove(&number).map(drop);
        lent.ok_or_else(|| {
            Malformed::conduct(format!("a release of call {number}, which has no memory lent"))
        })
    }

    /// Linear, because only a caller that goes away pays it, and a window is hundreds at most.
    pub(super) fn number_of(&self, id: CallId) -> Option<u64> {
        self.flying.iter().find(|(_, flight)| flight.id == id).map(|(number, _)| *number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    /// The link is gone: nothing more takes off, and these calls are to be answered, in the order in which they were
    /// sent. What they lent stays lent, for the host may be alive and run them.
    pub(super) fn close(&mut self) -> Vec<Flight> {
        self.open = false;
        self.numbers.clear();
        let mut lost: Vec<_> = std::mem::take(&mut self.flying).into_iter().collect();
        for (number, flight) in &mut lost {
            let lent = std::mem::take(&mut flight.lent);
            if !lent.is_empty() {
                self.lent.insert(*number, lent);
            }
        }
        let mut lost: Vec<_> = lost.into_iter().map(|(_, flight)| flight).collect();
        lost.sort_unstable_by_key(|flight| flight.end);
        lost
    }

    /// A call is about to tell the host of these regions, over the link of `sender`.
    pub(super) fn maps(&mut self, on_device: &OnDevice, sender: &Weak<dyn Sender>) {
        for span in on_device.inputs.iter().chain(&on_device.outputs) {
            if let Entry::Vacant(new) = self.mapped.entry(span.region.number)
                && let Some(end) = span.region.sent_by(Weak::clone(sender))
            {
                new.insert(end);
            }
        }
    }

    /// The host has closed a region. What comes back is to be dropped outside the lock: somebody waits for it.
    pub(super) fn unmapped(&mut self, number: u64) -> Result<Arc<End>, Malformed> {
        let end = self.mapped.remove(&number);
        end.ok_or_else(|| Malformed::conduct(format!("the end of region {number}, of which it was not told")))
    }

    /// What the host of a closed link may still look at.
    pub(super) fn take_lent(&mut self) -> (Vec<Lent>, Vec<Arc<End>>) {
        let lent = std::mem::take(&mut self.lent).into_values().collect();
        (lent, std::mem::take(&mut self.mapped).into_values().collect())
    }
}

impl Flight {
    /// Whether it may end so. The end of an answer in parts is no part itself.
    pub(super) fn fits(&self, end: &Produced) -> Result<(), Malformed> {
        match (self.contract.streams, end.outputs.len()) {
            (false, _) => {
                let named = |at| self.on_device.as_ref().is_some_and(|named| named.output(at).is_some());
                let is_stray = |(at, output): (usize, &Tensor)| {
                    output.is_on_device() != (named(at) && output.byte_len() > 0)
                };
                if end.outputs.iter().enumerate().any(is_stray) {
                    return Err(Malformed::conduct(
                        "outputs on a device that are not those that the call names",
                    ));
                }
                fit(&end.outputs, &self.contract.outputs, self.rows)
            }
            (true, 0) => Ok(()),
            (true, more) => {
                Err(Malformed::conduct(format!("{more} tensors at the end of an answer in parts")))
            }
        }
    }

    /// Answers a call whose host is gone. A frame whose last byte never left cannot have been acted on.
    pub(super) fn lost(self, written: u64, why: &str) {
        let phase = if self.end > written { Phase::NotStarted } else { Phase::Started };
        let Contract { model, version, .. } = &*self.contract;
        let note = format!("model '{model}' version {version}: the host that ran it is gone: {why}");
        let fault = Fault::new(Kind::HostLost, note).at(phase);
        self.reply.settle(Outcome { result: Err(fault), timing: Timing::default() });
    }
}
