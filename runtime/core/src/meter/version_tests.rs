use super::*;

#[test]
fn a_request_is_counted_once_whichever_thread_ends_it() {
    let meter = VersionMeter::default();
    let timing =
        Timing { queue_ns: 10, input_ns: 1, infer_ns: 2, output_ns: 3, batch_rows: 4, ..Timing::default() };
    let ended = Ended {
        rows: Rows::new(2),
        fault: None,
        total: Duration::from_nanos(20),
        inside: Duration::from_nanos(18),
        timing,
        in_parts: false,
        user: None,
    };
    std::thread::scope(|scope| {
        for _ in 0..SHARDS * 2 + 1 {
            scope.spawn(|| {
                meter.admitted();
                meter.left_queue();
                meter.settled(&ended, Tick::default());
                meter.settled(&Ended { fault: Some(Kind::ModelFailed), ..ended }, Tick::default());
            });
        }
    });
    meter.admitted();
    let sum = meter.totals();
    assert_eq!((sum.total.count(), sum.total.sum, sum.rows), (17, 340, 34));
    assert_eq!((sum.queue.count(), sum.queue.sum), (17, 170));
    assert_eq!((sum.input_ns, sum.infer_ns, sum.output_ns), (17, 34, 51));
    assert_eq!((sum.failures.iter().sum::<u64>(), sum.failed_ns, sum.pending()), (17, 340, 1));
}

#[test]
fn each_kind_has_a_count_of_its_own() {
    let failures = Failures::default();
    for (at, kind) in Kind::ALL.iter().enumerate() {
        (0..=at).for_each(|_| failures.add(*kind));
    }
    assert_eq!(failures.totals().to_vec(), (1..).take(Kind::ALL.len()).collect::<Vec<u64>>());
}
