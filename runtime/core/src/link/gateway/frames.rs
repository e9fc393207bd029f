//! What a host's frames mean to the gateway.

use super::{
    Common,
    session::{Announced, Hold, Running},
    slot::Slot,
};
use crate::{
    base::{
        call::{Outcome, Produced, Window},
        contract::Contract,
        fault::{Fault, Kind, Phase},
        units::Rows,
    },
    link::tensors::incoming,
    wire::{
        frame::{Frame, Kind as FrameKind, Malformed, RELEASED, WireTensor},
        frame_meta::{self, proto},
    },
};
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a run can be, for its numbers are counted with: the widest batch that a model may ask for, and twice the longest
/// `hang_timeout_s`.
const MOST_ROWS: u32 = 1 << 20;
const LONGEST_NS: u64 = 2 * 604_800_000_000_000;

impl Running {
    pub(super) fn take(&mut self, frame: Frame) -> Result<(), Malformed> {
        let call = frame.head.call;
        match frame.head.kind {
            FrameKind::Answer | FrameKind::Fail | FrameKind::NotHere => self.terminal(frame),
            FrameKind::Part => self.part(frame),
            FrameKind::Stats => self.executed(&frame_meta::decode(&frame.meta)?),
            FrameKind::Hello => self.announced(frame_meta::decode(&frame.meta)?),
            FrameKind::Credit => self.credit(frame_meta::decode(&frame.meta)?),
            FrameKind::Release => {
                let released: proto::Released = frame_meta::decode(&frame.meta)?;
                let mut flights = self.session.flights.lock();
                released.calls.into_iter().try_for_each(|call| flights.released(call))
            }
            FrameKind::Drain => {
                self.leaving = true;
                self.send_no_more();
                Ok(())
            }
            FrameKind::Unmapped => {
                let region: proto::Region = frame_meta::decode(&frame.meta)?;
                let end = self.session.flights.lock().unmapped(region.number)?;
                drop(end);
                Ok(())
            }
            FrameKind::Pong => Ok(()), // that something came is all it says
            FrameKind::Infer | FrameKind::Cancel | FrameKind::Ping | FrameKind::Taken | FrameKind::Unmap => {
                Err(Malformed::conduct(format!("a host sent {:?} for call {call}", frame.head.kind)))
            }
        }
    }

    fn terminal(&self, frame: Frame) -> Result<(), Malformed> {
        let Frame { head, meta, tensors } = frame;
        let released = head.flags & RELEASED != 0;
        let (result, timing) = match head.kind {
            FrameKind::Answer => {
                let answer: proto::Answer = frame_meta::decode(&meta)?;
                let parameters = frame_meta::parameters_in(answer.parameters)?;
                // Released when the last view is gone: at once if there is none, for BYTES are copied.
                let new = || Arc::new(Hold { session: Arc::clone(&self.session), call: head.call });
                let hold = tensors.iter().any(WireTensor::is_lent).then(new);
                let outputs = incoming(tensors, self.memory.as_ref(), || hold.clone())?;
                (Ok(Produced { outputs, parameters }), frame_meta::timing_in(answer.timing))
            }
            FrameKind::NotHere => {
                let fault = Fault::new(Kind::Unavailable, "the host does not carry this version any more");
                (Err(fault.at(Phase::NotAdmitted)), frame_meta::timing_in(None))
            }
            FrameKind::Fail
            | FrameKind::Hello
            | FrameKind::Credit
            | FrameKind::Infer
            | FrameKind::Cancel
            | FrameKind::Release
            | FrameKind::Stats
            | FrameKind::Drain
            | FrameKind::Ping
            | FrameKind::Pong
            | FrameKind::Part
            | FrameKind::Taken
            | FrameKind::Unmap
            | FrameKind::Unmapped => {
                let (fault, timing) = frame_meta::failure_in(frame_meta::decode(&meta)?)?;
                (Err(fault), timing)
            }
        };
        let mut flights = self.session.flights.lock();
        let flight = flights.land(head.call, released)?;
        if flights.is_empty() {
            self.session.landed.notify_one();
        }
        drop(flights);
        if let Err(malformed) = result.as_ref().map_or(Ok(()), |produced| flight.fits(produced)) {
            flight.lost(u64::MAX, "it answered with other outputs than it declared");
            return Err(malformed);
        }
        flight.reply.settle(Outcome { result, timing });
        Ok(())
    }

    /// Small, and so never in memory that would have to be given back.
    fn part(&self, frame: Frame) -> Result<(), Malformed> {
        let Frame { head, meta, tensors } = frame;
        if !tensors.iter().all(WireTensor::is_inline) {
            return Err(Malformed::conduct(format!("a part of the answer to call {} in memory", head.call)));
        }
        let part: proto::Part = frame_meta::decode(&meta)?;
        let parameters = frame_meta::parameters_in(part.parameters)?;
        let part = Produced { outputs: incoming(tensors, None, || ())?, parameters };
        let (call, outlet) = self.session.flights.lock().part(head.call, &part)?;
        if let Some(outlet) = outlet {
            outlet.emit(call, part);
        }
        Ok(())
    }

    fn executed(&self, executed: &proto::Executed) -> Result<(), Malformed> {
        let key = (CompactString::from(executed.model.as_str()), executed.version);
        let announced = self.versions.get(&key);
        let announced = announced.ok_or_else(|| {
            Malformed::conduct(format!("an execution of {} {}, never announced", key.0, key.1))
        })?;
        let execution = frame_meta::executed_in(executed);
        let longest = [execution.input_ns, execution.infer_ns, execution.output_ns].into_iter().max();
        if !(1..=MOST_ROWS).contains(&execution.rows) || longest > Some(LONGEST_NS) {
            return Err(Malformed::conduct(format!("an execution that cannot be: {execution:?}")));
        }
        self.session.common.roster.executed(&announced.contract, execution);
        Ok(())
    }

    /// The whole set of what the host carries now.
    pub(super) fn announced(&mut self, hello: proto::Hello) -> Result<(), Malformed> {
        let mut now = BTreeMap::new();
        for carried in hello.carried {
            let window = Window { rows: Rows::new(carried.window_rows) };
            let contract =
                carried.contract.ok_or_else(|| Malformed::Meta("a version without contract".into()))?;
            let contract = frame_meta::contract_in(contract)?;
            now.insert((contract.model.clone(), contract.version.0), (contract, window));
        }
        self.close_those(|key, was| now.get(key).is_none_or(|(contract, _)| *contract != *was.contract));
        let Common { roster, log, .. } = &*self.session.common;
        let takes_calls = self.session.flights.lock().open;
        for (key, (contract, window)) in now.into_iter().filter(|_| takes_calls) {
            if let Some(id) = self.versions.get(&key).and_then(|was| was.carrier) {
                roster.carrier_window(id, window);
                continue;
            }
            let contract = Arc::new(contract);
            let slot = Arc::new(Slot::new(&self.session, Arc::clone(&contract)));
            // Known before it is up: the roster may send calls at once.
            self.versions.insert(key.clone(), Announced { contract: Arc::clone(&contract), carrier: None });
            match roster.carrier_up(contract, slot, window) {
                Ok(id) => {
                    self.versions.entry(key).and_modify(|announced| announced.carrier = Some(id));
                }
                Err(fault) => {
                    log(format!("model '{}' version {} of a host is not used: {fault}", key.0, key.1))
                }
            }
        }
        Ok(())
    }

    fn credit(&mut self, credit: proto::Credit) -> Result<(), Malformed> {
        let proto::Credit { model, version, rows, batching } = credit;
        let Some(announced) = self.versions.get_mut(&(model.as_str().into(), version)) else {
            return Err(Malformed::conduct(format!("credit for {model} {version}, never announced")));
        };
        let (roster, window) = (&self.session.common.roster, Window { rows: Rows::new(rows) });
        if let Some(batching) = batching {
            let batching = frame_meta::batching_in(batching)?;
            announced.contract = Arc::new(Contract { batching, ..(*announced.contract).clone() });
            if let Some(id) = announced.carrier {
                roster.carrier_changed(id, Arc::clone(&announced.contract), window);
            }
        } else if let Some(id) = announced.carrier {
            roster.carrier_window(id, window);
        }
        Ok(())
    }
}
