//! A request that may be answered many times, in the hands of who reads the answers.

use super::produced::answer;
use crate::base::{
    call::{Produced, Timing},
    clock,
    contract::Contract,
    fault::{Fault, Kind},
    inference::{Answer, Inference},
    panics,
    units::{Tick, User},
};
use crate::decide::{facts::Facts, mirror::Cause, validate::miscounted};
use crate::gateway::{
    Client, Gateway,
    memory::admission::Reserved,
    queue::{
        parts::{Look, Parts},
        pending::{Delivery, expired, expired_after},
        service::{Running, Service},
        submit::Asked,
        success::Success,
        waiting::Waiting,
    },
    shadow::Inside,
};
use compact_str::CompactString;
use smallvec::SmallVec;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Sleep;

/// What a model makes of one request: any number of answers of a version that streams, one of any other. Dropped before
/// the end, it takes the request back.
#[derive(Debug)]
pub(crate) struct Answers {
    gateway: Arc<Gateway>,
    running: Arc<Running>,
    waiting: Waiting<Arc<Service>>,
    parts: Option<Arc<Parts>>,
    stage: Stage,
    arrived: Tick,
    /// Who asked, where evidence is counted by users.
    user: Option<User>,
    deadline: Tick,
    timer: Option<Pin<Box<Sleep>>>,
    id: CompactString,
    outputs: SmallVec<[usize; 2]>,
    /// Answers that were given out.
    given: u64,
    _inside: Inside,
}

#[derive(Debug)]
enum Stage {
    Open,
    /// The outcome is here; parts that came before it go first.
    Ended(Delivery),
    /// The last is given out, and a success once the caller has it.
    Given(Success),
    Over,
}

impl Gateway {
    /// The same as [`Gateway::infer`] for a version that streams or does not. Faults were counted and reported.
    pub(crate) async fn open(
        self: &Arc<Gateway>,
        inference: Box<Inference>,
        reserved: Reserved,
        client: &Arc<Client>,
    ) -> Result<Answers, Fault> {
        let (model, arrived) = (inference.model.clone(), inference.arrived);
        let (inside, service, running) = self.seek(&inference).await?;
        self.copies_none(&inside, &inference, &service, Cause::Stream);
        let parts = running.contract.streams.then(|| Parts::new(client));
        let user = running.meter.user(&Facts::of(&inference));
        let asked = self.submit(inference, reserved, (&service, &running), parts.clone());
        let asked = panics::survive_all(pin!(asked)).await.flatten();
        let asked = asked.map_err(|fault| self.told(fault, &model, Some(service.version)))?;
        let Asked { ticket, deadline, id, outputs } = asked;
        if parts.is_some() {
            running.meter.stream(true);
        }
        let timer =
            (deadline != Tick::NEVER).then(|| Box::pin(tokio::time::sleep_until(clock::instant(deadline))));
        Ok(Answers {
            gateway: Arc::clone(self),
            running,
            waiting: Waiting::new(service, ticket),
            parts,
            stage: Stage::Open,
            arrived,
            user,
            deadline,
            timer,
            id,
            outputs,
            given: 0,
            _inside: inside,
        })
    }
}

impl Answers {
    pub(crate) fn contract(&self) -> &Arc<Contract> {
        &self.running.contract
    }

    /// Bytes of parts that nobody has asked for yet.
    pub(crate) fn unread(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.bytes())
    }

    /// Its reader holds so much of what it was given.
    pub(in crate::gateway) fn keeps(&self, bytes: usize) {
        if let Some(parts) = &self.parts {
            parts.keeps(bytes);
        }
    }

    pub(crate) fn id(&self) -> &CompactString {
        &self.id
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Answer, Fault>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next answer; `None` after the last. What comes after a fault is none. A panic ends this request alone.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Answer, Fault>>> {
        let next = match panics::survive(|| self.step(cx)) {
            Ok(next) => next,
            Err(fault) => {
                self.give_up(&fault);
                Poll::Ready(Some(Err(fault)))
            }
        };
        next.map(|next| next.map(|answer| answer.map_err(|fault| self.told(fault))))
    }

    /// The caller has all answers, in the form that it asked for. To be said after the last; else it did not wait.
    pub(crate) fn delivered(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Given(success) => success.ends(None),
            other @ (Stage::Open | Stage::Ended(_) | Stage::Over) => self.stage = other,
        }
    }

    /// Of the whole, after the last.
    pub(super) fn timing(&self) -> Timing {
        if let Stage::Given(success) = &self.stage { success.timing } else { Timing::default() }
    }

    /// The caller cannot have what it asked for in the form that it asked for: the request ends with `fault`.
    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        self.give_up(&fault);
        self.told(fault)
    }

    fn told(&self, fault: Fault) -> Fault {
        let Contract { model, version, .. } = &*self.running.contract;
        self.gateway.told(fault, model, Some(*version))
    }

    fn give_up(&mut self, fault: &Fault) {
        let outcome = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open => self.waiting.give_up(fault),
            Stage::Ended(delivery) => Some(delivery),
            Stage::Given(success) => return success.fails(fault),
            Stage::Over => None,
        };
        // What failed was counted.
        if let Some(Ok((_, success))) = outcome {
            success.fails(fault);
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Answer, Fault>>> {
        loop {
            if matches!(self.stage, Stage::Open)
                && let Some(timer) = &mut self.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                let late = self.late();
                let Some(delivery) = self.waiting.give_up(&late) else {
                    self.stage = Stage::Over;
                    return Poll::Ready(Some(Err(late)));
                };
                self.stage = Stage::Ended(delivery);
            }
            if let (Stage::Open | Stage::Ended(_), Some(parts)) = (&self.stage, &self.parts)
                && let Poll::Ready(part) = self.ask_on(parts.poll_take(cx))
            {
                let part = part.and_then(|part| self.part(part));
                if let Err(fault) = &part {
                    self.give_up(fault);
                }
                return Poll::Ready(Some(part));
            }
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Open => {
                    self.stage = Stage::Open;
                    let Poll::Ready(delivery) = self.waiting.poll(cx) else { return Poll::Pending };
                    self.stage = Stage::Ended(delivery);
                }
                Stage::Ended(Ok((produced, success))) => return Poll::Ready(self.end(produced, success)),
                // Of the two that look at the clock, its host was first.
                Stage::Ended(Err(fault)) if fault.kind == Kind::Expired && self.given > 0 => {
                    return Poll::Ready(Some(Err(self.late())));
                }
                Stage::Ended(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                Stage::Given(success) => {
                    self.stage = Stage::Given(success);
                    return Poll::Ready(None);
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    fn late(&self) -> Fault {
        match self.given {
            0 => expired(self.arrived, self.deadline),
            parts => expired_after(self.arrived, self.deadline, parts),
        }
    }

    fn ask_on(&self, (part, more): Look) -> Poll<Result<Produced, Fault>> {
        if more > 0
            && let Some(carrier) = self.gateway.flights.carrier(self.waiting.call())
        {
            carrier.credit(self.waiting.call(), more);
        }
        part
    }

    /// One of many.
    fn part(&mut self, part: Produced) -> Result<Answer, Fault> {
        miscounted(self.contract(), &part).map_or(Ok(()), Err)?;
        let since = (self.given == 0).then(|| clock::now().since(self.arrived));
        self.running.meter.part(since, self.user);
        Ok(self.answer(part, Timing::default()))
    }

    /// The outcome: the end of parts, or the only answer.
    fn end(&mut self, produced: Produced, success: Success) -> Option<Result<Answer, Fault>> {
        let ends_parts = self.parts.is_some();
        let fault = match ends_parts && produced.outputs.is_empty() {
            true => None,
            false if ends_parts => Some(Fault::internal("an answer in parts ended with outputs")),
            false => miscounted(self.contract(), &produced),
        };
        if let Some(fault) = fault {
            success.fails(&fault);
            return Some(Err(fault));
        }
        let timing = success.timing;
        self.stage = Stage::Given(success);
        (!ends_parts).then(|| Ok(self.answer(produced, timing)))
    }

    fn answer(&mut self, produced: Produced, timing: Timing) -> Answer {
        self.given += 1;
        answer(self.contract(), self.id.clone(), &self.outputs, produced, timing)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some(parts) = &self.parts {
            parts.close();
            self.running.meter.stream(false);
        }
    }
}
