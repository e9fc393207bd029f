use super::super::desk::Desk;
use super::*;
use crate::base::{
    call::{Call, Sealed},
    contract::Batching,
};

const LIMIT: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Tick {
    Tick::default().plus(Duration::from_secs(seconds))
}

/// Sealed, gathered, and with one caller.
fn batch(desk: &Arc<Desk>, id: u64) -> Arc<Running> {
    let calls: [Call; 1] = [desk.call(id, &[0.0])];
    let (why, seated) = (Sealed::Free, Default::default());
    let batch = Arc::new(Running::new(&calls, &Batching::default(), 0, why, Duration::ZERO, seated));
    batch.sit(calls.into_iter().map(|call| Seat::new(call, at(0), false)).collect());
    batch
}

fn given_up(runs: &mut Runs, now: Tick) -> Vec<u32> {
    runs.give_up(now).iter().map(|one| one.batch.rows().get()).collect()
}

#[test]
fn the_model_has_as_many_as_it_is_safe_for() {
    let desk = Arc::<Desk>::default();
    let [one, two, three] = [1, 2, 3].map(|id| batch(&desk, id));
    let mut runs = Runs::new(1, None, false);
    assert!(runs.seal(Arc::clone(&one), at(0)));
    assert!(!runs.seal(Arc::clone(&two), at(0)));
    assert_eq!(runs.enter(&two, at(1)), Entry::Later);
    runs.leave(&one, at(2));
    assert!(!runs.seal(Arc::clone(&three), at(2)), "who waits goes first");
    assert_eq!((runs.enter(&two, at(2)), runs.enter(&three, at(2))), (Entry::Now, Entry::Later));
    assert!(runs.remove(&two, None) && !runs.remove(&two, None));
    assert_eq!(runs.enter(&three, at(3)), Entry::Now);
}

#[test]
fn only_time_in_the_model_counts() {
    let desk = Arc::<Desk>::default();
    let [one, two] = [1, 2].map(|id| batch(&desk, id));
    let mut runs = Runs::new(1, Some(LIMIT), false);
    assert_eq!(runs.next_look(), None);
    runs.seal(Arc::clone(&one), at(0));
    runs.seal(Arc::clone(&two), at(0));
    assert_eq!(runs.next_look(), Some(at(10)));
    runs.leave(&one, at(1));
    assert_eq!(runs.next_look(), None, "its callers are being answered, and the other has not entered");
    runs.enter(&two, at(9));
    assert_eq!((given_up(&mut runs, at(18)), runs.next_look()), (vec![], Some(at(19))));
    assert_eq!((given_up(&mut runs, at(19)), runs.next_look()), (vec![1], None));
}

#[test]
fn a_model_that_hangs_gets_nothing_more() {
    let desk = Arc::<Desk>::default();
    let [one, two] = [1, 2].map(|id| batch(&desk, id));
    let mut runs = Runs::new(1, Some(LIMIT), false);
    runs.seal(Arc::clone(&one), at(0));
    runs.seal(Arc::clone(&two), at(0));
    assert_eq!((given_up(&mut runs, at(10)), runs.hangs()), (vec![1], true));
    assert!(one.take().is_none(), "the duty to answer went to whoever gave it up");
    assert_eq!(runs.enter(&two, at(10)), Entry::Never);
}

#[test]
fn what_is_being_answered_is_looked_at_later() {
    let desk = Arc::<Desk>::default();
    let one = batch(&desk, 1);
    let mut runs = Runs::new(1, Some(LIMIT), false);
    runs.seal(Arc::clone(&one), at(0));
    drop(one.take());
    assert_eq!((given_up(&mut runs, at(10)), runs.next_look()), (vec![], Some(at(20))));
    assert!(!runs.hangs());
}

#[test]
fn the_model_is_free_when_what_is_in_it_and_what_waits_for_it_are_through() {
    let desk = Arc::<Desk>::default();
    let [one, two, three] = [1, 2, 3].map(|id| batch(&desk, id));
    let expect = |rows: u64| Duration::from_secs(5 * rows);
    let mut runs = Runs::new(1, None, false);
    assert_eq!(runs.free_at(at(0), Duration::ZERO, expect), None);
    runs.seal(Arc::clone(&one), at(0));
    assert_eq!(runs.free_at(at(2), Duration::ZERO, expect), Some(at(5)));
    assert_eq!(runs.free_at(at(8), Duration::ZERO, expect), Some(at(8)), "any moment");
    runs.seal(Arc::clone(&two), at(2));
    assert_eq!(runs.free_at(at(2), Duration::ZERO, expect), Some(at(10)));
    runs.leave(&one, at(3));
    assert_eq!(runs.free_at(at(3), Duration::ZERO, expect), Some(at(8)), "the other is about to enter");
    runs.enter(&two, at(3));
    assert_eq!(runs.free_at(at(3), Duration::ZERO, expect), Some(at(8)));
    runs.remove(&two, None);
    assert_eq!(runs.free_at(at(4), Duration::ZERO, expect), None);
    let mut twice = Runs::new(2, None, false);
    twice.seal(one, at(0));
    assert_eq!(twice.free_at(at(1), Duration::ZERO, expect), None);
    twice.seal(two, at(1));
    assert_eq!(twice.free_at(at(1), Duration::ZERO, expect), Some(at(5)));
    twice.seal(three, at(1));
    assert_eq!(twice.free_at(at(1), Duration::ZERO, expect), Some(at(5).plus(Duration::from_millis(2500))));
}

#[test]
fn what_passes_between_two_batches_counts_where_somebody_waited_for_it() {
    let table = [
        ("somebody waited", true, false, 2),
        ("nobody waited: it was idle", false, false, 0),
        ("another ran on", true, true, 0),
    ];
    for (name, wanted, another, seconds) in table {
        let (desk, mut runs) = (Arc::<Desk>::default(), Runs::new(2, None, false));
        let [one, two] = [1, 2].map(|id| batch(&desk, id));
        runs.seal(Arc::clone(&one), at(0));
        if another {
            runs.seal(two, at(0));
        }
        runs.remove(&one, wanted.then_some(at(5)));
        assert_eq!(runs.between(at(7)), Duration::from_secs(seconds), "{name}");
        assert_eq!(runs.between(at(9)), Duration::ZERO, "{name}: once");
    }
}

/// One device, and two lanes: the second has launched its batch while the device had the first.
#[test]
fn what_was_launched_has_the_device_when_those_before_it_are_done() {
    let desk = Arc::<Desk>::default();
    let [one, two, three] = [1, 2, 3].map(|id| batch(&desk, id));
    let expect = |rows: u64| Duration::from_secs(5 * rows);
    let mut runs = Runs::new(1, Some(LIMIT), true);
    assert!(!runs.seal(Arc::clone(&one), at(0)), "its lane prepares it");
    assert_eq!(runs.enter(&one, at(1)), Entry::Now);
    assert!(!runs.seal(Arc::clone(&two), at(1)));
    assert_eq!(runs.enter(&two, at(2)), Entry::Later);
    runs.launched(&one);
    assert_eq!((runs.enter(&two, at(2)), runs.enter(&two, at(2))), (Entry::Now, Entry::Now));
    assert_eq!(runs.free_at(at(3), Duration::ZERO, expect), Some(at(11)), "1 + 5 and 5 more");
    runs.launched(&two);
    assert_eq!(runs.free_at(at(3), Duration::ZERO, expect), Some(at(11)), "launching is not ending");
    assert_eq!(runs.leave(&one, at(7)), Some(at(1)));
    assert_eq!(runs.free_at(at(7), Duration::ZERO, expect), Some(at(12)), "it began when the first ended");
    runs.remove(&one, None);
    runs.seal(Arc::clone(&three), at(7));
    assert_eq!(runs.next_look(), Some(at(17)), "from when it had the device");
    assert_eq!(runs.leave(&two, at(12)), Some(at(7)));
}

#[test]
fn preparing_is_watched_and_waiting_is_not() {
    let desk = Arc::<Desk>::default();
    let [one, two] = [1, 2].map(|id| batch(&desk, id));
    let mut runs = Runs::new(1, Some(LIMIT), true);
    runs.seal(Arc::clone(&one), at(0));
    assert_eq!(runs.next_look(), Some(at(10)), "a lane may hang, too");
    runs.enter(&one, at(8));
    runs.seal(Arc::clone(&two), at(8));
    runs.enter(&two, at(9));
    assert_eq!(runs.next_look(), Some(at(18)), "of the first: the second waits for it");
    runs.leave(&one, at(12));
    runs.remove(&one, None);
    assert_eq!((runs.next_look(), given_up(&mut runs, at(99))), (None, vec![]));
    runs.enter(&two, at(99));
    assert_eq!((given_up(&mut runs, at(109)), runs.hangs()), (vec![1], true));
}

#[test]
fn a_batch_that_is_being_prepared_comes_before_the_next() {
    let desk = Arc::<Desk>::default();
    let (expect, preparing) = (|rows: u64| Duration::from_secs(5 * rows), Duration::from_secs(3));
    let mut runs = Runs::new(1, None, true);
    let one = batch(&desk, 1);
    runs.seal(Arc::clone(&one), at(0));
    assert_eq!(runs.free_at(at(0), preparing, expect), Some(at(8)), "prepared, and through");
    runs.enter(&one, at(4));
    assert_eq!(runs.free_at(at(4), preparing, expect), Some(at(9)));
}

#[test]
fn what_is_finished_keeps_no_device_and_is_watched() {
    let desk = Arc::<Desk>::default();
    let [one, two] = [1, 2].map(|id| batch(&desk, id));
    let expect = |rows: u64| Duration::from_secs(5 * rows);
    let mut runs = Runs::new(1, Some(LIMIT), true);
    runs.seal(Arc::clone(&one), at(0));
    runs.enter(&one, at(0));
    assert_eq!(runs.finish(&one, at(4)), Some(at(0)));
    assert_eq!(runs.free_at(at(4), Duration::ZERO, expect), None, "its lane alone has it");
    assert_eq!(runs.next_look(), Some(at(14)), "which may hang");
    runs.seal(Arc::clone(&two), at(4));
    assert_eq!(runs.enter(&two, at(5)), Entry::Now);
    assert_eq!((runs.leave(&one, at(6)), runs.next_look()), (None, Some(at(15))), "told once");
    assert_eq!((given_up(&mut runs, at(14)), given_up(&mut runs, at(15))), (vec![], vec![1]));
}
