use super::*;
use crate::base::{call::Execution, inference::Value};

fn judged(rollout: u64, slow_ns: &[u64]) -> Judged {
    Judged { version: Version(2), rollout, slow_ns: slow_ns.to_vec(), users_at_step: None }
}

fn run() -> Execution {
    Execution { rows: 1, ..Execution::default() }
}

#[test]
fn a_count_goes_on_for_the_same_rollout_and_lines_and_begins_anew_for_others() {
    let collector = Collector::default();
    let count = || collector.count(|counts| counts.executed(&run()));
    let seen = || {
        let told = collector.told(&"m".into(), Version(1), Tick::default());
        told.map(|told| (told.since, told.rollout, told.slow_ns, told.runs.count))
    };
    count();
    assert_eq!(seen(), None);
    let by = |rollout, slow_ns: &[u64]| Some(judged(rollout, slow_ns));
    let steps = [
        (by(1, &[5]), Some((1, 1, vec![5], 1))),
        (by(1, &[5]), Some((1, 1, vec![5], 2))),
        (by(1, &[6]), Some((2, 1, vec![6], 1))),
        (by(1, &[]), Some((3, 1, vec![], 1))),
        (by(1, &[]), Some((3, 1, vec![], 2))),
        (by(2, &[]), Some((4, 2, vec![], 1))),
        (by(1, &[]), Some((5, 1, vec![], 1))),
        (None, None),
        (None, None),
        (by(1, &[]), Some((6, 1, vec![], 1))),
    ];
    for (table, want) in steps {
        collector.judge(table.as_ref().map(|judged| (judged, None)));
        count();
        assert_eq!(seen(), want, "{table:?}");
    }
}

/// Also for the same rollout and lines: who was heard at one step is heard again at the next.
#[test]
fn who_asks_is_asked_only_where_users_are_units_and_each_step_is_a_count() {
    let collector = Collector::default();
    let fact = Fact::Parameter("user".into());
    let ann = [("user".into(), Value::Text("ann".to_owned()))];
    let facts = Facts { headers: &[], parameters: &ann };
    let since = || collector.told(&"m".into(), Version(2), Tick::default()).map(|told| told.since);
    assert_eq!(collector.user(&facts), None);
    collector.judge(Some((&judged(1, &[]), Some(&fact))));
    assert_eq!((collector.user(&facts), since()), (None, Some(1)));
    let at = |step| Judged { users_at_step: Some(step), ..judged(1, &[]) };
    collector.judge(Some((&at(1), Some(&fact))));
    let known = collector.user(&facts);
    assert!(known.is_some());
    assert_eq!((collector.user(&Facts::default()), since()), (None, Some(2)));
    collector.judge(Some((&at(2), Some(&fact))));
    assert_eq!((collector.user(&facts), since()), (known, Some(3)));
    collector.judge(None);
    assert_eq!((collector.user(&facts), since()), (None, None));
}
