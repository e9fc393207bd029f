//! What a gateway's frames mean to the host.

use super::{
    calls::{Borrowed, Hold, Taken},
    hearing::Reading,
    session::Session,
};
use crate::{
    base::{
        call::{Call, Outlet, Reply, Tensors, Timing},
        callers::Callers,
        clock,
        contract::Contract,
        device::{End, OnDevice},
        fault::{Fault, Kind, Phase},
        units::{CallId, Rows, Tick, Version},
    },
    link::tensors::incoming,
    wire::{
        frame::{Frame, Head, Kind as FrameKind, Malformed, NO_DEADLINE, RELEASED},
        frame_encode::encode,
        frame_meta::{self, proto},
    },
};
use std::sync::Arc;
use std::time::Duration;

/// A call's number in this process: the link's number above, the gateway's below. A trillion calls a link.
const LOCAL: u32 = 40;
pub(super) const LOCAL_BITS: u64 = (1 << LOCAL) - 1;

impl Reading {
    pub(super) fn take(&mut self, frame: Frame) -> Result<(), Malformed> {
        let call = frame.head.call;
        #[cfg(test)]
        crate::base::panics::trip(&format!("a frame of call {call}"));
        match frame.head.kind {
            FrameKind::Infer => self.infer(frame),
            FrameKind::Cancel => {
                if let Some(carrier) = self.session.carrier_of(call) {
                    carrier.cancel(self.session.local(call)); // else its answer is on the way
                }
                Ok(())
            }
            FrameKind::Taken => {
                let taken: proto::Taken = frame_meta::decode(&frame.meta)?;
                let carrier = self.session.carrier_of(call);
                if let Some(carrier) = carrier {
                    carrier.credit(self.session.local(call), taken.parts); // else its end is on the way
                }
                Ok(())
            }
            FrameKind::Release => {
                let released: proto::Released = frame_meta::decode(&frame.meta)?;
                released.calls.into_iter().try_for_each(|call| self.released(call))
            }
            FrameKind::Unmap => {
                let region: proto::Region = frame_meta::decode(&frame.meta)?;
                match self.session.regions.forget(region.number) {
                    Some(region) => drop(region), // at its end the gateway hears of it
                    None => self.session.unmapped(region.number),
                }
                Ok(())
            }
            FrameKind::Drain => {
                self.leaves = true; // it closes the socket when it has its answers
                self.session.heard_the_last();
                Ok(())
            }
            FrameKind::Ping => {
                self.session.put(|out| encode(out, &Head::new(FrameKind::Pong, 0), |_| {}, &[]));
                self.session.outbox.nudge();
                Ok(())
            }
            FrameKind::Hello
            | FrameKind::Credit
            | FrameKind::Answer
            | FrameKind::Fail
            | FrameKind::Stats
            | FrameKind::NotHere
            | FrameKind::Pong
            | FrameKind::Part
            | FrameKind::Unmapped => {
                Err(Malformed::conduct(format!("a gateway sent {:?} for call {call}", frame.head.kind)))
            }
        }
    }

    fn released(&self, call: u64) -> Result<(), Malformed> {
        let lent = self.session.calls.lock().lent.remove(&call).map(drop);
        lent.ok_or_else(|| Malformed::conduct(format!("a release of call {call}, which has no memory lent")))
    }

    fn infer(&mut self, frame: Frame) -> Result<(), Malformed> {
        let Frame { head, meta, tensors } = frame;
        let infer: proto::Infer = frame_meta::decode(&meta)?;
        let (session, number, rows) = (&self.session, head.call, Rows::new(infer.rows));
        self.check_new(number)?;
        let version = Version(infer.version);
        let carried = match session.common.is_draining() {
            true => None,
            false => session.common.intakes.find(&infer.model, version),
        };
        let Some(carried) = carried else {
            let head = Head { flags: RELEASED, ..Head::new(FrameKind::NotHere, number) };
            session.put(|out| encode(out, &head, |_| {}, &[]));
            return Ok(());
        };
        let account = self.accounts.entry((carried.contract.model.clone(), version)).or_default();
        let most = carried.most;
        if !account.take(rows, most) {
            session.fail(number, true, &over_window(rows, most), &Timing::default());
            return Ok(());
        }
        let account = Arc::clone(account);
        let mut lender = None;
        let hold = || {
            let new = || {
                let borrowed = Arc::new(Borrowed::default());
                Arc::new(Hold { session: Arc::clone(session), call: number, borrowed })
            };
            Arc::clone(lender.get_or_insert_with(new))
        };
        let inputs = incoming(tensors, self.memory.as_ref(), hold)?;
        let borrowed = lender.as_ref().map(|hold| Arc::clone(&hold.borrowed));
        let on_device = self.on_device(&infer, &inputs, &carried.contract)?;
        let callers = callers(&infer.callers)?;
        let parameters = frame_meta::parameters_in(infer.parameters)?;
        let carrier = Arc::clone(&carried.carrier);
        let taken = Taken { rows, account, carrier, inputs: borrowed, broken: None };
        session.calls.lock().running.insert(number, taken);
        drop(lender);
        let (id, arrived) = (session.local(number), clock::now());
        let reply = Reply::new(id, Arc::clone(session) as Arc<dyn Outlet>);
        let deadline = deadline(arrived, &head);
        let (attempt, credit) = (head.attempt, infer.credit);
        let level = u8::try_from(infer.above).unwrap_or(u8::MAX).saturating_add(1);
        let slot = None;
        let call = Call {
            id,
            inputs,
            rows,
            parameters,
            arrived,
            deadline,
            level,
            attempt,
            credit,
            slot,
            on_device,
            callers,
            reply,
        };
        carried.carrier.send(call);
        Ok(())
    }

    fn on_device(
        &self,
        infer: &proto::Infer,
        inputs: &Tensors,
        contract: &Contract,
    ) -> Result<Option<Arc<OnDevice>>, Malformed> {
        let end = |number| {
            // With the memory its leash: where the link is gone, that is how the gateway hears of it.
            let (session, memory) = (Arc::downgrade(&self.session), self.memory.clone());
            End::new(move || {
                if let Some(session) = session.upgrade() {
                    session.unmapped(number);
                }
                drop(memory);
            })
        };
        self.session.regions.named(infer, inputs, contract, end)
    }

    fn check_new(&self, number: u64) -> Result<(), Malformed> {
        let calls = self.session.calls.lock();
        let used = calls.running.contains_key(&number) || calls.lent.contains_key(&number);
        if used || number > LOCAL_BITS {
            return Err(Malformed::conduct(format!("call number {number} is in use, or not a number")));
        }
        Ok(())
    }
}

impl Session {
    pub(super) fn local(&self, number: u64) -> CallId {
        CallId(self.number << LOCAL | number)
    }
}

fn callers(said: &str) -> Result<Option<Callers>, Malformed> {
    let read = (!said.is_empty()).then(|| Callers::parse(said));
    read.transpose().map_err(Malformed::conduct)
}

fn deadline(arrived: Tick, head: &Head) -> Tick {
    match head.remaining_us {
        NO_DEADLINE => Tick::NEVER,
        micros => arrived.plus(Duration::from_micros(micros)),
    }
}

/// A window that shrank a moment ago looks like this too: nothing to end the link for.
fn over_window(rows: Rows, window: Rows) -> Fault {
    let note = format!("{} more rows do not fit the link's window of {} rows", rows.get(), window.get());
    Fault::new(Kind::Overloaded, note).at(Phase::NotAdmitted)
}
