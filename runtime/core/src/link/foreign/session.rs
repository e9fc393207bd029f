//! One connection to another server, and the calls that it has.

use super::{contract::Place, peer::Peer, reader::Reader};
use crate::base::{
    call::{Call, Carrier, Outcome, Produced, Timing},
    clock,
    contract::Contract,
    fault::{Fault, Kind, Phase},
    panics,
    primitive::Mutex,
    units::CallId,
};
use crate::link::{
    failure::Failure,
    grpc::exchange::{Caller, MODEL_INFER, MODEL_STREAM_INFER},
};
use crate::wire::{
    asking::Asking,
    oip_proto::{
        answer::Pieces,
        answered::{self, Streamed},
    },
};
use rustc_hash::FxHashMap;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Of a stream, after its last message.
const END: Duration = Duration::from_secs(1);

/// A version behind one connection.
#[derive(Debug)]
pub(super) struct Session {
    peer: Peer,
    pub(super) contract: Arc<Contract>,
    pub(super) place: Place,
    pub(super) on: Handle,
    flights: Mutex<Flights>,
    /// The connection takes no more calls: another is to be made.
    pub(super) broken: Notify,
    /// The last call in flight was answered.
    landed: Notify,
}

#[derive(Debug, Default)]
struct Flights {
    flying: FxHashMap<CallId, Arc<Flight>>,
    closed: bool,
}

/// What others have to say to a call that is on its way.
#[derive(Debug)]
struct Flight {
    cancelled: Notify,
    /// Of an answer in parts.
    reader: Reader,
}

/// Takes the flight out however its task ends.
struct Landing<'a>(&'a Session, CallId);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flights = self.0.flights.lock();
        flights.flying.remove(&self.1);
        if flights.flying.is_empty() {
            self.0.landed.notify_waiters();
        }
    }
}

impl Session {
    pub(super) fn new(peer: Peer, contract: Arc<Contract>, place: Place, on: Handle) -> Arc<Session> {
        let (broken, landed) = (Notify::new(), Notify::new());
        Arc::new(Session { peer, contract, place, on, flights: Mutex::default(), broken, landed })
    }

    /// No more calls take off.
    pub(super) fn close(&self) {
        self.flights.lock().closed = true;
    }

    pub(super) async fn until_landed(&self) {
        loop {
            let landed = self.landed.notified();
            if self.flights.lock().flying.is_empty() {
                return;
            }
            landed.await;
        }
    }

    fn take_off(self: &Arc<Self>, call: Call) {
        let flight = Arc::new(Flight { cancelled: Notify::new(), reader: Reader::new(call.credit) });
        {
            let mut flights = self.flights.lock();
            if flights.closed {
                drop(flights);
                let closed = Failure::Unsent("the connection is closed".to_owned());
                return call.reply.refuse(closed.fault(self.peer.address()));
            }
            flights.flying.insert(call.id, Arc::clone(&flight));
        }
        let session = Arc::clone(self);
        self.on.spawn(async move { session.fly(call, &flight).await });
    }

    /// Answers the call, whatever happens.
    async fn fly(&self, call: Call, flight: &Flight) {
        let landing = Landing(self, call.id);
        let (sent, rows) = (clock::now(), call.rows.get());
        let result = {
            let exchange = pin!(self.exchange(&call, flight));
            let gone = || Failure::Told(Fault::new(Kind::Cancelled, "the caller is gone"));
            tokio::select! {
                result = panics::survive_all(exchange) => result.map_err(Failure::Told).flatten(),
                () = flight.cancelled.notified() => Err(gone()),
            }
        };
        if matches!(result, Err(Failure::Unsent(_))) {
            self.broken.notify_one();
        }
        // Connections of HTTP end without a word: that one was lost is known by its call alone.
        let is_told = matches!(self.peer, Peer::Grpc(_));
        let has_answered = match result {
            Err(Failure::Unsent(_)) => false,
            Err(Failure::Lost(_)) => !is_told,
            Ok(_) | Err(Failure::Told(_)) => true,
        };
        let result = result.map_err(|failure| self.named(failure.fault(self.peer.address())));
        // The whole way there and back: what of it was spent waiting there the server does not tell. Who was lost with the
        // server says nothing of it, for that it was lost is known.
        let infer_ns = u64::try_from(clock::now().since(sent).as_nanos()).unwrap_or(u64::MAX);
        let timing = Timing { infer_ns, batch_rows: rows, ..Timing::default() };
        let timing = if has_answered { timing } else { Timing::default() };
        let outlet = call.reply.outlet().cloned();
        // First: it may be sent again from within.
        drop(landing);
        call.reply.settle(Outcome { result, timing });
        outlet.inspect(|outlet| outlet.flush());
    }

    async fn exchange(&self, call: &Call, flight: &Flight) -> Result<Produced, Failure> {
        let contract = &self.contract;
        if call.on_device.is_some() {
            // Bound as if it ran here: only a host can look at a device.
            let note = "another server runs this version, and memory of a device that a client has registered here is \
                        not passed on to it: send the tensors in the request";
            return Err(Failure::Told(Fault::new(Kind::Unsupported, note)));
        }
        let asking = Asking {
            model: &self.place.model,
            version: &self.place.version,
            id: "",
            outputs: &[],
            inputs: &contract.inputs,
            tensors: &call.inputs,
            unbatched: contract.unbatched,
            parameters: &call.parameters,
            in_parts: contract.streams,
        };
        let caller = match &self.peer {
            Peer::Grpc(caller) => caller,
            Peer::Http(caller) => return caller.infer(&self.place, &asking, (call, contract)).await,
        };
        let message = asking.write().map_err(Failure::Told)?;
        if contract.streams {
            return self.stream(caller, message, (call, flight)).await;
        }
        let answer = caller.ask(MODEL_INFER, message, call.deadline, &[]).await?;
        let answered = answered::answered(&answer, contract, call.rows).map_err(Failure::Told)?;
        Ok(answered.produced)
    }

    async fn stream(
        &self,
        caller: &Caller,
        message: Pieces,
        (call, flight): (&Call, &Flight),
    ) -> Result<Produced, Failure> {
        let mut messages = caller.call(MODEL_STREAM_INFER, message, call.deadline, &[]).await?;
        let mut failed = None;
        loop {
            flight.reader.has_room().await;
            let Some(message) = messages.next().await? else { break };
            match answered::streamed(&message, &self.contract, call.rows).map_err(Failure::Told)? {
                // Without a code: `triton_grpc_error`, which would have one told, has ended Triton's process (2.51).
                Streamed::Failed(note) => failed = failed.or(Some(Fault::new(Kind::ModelFailed, note))),
                Streamed::Answered(part) => {
                    if failed.is_none() && !part.produced.outputs.is_empty() {
                        flight.reader.takes(part.produced.bytes());
                        call.reply.emit(part.produced);
                        call.reply.outlet().inspect(|outlet| outlet.flush());
                    }
                    if part.is_final {
                        // What follows is the stream's own end. A stream that is reset before that is cancelled.
                        let _ = tokio::time::timeout(END, messages.next()).await;
                        break;
                    }
                }
            }
        }
        failed.map_or(Ok(Produced::default()), |fault| Err(Failure::Told(fault)))
    }

    /// A fault that is not the caller's says whose it is: the rest of an answer's way is ours.
    fn named(&self, fault: Fault) -> Fault {
        let ours = fault.kind == Kind::Internal && fault.phase == Phase::Final;
        let address = self.peer.address();
        if ours { Fault { note: format!("{} (from {address})", fault.note).into(), ..fault } } else { fault }
    }

    fn flight(&self, call: CallId) -> Option<Arc<Flight>> {
        self.flights.lock().flying.get(&call).cloned()
    }
}

/// The gateway's way to a session. Weak: whoever still knows this carrier must not keep the connection.
#[derive(Debug)]
pub(super) struct Slot(pub(super) Weak<Session>);

impl Carrier for Slot {
    fn send(&self, call: Call) {
        match self.0.upgrade() {
            Some(session) => session.take_off(call),
            None => {
                let note = "the connection to the server is closed";
                call.reply.refuse(Fault::new(Kind::HostLost, note).at(Phase::NotAdmitted));
            }
        }
    }

    fn cancel(&self, call: CallId) {
        if let Some(flight) = self.0.upgrade().and_then(|session| session.flight(call)) {
            flight.cancelled.notify_one();
        }
    }

    fn credit(&self, call: CallId, parts: u32) {
        if let Some(flight) = self.0.upgrade().and_then(|session| session.flight(call)) {
            flight.reader.took(parts);
        }
    }
}
