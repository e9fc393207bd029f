//! Requests to two versions in one node: who comes when over a day, and how versions fail at what.

use fastrand::Rng;
use serde::Deserialize;
use std::f64::consts::TAU;

/// A day is short, so that a rollout has some.
const DAY_S: f64 = 300.0;
/// Users in a second, over a day; at its height there are 1.6 times as many, and at its depth 0.4 times.
const USERS: f64 = 11.0;
/// Requests of one user, who sends them one after the other: a few send most of them.
const MOST_REQUESTS: f64 = 400.0;
const TAIL: f64 = 1.1;
const PAUSE_S: f64 = 0.03;
/// A user in so many sends only what a model raises at.
const POISON_ONE_IN: u32 = 400;

/// What is true of a version.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nature {
    /// How many of its batches fail, beside what both versions meet at once.
    failing: f64,
    /// How many times as long they take.
    slowdown: f64,
    /// How many of its answers are what the baseline's are.
    agreement: f64,
}

impl Nature {
    pub(super) const BASELINE: Nature = Nature { failing: 0.006, slowdown: 1.0, agreement: 1.0 };
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at_s: f64,
    pub(super) is_poison: bool,
}

/// Who is on the way, and what both versions meet.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) dice: Rng,
    coming: Vec<Arrival>,
    /// When the next moment begins at which any version fails, such as a lost database.
    incident_s: f64,
}

impl Crowd {
    pub(super) fn new(seed: u64) -> Crowd {
        let mut dice = Rng::with_seed(seed);
        let incident_s = exponential(&mut dice, 120.0);
        Crowd { dice, coming: Vec::new(), incident_s }
    }

    /// Requests of the second that begins here, in order.
    pub(super) fn second(&mut self, begins_s: f64) -> Vec<Arrival> {
        let each_s = USERS * (1.0 - 0.6 * (TAU * begins_s / DAY_S).cos());
        let mut at_s = begins_s + exponential(&mut self.dice, 1.0 / each_s);
        while at_s < begins_s + 1.0 {
            self.user(at_s);
            at_s += exponential(&mut self.dice, 1.0 / each_s);
        }
        let (mut now, later): (Vec<_>, Vec<_>) =
            self.coming.drain(..).partition(|one| one.at_s < begins_s + 1.0);
        self.coming = later;
        now.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
        now
    }

    fn user(&mut self, mut at_s: f64) {
        let is_poison = self.dice.u32(..POISON_ONE_IN) == 0;
        let mut left = (1.0 - self.dice.f64()).powf(-1.0 / TAIL).min(MOST_REQUESTS);
        while left >= 1.0 {
            self.coming.push(Arrival { at_s, is_poison });
            at_s += exponential(&mut self.dice, PAUSE_S);
            left -= 1.0;
        }
    }

    /// Whether a batch that begins now fails as a whole.
    pub(super) fn fails(&mut self, nature: Nature, now_s: f64) -> bool {
        while now_s > self.incident_s + 3.0 {
            self.incident_s += exponential(&mut self.dice, 120.0);
        }
        let excess = nature.failing / Nature::BASELINE.failing;
        let rate = match now_s > self.incident_s {
            true => 0.16 * excess,
            false => nature.failing * (1.0 + 0.6 * (TAU * now_s / DAY_S).sin()),
        };
        self.dice.f64() < rate
    }

    /// Seconds that a batch takes: noise, a busy machine now and then, and caches that are cold at first.
    pub(super) fn takes_s(&mut self, nature: Nature, rows: usize, now_s: f64) -> f64 {
        let stall = if self.dice.u32(..150) == 0 { 2.5 } else { 1.0 };
        let noise = (0.2 * self.normal()).exp() * stall;
        let cold = 1.0 + (1.0 - now_s / 30.0).max(0.0);
        (0.006 + 0.0004 * rows as f64) * noise * cold * nature.slowdown
    }

    /// Of each row whether its answer is another one; a quarter are in batches of which all are.
    pub(super) fn differ(&mut self, nature: Nature, rows: usize) -> Vec<bool> {
        let differing = 1.0 - nature.agreement;
        let whole = self.dice.f64() < 0.25 * differing;
        (0..rows).map(|_| whole || self.dice.f64() < 0.75 * differing).collect()
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.dice.f64()).ln()).sqrt();
        radius * (TAU * self.dice.f64()).cos()
    }
}

fn exponential(dice: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - dice.f64()).ln()
}
