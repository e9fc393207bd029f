//! What the decisions come to together under overload, with the very ones that gateways and hosts make: requests come
//! at random to a queue, from which a host with a window of two batches takes them for one device.

use super::{
    admit::{Load, aim, wait},
    plan::{Facts, Limits, Picks, Size, Step, plan},
    rank::Rank,
    tide::Tide,
    times::Times,
};
use crate::base::units::{Rows, Tick};
use std::time::Duration;

const MAX_ROWS: u32 = 16;
const WINDOW: u64 = 32;
const SECONDS: u64 = 20;
/// Rows a second in full batches.
const CAPACITY: f64 = 16.0 / 0.0435;
const DEADLINE: Duration = Duration::from_millis(100);

/// From the end of one batch to the beginning of the next, while their callers are answered.
const BETWEEN: Duration = Duration::from_micros(1_500);

/// 10 ms a batch and 2 ms a row, and up to a millisecond more.
fn device(rows: u32, dice: &mut fastrand::Rng) -> Duration {
    Duration::from_micros(10_000 + 2_000 * u64::from(rows) + dice.u64(0..1_000))
}

/// Answers in time of either priority, in rows a second.
#[derive(Debug, Default)]
struct Goodput {
    in_time: [u64; 2],
    offered: [u64; 2],
    /// Refused as they came, and after they had waited.
    early: u64,
    in_vain: u64,
}

struct World {
    now: Tick,
    /// In the gateway, and in the host.
    queue: Vec<Facts>,
    tide: Tide,
    line: Vec<Facts>,
    running: Vec<Facts>,
    done: Tick,
    /// What the host has learned, and the gateway: of a batch, and from the end of one to the end of the next.
    batch: Times,
    cycle: Times,
    began: Tick,
    ended: Tick,
    /// Somebody waited for that end.
    wanted: bool,
    /// When the lane has answered the last batch.
    free: Tick,
    seen: Goodput,
}

fn rank(facts: &Facts) -> Rank {
    Rank::new(facts.level, facts.arrived, facts.deadline, facts.arrived.nanos())
}

fn insert(list: &mut Vec<Facts>, facts: Facts) {
    let at = list.partition_point(|other| rank(other) < rank(&facts));
    list.insert(at, facts);
}

impl World {
    /// Of the host.
    fn in_flight(&self, level: u8) -> u64 {
        let all = self.line.iter().chain(&self.running);
        all.filter(|one| one.level <= level).count().try_into().unwrap()
    }

    /// With so many waiting in the gateway.
    fn is_in_time(&self, facts: &Facts, ahead: usize, overtaking: f64) -> bool {
        let load = Load {
            ahead: ahead.try_into().unwrap(),
            in_flight: self.in_flight(u8::MAX),
            not_after: self.in_flight(facts.level),
            devices: 1,
            max_rows: Rows::new(MAX_ROWS),
            overtaking,
        };
        let time = |rows: Rows| self.cycle.expect(rows.get().into(), self.now);
        let wait = wait(load, facts.rows, self.cycle.since_last(self.now), time);
        wait <= aim(facts.arrived, facts.deadline).since(self.now)
    }

    fn comes(&mut self, facts: Facts) {
        let ahead = self.queue.iter().filter(|one| one.level <= facts.level).count();
        if self.is_in_time(&facts, ahead, self.tide.above(facts.level, self.now)) {
            self.tide.came(facts.level, facts.rows, self.now);
            insert(&mut self.queue, facts);
            self.hand_out();
        } else {
            self.seen.early += 1;
        }
    }

    fn hand_out(&mut self) {
        while let Some(first) = self.queue.first().copied() {
            let in_time = self.is_in_time(&first, 0, 0.0);
            if in_time && self.in_flight(first.level) >= WINDOW {
                break;
            }
            self.queue.remove(0);
            if in_time {
                let found_idle = self.in_flight(u8::MAX) == 0;
                insert(&mut self.line, Facts { found_idle, ..first });
            } else {
                self.seen.in_vain += 1;
            }
        }
    }

    fn begin(&mut self, dice: &mut fastrand::Rng) {
        let limits = Limits { max_rows: Rows::new(MAX_ROWS), max_cost: u64::MAX, max_delay: Duration::ZERO };
        let mut picks = Picks::default();
        let time = |size: Size| self.batch.expect(size.rows.get().into(), self.now);
        let step = plan(self.now, |at| self.line.get(at).copied(), limits, time, &mut picks);
        let mut at = 0;
        let (batch, late) = (&picks.batch, &picks.late);
        let running = &mut self.running;
        self.seen.in_vain += u64::try_from(late.len()).unwrap();
        self.line.retain(|facts| {
            let (runs, leaves) = (batch.contains(&at), late.contains(&at));
            at += 1;
            if runs {
                running.push(*facts);
            }
            !runs && !leaves
        });
        if matches!(step, Step::Run { .. }) {
            let rows = u32::try_from(self.running.len()).unwrap();
            self.done = self.now.plus(device(rows, dice));
            self.began = self.now;
        }
        self.hand_out();
    }
}

fn goodput(times: f64) -> Goodput {
    let mut dice = fastrand::Rng::with_seed(7);
    let mut world = World {
        now: Tick::default(),
        queue: vec![],
        tide: Tide::default(),
        line: vec![],
        running: vec![],
        done: Tick::NEVER,
        batch: Times::default(),
        cycle: Times::default(),
        began: Tick::default(),
        ended: Tick::default(),
        wanted: false,
        free: Tick::NEVER,
        seen: Goodput::default(),
    };
    let mut due = Tick::default();
    let end = Tick::default().plus(Duration::from_secs(SECONDS));
    while due < end {
        if due < world.done.min(world.free) {
            world.now = due;
            let level = dice.u8(1..=2);
            world.seen.offered[usize::from(level) - 1] += 1;
            world.comes(Facts {
                cost: 0,
                rows: Rows::new(1),
                level,
                arrived: due,
                deadline: due.plus(DEADLINE),
                shape: 0,
                alone: false,
                found_idle: false,
            });
            due = due.plus(Duration::from_secs_f64(-dice.f64().max(1e-12).ln() / (times * CAPACITY)));
        } else if world.free < world.done {
            world.now = std::mem::replace(&mut world.free, Tick::NEVER);
        } else {
            world.now = world.done;
            let ended = std::mem::take(&mut world.running);
            let rows = ended.len().try_into().unwrap();
            world.batch.learn(rows, world.now.since(world.began), world.now);
            // The host tells of what was between where somebody waited: else it began when one came.
            let began = if world.wanted { world.ended } else { world.began };
            world.cycle.learn(rows, world.now.since(began), world.now);
            for one in ended {
                // On its way to the caller.
                let told = world.now.plus(Duration::from_micros(dice.u64(200..4_500)));
                world.seen.in_time[usize::from(one.level) - 1] += u64::from(told <= one.deadline);
            }
            world.done = Tick::NEVER;
            (world.ended, world.wanted) = (world.now, !world.line.is_empty());
            world.free = world.now.plus(BETWEEN);
        }
        if world.done == Tick::NEVER && world.free == Tick::NEVER {
            world.begin(&mut dice);
        }
    }
    world.seen
}

/// In the parts of a whole that the test speaks of.
#[allow(clippy::cast_precision_loss, reason = "a few thousand of each")]
fn share(part: u64, whole: f64) -> f64 {
    part as f64 / whole
}

/// Times the capacity that is offered, half of it of the higher priority; at least so much of the capacity in time, and
/// of the higher priority; at most so many of those who are not answered in time have waited for it.
#[test]
fn a_device_that_is_asked_for_too_much_does_what_it_can() {
    let table = [
        (0.5, 0.48, 0.99, 1.0),
        (0.8, 0.77, 0.99, 0.2),
        (1.0, 0.90, 0.99, 0.3),
        (1.5, 0.94, 0.985, 0.25),
        (2.0, 0.96, 0.9, 0.15),
        (4.0, 0.95, 0.46, 0.03),
        (8.0, 0.97, 0.23, 0.05),
    ];
    for (times, of_capacity, of_high, waited) in table {
        let seen = goodput(times);
        let in_time = share(seen.in_time.iter().sum(), CAPACITY * share(SECONDS, 1.0));
        let high = share(seen.in_time[0], share(seen.offered[0], 1.0));
        let unserved = share(seen.early + seen.in_vain, 1.0).max(1.0);
        let in_vain = share(seen.in_vain, unserved);
        let holds = in_time >= of_capacity && high >= of_high && in_vain <= waited;
        assert!(holds, "{times}: {in_time:.3} {high:.3} {in_vain:.3} {seen:?}");
    }
}
