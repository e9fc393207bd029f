//! One version behind one link, as the gateway's queue sees it.

use super::{flights::Flight, session::Session};
use crate::{
    base::{
        call::{Call, Carrier},
        clock,
        contract::Contract,
        device::Sender,
        fault::{Fault, Kind, Phase},
        units::{CallId, Tick},
    },
    link::{
        on_device::spans_out,
        outbox::Unsent,
        tensors::{outgoing, places},
    },
    wire::{
        frame::{Head, Kind as FrameKind, NO_DEADLINE},
        frame_encode::encode,
        frame_meta::{self, proto},
    },
};
use std::sync::{Arc, Weak};

#[derive(Debug)]
pub(super) struct Slot {
    /// Weak: whoever still knows this carrier must not keep the socket of a link that ended.
    session: Weak<Session>,
    contract: Arc<Contract>,
    /// Model and version, encoded once: protobuf messages may be written in parts.
    name: Vec<u8>,
}

impl Slot {
    pub(super) fn new(session: &Arc<Session>, contract: Arc<Contract>) -> Slot {
        let mut name = Vec::new();
        frame_meta::append_version(&mut name, &contract.model, contract.version);
        Slot { session: Arc::downgrade(session), contract, name }
    }

    /// Appends the frame and remembers the call, in one step: an answer cannot overtake it.
    fn take_off(&self, call: Call) -> Result<(), Box<(Call, Fault)>> {
        let gone = || Fault::new(Kind::HostLost, "the link to the host is closed").at(Phase::NotAdmitted);
        let Some(session) = self.session.upgrade() else { return Err(Box::new((call, gone()))) };
        let Session { common, outbox, .. } = &*session;
        let arena = common.arena.as_ref();
        let remaining = match call.deadline {
            Tick::NEVER => NO_DEADLINE,
            due => u64::try_from(due.since(clock::now()).as_micros()).unwrap_or(NO_DEADLINE),
        };
        let rows = call.rows.get();
        let parameters = frame_meta::parameters_out(&call.parameters);
        let above = u32::from(call.level.saturating_sub(1));
        let credit = call.credit;
        let on_device = call.on_device.as_deref();
        let rest = proto::Infer {
            rows,
            above,
            credit,
            parameters,
            on_device_inputs: on_device.map_or_else(Vec::new, |named| spans_out(&named.inputs)),
            on_device_outputs: on_device.map_or_else(Vec::new, |named| spans_out(&named.outputs)),
            callers: call.callers.as_ref().map_or_else(String::new, |callers| callers.text().to_owned()),
            ..proto::Infer::default()
        };
        let lent = places(&call.inputs, arena);
        let table = outgoing(&call.inputs, &lent, arena);

        let mut flights = session.flights.lock();
        let number = flights.number();
        let head =
            Head { attempt: call.attempt, remaining_us: remaining, ..Head::new(FrameKind::Infer, number) };
        let meta = |out: &mut Vec<u8>| {
            out.extend_from_slice(&self.name);
            frame_meta::append(out, &rest);
        };
        if let Some(on_device) = on_device.filter(|_| flights.open) {
            let sender: Weak<dyn Sender> = self.session.clone();
            flights.maps(on_device, &sender);
        }
        let sent = match flights.open {
            true => outbox.put(|out| encode(out, &head, meta, &table)),
            false => Err(Unsent::Closed),
        };
        drop(table);
        match sent {
            Ok(end) => {
                let lent = lent.into_iter().flatten().collect();
                let flight = Flight {
                    id: call.id,
                    rows: call.rows,
                    reply: call.reply,
                    credit,
                    contract: Arc::clone(&self.contract),
                    lent,
                    on_device: call.on_device,
                    end,
                };
                if flights.took_off(number, flight) {
                    session.took_off.notify_one();
                }
                drop(flights);
                outbox.nudge();
                Ok(())
            }
            Err(Unsent::Closed) => Err(Box::new((call, gone()))),
            Err(Unsent::TooLong(long)) => Err(Box::new((call, Fault::new(Kind::TooLarge, long.to_string())))),
        }
    }
}

impl Carrier for Slot {
    fn send(&self, call: Call) {
        if let Err(refused) = self.take_off(call) {
            let (call, fault) = *refused;
            call.reply.refuse(fault);
        }
    }

    fn process(&self) -> Option<i32> {
        self.session.upgrade().map(|session| session.pid).filter(|pid| *pid > 0)
    }

    fn cancel(&self, call: CallId) {
        let Some(session) = self.session.upgrade() else { return };
        let number = session.flights.lock().number_of(call);
        if let Some(number) = number {
            session.say(&Head::new(FrameKind::Cancel, number), |_| {});
        }
    }

    fn credit(&self, call: CallId, parts: u32) {
        let Some(session) = self.session.upgrade() else { return };
        // Counted before it is said: what it allows cannot come sooner.
        let number = session.flights.lock().allow(call, parts);
        if let Some(number) = number {
            let taken = proto::Taken { parts };
            session.say(&Head::new(FrameKind::Taken, number), |out| frame_meta::append(out, &taken));
        }
    }
}
