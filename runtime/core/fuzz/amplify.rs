//! Looks for inputs that cost more than their length: `amplify READER FILE...` repeats each part of each file until it
//! is long, and tells what cost most for a byte, and whether twice the length costs more than twice.

use headrace_core::fuzzing::{CHECKS, Cost, cost};
use std::panic::catch_unwind;
use std::{env, fs, path::PathBuf};

/// Lengths that parts are repeated to: all of them; the dearest of those; again.
const SHORT: usize = 4 << 10;
const LONG: [usize; 2] = [1 << 20, 2 << 20];
const KEPT: usize = 8;
/// Longer parts repeat few things.
const PART: usize = 160;

/// A file whose bytes from `start` to `end` are to be repeated.
#[derive(Clone)]
struct Pump {
    file: PathBuf,
    start: usize,
    end: usize,
}

impl Pump {
    fn input(&self, data: &[u8], len: usize) -> Vec<u8> {
        let part = &data[self.start..self.end];
        let times = len.saturating_sub(data.len()) / part.len() + 1;
        [&data[..self.start], &part.repeat(times), &data[self.end..]].concat()
    }
}

/// The lowest of three; `None` if a promise was broken, which is told on standard error.
fn measure(check: fn(&[u8]), input: &[u8]) -> Option<Cost> {
    let mut lowest = Cost { bytes: usize::MAX, nanos: u64::MAX };
    for _ in 0..3 {
        cost();
        catch_unwind(|| check(input)).ok()?;
        let Cost { bytes, nanos } = cost();
        lowest = Cost { bytes: lowest.bytes.min(bytes), nanos: lowest.nanos.min(nanos) };
    }
    Some(lowest)
}

fn pumps(file: &PathBuf, data: &[u8]) -> Vec<Pump> {
    let ends = |start: usize| start + 1..=data.len().min(start + PART);
    let all = (0..data.len()).flat_map(|start| ends(start).map(move |end| (start, end)));
    all.map(|(start, end)| Pump { file: file.clone(), start, end }).collect()
}

fn main() {
    let mut args = env::args().skip(1);
    let reader = args.next().expect("amplify READER FILE...");
    let (_, check) = CHECKS.iter().find(|(name, _)| *name == reader).expect("a reader of fuzzing::CHECKS");
    let mut dearest: Vec<(Cost, Pump)> = Vec::new();
    for file in args.map(PathBuf::from) {
        let data = fs::read(&file).expect("a file");
        let mut found: Vec<(Cost, Pump)> = Vec::new();
        for pump in pumps(&file, &data) {
            let input = pump.input(&data, SHORT);
            cost();
            check(&input);
            found.push((cost(), pump));
        }
        for key in [|cost: &Cost| cost.nanos, |cost: &Cost| cost.bytes as u64] {
            found.sort_by_key(|(cost, _)| std::cmp::Reverse(key(cost)));
            dearest.extend(found.iter().take(KEPT).cloned());
        }
    }
    let mut told: Vec<(f64, f64, f64, String)> = Vec::new();
    for (_, pump) in dearest {
        let data = fs::read(&pump.file).expect("a file");
        let name = format!("{} {}..{}", pump.file.display(), pump.start, pump.end);
        let inputs = LONG.map(|len| pump.input(&data, len));
        let [Some(half), Some(whole)] = [0, 1].map(|at| measure(*check, &inputs[at])) else {
            println!("{name}: broke a promise");
            continue;
        };
        let len = inputs[1].len() as f64;
        let growth = whole.nanos as f64 / half.nanos as f64;
        told.push((whole.nanos as f64 / len, whole.bytes as f64 / len, growth, name));
    }
    for (what, key) in [("time", 0), ("memory", 1), ("growth", 2)] {
        let value = |row: &(f64, f64, f64, String)| [row.0, row.1, row.2][key];
        told.sort_by(|a, b| value(b).total_cmp(&value(a)));
        for (nanos, bytes, growth, name) in told.iter().take(3) {
            println!("{reader} {what:6} {nanos:8.1} ns/B {bytes:8.2} B/B, twice as long: {growth:.2} x   {name}");
        }
    }
}
