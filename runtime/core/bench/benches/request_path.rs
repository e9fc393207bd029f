//! What a small request costs in the parts that touch no socket.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use headrace_core::base::{
    datatype::Datatype,
    units::{Rows, Tick},
};
use headrace_core::decide::plan::{Facts, Limits, Picks, Size, plan};
use headrace_core::decide::queue::{Place, Queue, Room, Tenant};
use headrace_core::decide::rank::Rank;
use headrace_core::wire::budget::Budget;
use headrace_core::wire::frame::{Head, Kind, MAX_FRAME};
use headrace_core::wire::frame_decode::Decoder;
use headrace_core::wire::frame_encode::{self, Outgoing, encode};
use headrace_core::wire::json::request;
use std::hint::black_box;
use std::time::Duration;

const ONE: Size = Size { rows: Rows::new(1), cost: 0 };

const SMALL: &str = r#"{"inputs":[{"name":"x","shape":[1,16],"datatype":"FP32","data":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}]}"#;

fn json(c: &mut Criterion) {
    let mut leave = |_| Ok(());
    let small = Bytes::from_static(SMALL.as_bytes());
    c.bench_function("read a small JSON request", |b| {
        b.iter(|| {
            let mut budget = Budget::new(64 << 20, small.len(), &mut leave);
            request::read(black_box(&small), small.len(), "m", 100, &mut budget)
        });
    });
    let numbers = (0..150_528).map(|n| format!("{}", n as f32 / 1000.0)).collect::<Vec<_>>().join(",");
    let large = format!(
        r#"{{"inputs":[{{"name":"x","shape":[1,3,224,224],"datatype":"FP32","data":[{numbers}]}}]}}"#
    );
    let large = Bytes::from(large);
    c.bench_function("read an image of 150528 numbers as JSON", |b| {
        b.iter(|| {
            let mut budget = Budget::new(64 << 20, large.len(), &mut leave);
            request::read(black_box(&large), large.len(), "m", 100, &mut budget)
        });
    });
}

fn frames(c: &mut Criterion) {
    let row = [0_u8; 64];
    let tensor = Outgoing {
        index: 0,
        datatype: Datatype::Fp32,
        shape: &[1, 16],
        bytes: frame_encode::Bytes::Inline(&row),
    };
    let mut out = Vec::with_capacity(1 << 16);
    c.bench_function("encode a small call", |b| {
        b.iter(|| {
            out.clear();
            encode(black_box(&mut out), &Head::new(Kind::Infer, 7), |_| {}, &[tensor])
        });
    });
    let mut decoder = Decoder::new(MAX_FRAME);
    c.bench_function("decode a small call", |b| {
        b.iter(|| {
            decoder.room().extend_from_slice(&out);
            black_box(decoder.next_frame())
        });
    });
}

fn batches(c: &mut Criterion) {
    let now = Tick::from_nanos(1_000);
    let one = Facts {
        rows: Rows::new(1),
        cost: 1,
        level: 1,
        arrived: now,
        deadline: Tick::NEVER,
        shape: 0,
        alone: false,
        found_idle: false,
    };
    let limits = Limits { max_rows: Rows::new(64), max_cost: u64::MAX, max_delay: Duration::ZERO };
    let waiting = vec![one; 512];
    c.bench_function("plan a batch of 64 out of 512", |b| {
        let mut picks = Picks::default();
        let list = |at: usize| black_box(&waiting).get(at).copied();
        b.iter(|| plan(now, list, limits, |_| Duration::ZERO, &mut picks));
    });
}

/// One that comes, one that goes and one that leaves, among so many that wait: of one tenant, and of a thousand.
fn queues(c: &mut Criterion) {
    let room = Room { rows: u32::MAX, shared: true };
    for (tenants, waiting) in [(1, 10), (1, 100_000), (1000, 100_000)] {
        let place = |number: u64| Place {
            tenant: Tenant(number % tenants),
            rank: Rank::new(1, Tick::from_nanos(number), Tick::NEVER, number),
        };
        let mut queue = Queue::default();
        for number in 0..waiting {
            queue.push_again(place(number), ONE, number);
        }
        let mut number = waiting;
        c.bench_function(&format!("push, pull and cancel, {waiting} waiting, {tenants} tenants"), |b| {
            b.iter(|| {
                let _ = black_box(queue.push(place(number), ONE, number, room));
                let _ = black_box(queue.push(place(number + 1), ONE, number, room));
                black_box(queue.remove(place(number)));
                black_box(queue.pop());
                number += 2;
            });
        });
    }
}

criterion_group!(request_path, json, frames, batches, queues);
criterion_main!(request_path);
