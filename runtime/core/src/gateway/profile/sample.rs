//! A request that was chosen, as long as its caller waits: reference counts of what is to be looked at.

use super::Profile;
use crate::base::{call::Produced, contract::Contract, inference::Inference, tensor::Tensor, units::Version};
use crate::decide::profile::{Feature, Role, Row, picture};
use crate::gateway::{
    Gateway,
    memory::admission::Reserved,
    queue::service::{Running, Service},
};
use crate::image::Glance;
use compact_str::CompactString;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// One row of it stands for all: rows of one request are alike, and count for one.
#[derive(Debug)]
pub(in crate::gateway) struct Sample {
    pub(super) profile: Arc<Profile>,
    /// Which row.
    drawn: u64,
    unbatched: bool,
    tensors: Vec<(CompactString, Role, Tensor)>,
    held: Option<Reserved>,
}

impl Gateway {
    /// For a request that is about to be answered. Almost always `None`, at the cost of one look.
    #[inline]
    pub(in crate::gateway) fn sample(
        &self,
        inference: &Inference,
        (service, running): (&Arc<Service>, &Arc<Running>),
    ) -> Option<Box<Sample>> {
        if self.profiles.are_there() { self.sample_of(inference, service.version, running) } else { None }
    }

    #[inline(never)]
    fn sample_of(&self, inference: &Inference, version: Version, running: &Running) -> Option<Box<Sample>> {
        let profile = self.profiles.of(&inference.model, version)?;
        if !profile.chooses(inference.arrived) {
            return None;
        }
        let wanted = |name: &CompactString| profile.wish.inputs.contains(name);
        let here = inference.inputs.iter().filter(|one| wanted(&one.name) && one.region.is_none());
        let tensors = here.map(|one| (one.name.clone(), Role::Input, one.tensor.clone())).collect();
        let unbatched = running.contract.unbatched;
        Some(Box::new(Sample { profile, drawn: self.draw(), unbatched, tensors, held: None }))
    }

    /// Its caller has the answer.
    pub(in crate::gateway) fn look_at(&self, mut sample: Box<Sample>) {
        let bytes = sample.tensors.iter().map(|(.., tensor)| tensor.data.len()).sum();
        sample.held = self.profiles.held.take(bytes).ok().filter(|_| !self.ledger.is_short());
        let lost = match sample.held {
            Some(_) => self.profiles.observer.hear(sample),
            None => Some(sample),
        };
        if let Some(sample) = lost {
            sample.profile.missed.fetch_add(1, Relaxed);
        }
    }
}

impl Sample {
    pub(in crate::gateway) fn answered(&mut self, contract: &Contract, produced: &Produced) {
        for (spec, tensor) in contract.outputs.iter().zip(&produced.outputs) {
            if self.profile.wish.outputs.contains(&spec.name) {
                self.tensors.push((spec.name.clone(), Role::Output, tensor.clone()));
            }
        }
    }

    /// Looks at it, which may take milliseconds.
    pub(super) fn count(&self) {
        let found: Vec<_> = self
            .tensors
            .iter()
            .filter_map(|(name, role, tensor)| {
                // An answer has rows also where its caller sees none.
                let unbatched = self.unbatched && *role == Role::Input;
                let row = Row::drawn(tensor, unbatched, self.drawn)?;
                Some((name, *role, features(&row, *role)))
            })
            .collect();
        let mut counts = self.profile.counts.lock();
        counts.row();
        found.iter().for_each(|(name, role, features)| counts.add(name, *role, features));
    }
}

/// Of a file that is a picture, of what is in it, too.
fn features(row: &Row<'_>, role: Role) -> Vec<Feature> {
    let mut found = row.features(role);
    if let Some(Glance { width, grey, colour }) = row.file().and_then(Glance::of) {
        found.retain(|one| one.name != "non_ascii");
        found.extend(picture(width, &grey, colour));
    }
    found
}
