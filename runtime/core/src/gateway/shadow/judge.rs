//! Compares answers, on a thread that the kernel runs when no other wants to.

use super::{
    line::{Copy, Shadow},
    pair::Pair,
    record::Compared,
};
use crate::base::{
    call::{Produced, Timing},
    clock,
    contract::Contract,
    fault::{Fault, Kind},
    panics,
};
use crate::decide::{
    compare::{Comparison, compare},
    mirror::Cause,
    worst::distance,
};
use crate::meter;
use parking_lot::Mutex;
use rustix::process::nice;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use tokio::sync::OwnedSemaphorePermit;

/// The kernel's lowest priority, from which this thread does not come back.
const LOWEST: i32 = 19;

/// Findings that wait for it.
const MOST: usize = 256;

/// What a host made of a copy.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) shadow: Arc<Shadow>,
    pub(super) copy: Copy,
    /// Of who got it.
    pub(super) contract: Arc<Contract>,
    pub(super) delivered: Result<(Produced, Timing), Fault>,
    /// Given back once it is compared.
    pub(super) _seat: OwnedSemaphorePermit,
}

/// Its thread begins with the first finding, and ends with the gateway.
#[derive(Debug, Default)]
pub(super) struct Judge(Mutex<Option<SyncSender<Finding>>>);

impl Judge {
    /// Never blocks: what it has no room for, or no thread, is not compared, and counted.
    pub(super) fn hear(&self, finding: Finding) {
        let mut judge = self.0.lock();
        if judge.is_none() {
            *judge = begin();
        }
        let lost = match judge.as_ref() {
            Some(judge) => judge.try_send(finding).map_err(|refused| match refused {
                TrySendError::Full(finding) | TrySendError::Disconnected(finding) => finding,
            }),
            None => Err(finding),
        };
        if let Err(Finding { shadow, copy, .. }) = lost {
            shadow.lose(&copy, Cause::NotCompared);
        }
    }
}

fn begin() -> Option<SyncSender<Finding>> {
    let (sender, findings) = sync_channel::<Finding>(MOST);
    let work = move || {
        let _ = nice(LOWEST); // at worst it runs as any other thread does
        findings.iter().for_each(|finding| {
            let _ = panics::survive(|| finding.settle()); // it was reported, and costs one comparison
        });
    };
    std::thread::Builder::new().name("headrace-shadow".to_owned()).spawn(work).ok().map(|_| sender)
}

impl Finding {
    pub(super) fn is_too_large(&self) -> bool {
        self.delivered.as_ref().is_err_and(|fault| fault.kind == Kind::TooLarge)
    }

    fn settle(self) {
        let Finding { shadow, copy, contract, delivered, .. } = &self;
        let host = |timing: &Timing| [timing.input_ns, timing.infer_ns, timing.output_ns].iter().sum();
        let compared = match (&copy.answer, delivered) {
            (Some(answer), Ok((produced, timing))) => {
                let (primary_ns, shadow_ns) = (host(&copy.ran), host(timing));
                let outputs = outputs((&copy.contract, answer), (contract, produced));
                if !copy.is_noise() && shadow.wish.load().shadow.keep_worst > 0 {
                    shadow.kept.keep(&Pair {
                        inference: &copy.inference,
                        answers: [(&copy.contract, answer, primary_ns), (contract, produced, shadow_ns)],
                        distances: outputs
                            .iter()
                            .map(|(name, found)| (name.clone(), distance(found)))
                            .collect(),
                        unix_ms: clock::unix_ms(),
                    });
                }
                Compared::Both { outputs, primary_ns, shadow_ns }
            }
            (Some(_), Err(fault)) => Compared::Failed(fault.kind),
            (None, Ok(_)) => Compared::PrimaryFailed,
            (None, Err(_)) => Compared::BothFailed,
        };
        let wish = shadow.wish.load();
        // Where noise is evidence, it is about who answered first, whose own second answer it is.
        if let Some(disagreement) = compared.disagreement()
            && (!copy.is_noise() || wish.shadow.noise_of_each)
            && wish.is_of(copy.contract.version)
            && let Some(running) = copy.to.running()
        {
            let its = delivered.as_ref().map_or_else(|_| Timing::default(), |(_, timing)| *timing);
            let pair = meter::Pair { disagreement, runs: [copy.ran, its], rows: copy.rows() };
            running.meter.compared(&pair, copy.user);
        }
        shadow.record.lock().add(copy.contract.version, copy.is_noise(), &compared);
    }
}

/// Of each output that the one has, by name.
fn outputs(
    (contract, one): (&Contract, &Produced),
    (other_contract, other): (&Contract, &Produced),
) -> Vec<(compact_str::CompactString, Comparison)> {
    let of_other = |name: &str| {
        let place = other_contract.outputs.iter().position(|spec| spec.name == name)?;
        other.outputs.get(place)
    };
    let each = contract.outputs.iter().zip(&one.outputs);
    each.map(|(spec, tensor)| {
        let found = of_other(&spec.name).map_or(Comparison::Unlike, |other| compare(tensor, other));
        (spec.name.clone(), found)
    })
    .collect()
}
