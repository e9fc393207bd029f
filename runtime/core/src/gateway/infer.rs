//! A request's way through the gateway: routed, checked, admitted, awaited, answered.

use super::{
    Gateway,
    admission::Reserved,
    mailbox::Mailbox,
    pending::{Pending, expired},
    service::{Running, Service},
    suspects::Suspicion,
};
use crate::base::{
    call::{Outcome, Timing},
    clock,
    fault::{Fault, Kind},
    inference::{Answer, Inference},
    panics,
    primitive::oneshot,
    tensor::Tensor,
    units::{CallId, Rows, Tick, Version},
};
use crate::decide::validate::{self, Bound};
use crate::meter::{Ended, Meter};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Gateway {
    /// Routes, checks against the contract, waits, and answers. Dropping the future cancels the call.
    ///
    /// Must run inside a tokio runtime with timers.
    pub async fn infer(
        self: &Arc<Gateway>,
        inference: Inference,
        reserved: Reserved,
    ) -> Result<Answer, Fault> {
        self.timers.get_or_init(tokio::runtime::Handle::current);
        let (model, version) = (inference.model.clone(), inference.version);
        let found = async {
            let pass = self.gate.enter().ok_or_else(draining)?;
            let (service, running) = match self.find(&inference) {
                Err(fault) if fault.kind == Kind::Unavailable => self.find_later(&inference, fault).await?,
                found => found?,
            };
            Ok::<_, Fault>((pass, service, running))
        };
        let (_pass, service, running) = match self.hear(found).await {
            Ok(found) => found,
            Err(fault) => {
                return Err(self.turned_away(fault, &model, version));
            }
        };
        let answered = panics::survive_all(self.ask(inference, reserved, &service, &running)).await;
        answered.flatten().map_err(|fault| self.told(fault, &model, Some(service.version)))
    }

    /// What comes before it is known which version a request is for: it is read, and its version is found. Whoever
    /// leaves meanwhile is counted as refused, so that each request counts once, however it ends.
    pub(super) async fn hear<T>(&self, work: impl Future<Output = T>) -> T {
        let left = Left(&self.meter);
        let done = work.await;
        std::mem::forget(left);
        done
    }

    /// A fault as its caller reads it, after it was reported. Those of [`Gateway::infer`] are; this is for those
    /// that a front finds itself.
    pub(super) fn told(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        shortened(self.report(fault, model, version))
    }

    /// The same for an inference that ends before it is known which version it is for: counts it.
    pub(super) fn turned_away(&self, fault: Fault, model: &str, version: Option<Version>) -> Fault {
        self.meter.refused(fault.kind);
        self.told(fault, model, version)
    }

    fn find(&self, inference: &Inference) -> Result<(Arc<Service>, Arc<Running>), Fault> {
        let state = self.state.load();
        let service = state.route(inference, || self.draw())?;
        // A version that stands had a carrier, and so has a contract.
        let running = service.running().ok_or_else(|| service.unavailable("it has no host"))?;
        Ok((Arc::clone(service), running))
    }

    /// A gateway that has just begun is still dialling: who asks for a version that nobody has carried yet waits,
    /// as after the loss of a host. (It has no contract, and so no queue, before its first carrier.)
    async fn find_later(
        &self,
        inference: &Inference,
        fault: Fault,
    ) -> Result<(Arc<Service>, Arc<Running>), Fault> {
        let until = self.since.get().map_or(Tick::default(), |since| since.plus(self.limits().park()));
        let until = clock::instant(until.min(inference.deadline));
        loop {
            let arrival = self.arrivals.notified();
            match self.find(inference) {
                Err(again) if again.kind == Kind::Unavailable && self.state.load().awaits(inference) => {}
                found => return found,
            }
            if tokio::time::timeout_at(until, arrival).await.is_err() {
                let late = inference.deadline <= clock::now();
                return Err(if late { expired(inference.arrived, inference.deadline) } else { fault });
            }
        }
    }

    async fn ask(
        &self,
        inference: Inference,
        reserved: Reserved,
        service: &Arc<Service>,
        running: &Arc<Running>,
    ) -> Result<Answer, Fault> {
        let contract = &running.contract;
        let (arrived, now) = (inference.arrived, clock::now());
        let deadline = match contract.batching.deadline_ms {
            Some(ms) if inference.deadline == Tick::NEVER => arrived.plus(span(ms)),
            Some(_) | None => inference.deadline,
        };
        // Until it is admitted, who refuses it counts it.
        let refuse = |rows: Rows, fault: Fault| {
            let total = clock::now().since(arrived);
            running.meter.settled(&Ended { rows, fault: Some(fault.kind), total, timing: Timing::default() });
            fault
        };
        let bound = validate::bind(contract, &inference.id, inference.inputs, &inference.outputs);
        let Bound { inputs, rows, outputs } = bound.map_err(|fault| refuse(Rows::ZERO, fault))?;
        if deadline <= now {
            return Err(refuse(rows, expired(arrived, deadline)));
        }
        let id = CallId(self.last_call.fetch_add(1, Relaxed) + 1);
        let (caller, answer) = oneshot::channel();
        let mut pending = Pending {
            id,
            caller: Some(caller),
            mailbox: Mailbox::here(),
            service: Arc::clone(service),
            running: Arc::clone(running),
            inputs,
            rows,
            parameters: inference.parameters,
            arrived,
            admitted: now,
            sent: now,
            deadline,
            tries: 0,
            crashes: 0,
            suspicion: Suspicion::default(),
            _reserved: reserved,
        };
        if let Some(fault) = pending.judge(&self.suspects, now) {
            return Err(refuse(rows, fault));
        }
        service.submit(Box::new(pending), now).map_err(|(_, fault)| refuse(rows, fault))?;
        let waiting = Waiting { service, id, answer, over: false };
        let outcome = waiting.until(arrived, deadline).await?;
        let produced = outcome.result?;
        let (made, declared) = (produced.outputs.len(), contract.outputs.len());
        if made != declared {
            let note = format!("the host answered with {made} outputs, the contract has {declared}");
            return Err(Fault::internal(note));
        }
        let wanted = |(place, _): &(usize, Tensor)| outputs.contains(place);
        let outputs: SmallVec<[(usize, Tensor); 2]> =
            produced.outputs.into_iter().enumerate().filter(wanted).collect();
        Ok(Answer {
            contract: Arc::clone(contract),
            id: inference.id,
            outputs,
            parameters: produced.parameters,
            timing: outcome.timing,
        })
    }
}

/// An admitted call as its caller holds it. Dropped without an answer, it takes the call back.
struct Waiting<'a> {
    service: &'a Arc<Service>,
    id: CallId,
    answer: oneshot::Receiver<Outcome>,
    /// Answered, or given up.
    over: bool,
}

impl Waiting<'_> {
    async fn until(mut self, arrived: Tick, deadline: Tick) -> Result<Outcome, Fault> {
        let answered = if deadline == Tick::NEVER {
            Ok((&mut self.answer).await)
        } else {
            tokio::time::timeout_at(clock::instant(deadline), &mut self.answer).await
        };
        self.over = answered.is_ok();
        match answered {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(Fault::internal("the gateway lost the request")),
            Err(_) => match self.give_up(Kind::Expired) {
                Some(outcome) => Ok(outcome),
                None => Err(expired(arrived, deadline)),
            },
        }
    }

    /// Closes first, looks second: who moves the call meanwhile sees that it is closed and ends it.
    /// Returns an answer that came in this very moment.
    fn give_up(&mut self, kind: Kind) -> Option<Outcome> {
        self.over = true;
        self.answer.close();
        match self.answer.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(_) => {
                self.service.abandon(self.id, kind, clock::now());
                None
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.give_up(Kind::Cancelled);
        }
    }
}

/// Dropped: the caller left before its request had a version.
struct Left<'a>(&'a Meter);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.refused(Kind::Cancelled);
    }
}

/// Bytes of a note. It may quote what the caller sent, which may be as long as a body; and three times as many,
/// as gRPC escapes them, fit into trailers.
const NOTE: usize = 1000;

/// Cut within, where it is too long: an error id stands at the end.
fn shortened(fault: Fault) -> Fault {
    if fault.note.len() <= NOTE {
        return fault;
    }
    let (note, cut) = (&fault.note, " …");
    let end = note.rfind(" [error id ").filter(|at| note.len() - at < 100).unwrap_or(note.len());
    let tail = note.get(end..).unwrap_or_default();
    let mut head = NOTE - cut.len() - tail.len();
    while !note.is_char_boundary(head) {
        head -= 1;
    }
    let note = [note.get(..head).unwrap_or_default(), cut, tail].concat().into();
    Fault { note, ..fault }
}

fn span(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX)
}

fn draining() -> Fault {
    Fault::new(Kind::Unavailable, "Server exiting: it finishes what it has and takes nothing new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_bounded_and_keeps_its_error_id() {
        let cut = |note: String| shortened(Fault::invalid(note)).note;
        assert_eq!(cut("a".repeat(NOTE)), "a".repeat(NOTE));
        for letter in ["a", "ü", "€", "🦀"] {
            let long = cut(letter.repeat(NOTE + 1));
            assert!(long.len() <= NOTE && long.len() > NOTE - 4, "{}", long.len());
            assert!(long.starts_with(letter) && long.ends_with(" …"));
            let long = cut(format!("{} [error id e-0123456789]", letter.repeat(NOTE)));
            assert!(long.len() <= NOTE && long.ends_with(" … [error id e-0123456789]"), "{long}");
        }
        let quoted = cut(format!("a [error id {}", "b".repeat(NOTE)));
        assert!(quoted.len() <= NOTE && quoted.ends_with("b …"));
    }
}
