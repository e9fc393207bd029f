//! In every order: no lane sleeps while calls wait, every call is answered once, and whoever waits for the end of
//! all work hears of it.

use super::{
    conduct::Conduct,
    desk::{Desk, contract},
    intake::Intake,
};
use crate::base::{
    call::{Call, Carrier},
    clock,
    contract::Contract,
    fault::Kind,
    primitive::{
        Condvar, Mutex,
        model::{self, check},
        thread,
    },
    units::{CallId, Rows, Tick},
};
use crate::link::host::Listen;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

type Thread = thread::JoinHandle<()>;

fn apart(intake: &Arc<Intake>, work: impl FnOnce(&Arc<Intake>) + Send + 'static) -> Thread {
    let intake = Arc::clone(intake);
    model::spawn(move || work(&intake))
}

/// Two lanes that run a batch each at the same time: neither is left asleep while a call waits.
#[derive(Debug, Default)]
struct Pair {
    running: Mutex<u32>,
    both: Condvar,
}

impl Pair {
    fn lane(self: &Arc<Pair>, intake: &Arc<Intake>) -> Thread {
        let pair = Arc::clone(self);
        apart(intake, move |intake| {
            let batch = intake.next_batch();
            let mut running = pair.running.lock();
            *running += 1;
            pair.both.notify_all();
            while *running < 2 {
                pair.both.wait(&mut running);
            }
            drop(running);
            drop(batch);
            assert!(intake.next_batch().is_none());
        })
    }
}

/// Runs whatever comes until the end.
fn lane(intake: &Arc<Intake>) -> Thread {
    apart(intake, |intake| while intake.next_batch().map(drop).is_some() {})
}

/// Nobody is woken by the end before all is answered: what was forgotten would be found then.
fn end(intake: &Arc<Intake>, desk: &Desk, calls: usize, lanes: impl IntoIterator<Item = Thread>) {
    desk.wait_for(calls);
    intake.close();
    lanes.into_iter().for_each(|lane| lane.join().unwrap());
    assert!(intake.wait_empty(Tick::NEVER));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO), "rows are given back");
    assert_eq!(desk.outcomes.lock().len(), calls);
}

#[test]
fn a_lane_is_woken_while_calls_wait() {
    check("intake", 3, || {
        let desk = Arc::new(Desk::default());
        let intake = Arc::new(Intake::new(Arc::new(contract(1, 2)), Conduct::default(), None, None));
        let pair = Arc::<Pair>::default();
        let lanes = [pair.lane(&intake), pair.lane(&intake)];
        intake.send(desk.call(1, &[0.0]));
        intake.send(desk.call(2, &[0.0]));
        end(&intake, &desk, 2, lanes);
    });
}

/// The links of a host. What comes is the listening lane's, and the link's own task's while none listens: the
/// system decides that, in one step.
#[derive(Debug, Default)]
struct Links {
    heard: Mutex<Heard>,
    news: Condvar,
    intake: OnceLock<Weak<Intake>>,
}

#[derive(Debug, Default)]
struct Heard {
    listens: bool,
    rung: bool,
    calls: Vec<Call>,
}

impl Listen for Arc<Links> {
    fn listen(&self) {
        let mut heard = self.heard.lock();
        heard.listens = true;
        while heard.calls.is_empty() && !heard.rung {
            self.news.wait(&mut heard);
        }
        (heard.listens, heard.rung) = (false, false);
        let calls = std::mem::take(&mut heard.calls);
        drop(heard);
        calls.into_iter().for_each(|call| self.intake().send(call));
    }

    fn ring(&self) {
        self.heard.lock().rung = true;
        self.news.notify_one();
    }
}

impl Links {
    fn bring(&self, call: Call) {
        let mut heard = self.heard.lock();
        if heard.listens {
            heard.calls.push(call);
            self.news.notify_one();
        } else {
            drop(heard);
            self.intake().send(call);
        }
    }

    fn intake(&self) -> Arc<Intake> {
        self.intake.get().and_then(Weak::upgrade).unwrap()
    }
}

fn heard(contract: Contract) -> (Arc<Intake>, Arc<Links>) {
    let links = Arc::<Links>::default();
    let intake =
        Intake::new(Arc::new(contract), Conduct::default(), None, Some(Box::new(Arc::clone(&links))));
    let intake = Arc::new(intake);
    links.intake.set(Arc::downgrade(&intake)).unwrap();
    (intake, links)
}

/// One lane listens. It may take in both calls, one, or none.
#[test]
fn a_lane_that_listens_is_woken_while_calls_wait() {
    check("intake, listening", 3, || {
        let desk = Arc::new(Desk::default());
        let (intake, links) = heard(contract(1, 2));
        let pair = Arc::<Pair>::default();
        let lanes = [pair.lane(&intake), pair.lane(&intake)];
        links.bring(desk.call(1, &[0.0]));
        links.bring(desk.call(2, &[0.0]));
        end(&intake, &desk, 2, lanes);
    });
}

/// The time of who holds a batch open never comes here: it runs because it is full.
#[test]
fn who_holds_a_batch_open_is_woken_when_it_is_full() {
    check("intake, held open", 3, || {
        let desk = Arc::new(Desk::default());
        let mut patient = contract(2, 2);
        patient.batching.max_delay_ms = 1e9;
        let (intake, links) = heard(patient);
        let lanes = [lane(&intake), lane(&intake)];
        links.bring(desk.call(1, &[0.0]));
        intake.send(desk.call(2, &[0.0]));
        end(&intake, &desk, 2, lanes);
    });
}

/// A caller leaves, and the host gives up, while a lane runs and another waits for the end of all.
#[test]
fn a_call_that_is_cancelled_or_abandoned_ends_once() {
    check("intake, abandoned", 3, || {
        let desk = Arc::new(Desk::default());
        let intake = Arc::new(Intake::new(Arc::new(contract(1, 1)), Conduct::default(), None, None));
        intake.send(desk.call(1, &[0.0]));
        intake.send(desk.call(2, &[0.0]));
        let lane = lane(&intake);
        let leaves = apart(&intake, |intake| intake.cancel(CallId(2)));
        let ends = apart(&intake, |intake| assert!(intake.wait_empty(Tick::NEVER)));
        intake.abandon();
        intake.send(desk.call(3, &[0.0]));
        [lane, leaves, ends].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(desk.kind(3), Some(Kind::Unavailable));
        assert_eq!(desk.outcomes.lock().len(), 3);
        assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO), "rows are given back");
    });
}

/// Two lanes, and a model that is safe for one batch at a time.
#[test]
fn a_lane_that_waits_for_the_model_is_let_in() {
    check("intake, crowded", 3, || {
        let desk = Arc::new(Desk::default());
        let conduct = Conduct { concurrency: NonZeroU32::new(1), ..Conduct::default() };
        let intake = Arc::new(Intake::new(Arc::new(contract(1, 2)), conduct, None, None));
        let lanes = [lane(&intake), lane(&intake)];
        intake.send(desk.call(1, &[0.0]));
        intake.send(desk.call(2, &[0.0]));
        end(&intake, &desk, 2, lanes);
    });
}

/// Runs whatever comes, as lanes do that prepare: its device takes the next batch before this one is answered.
fn lane_that_prepares(intake: &Arc<Intake>) -> Thread {
    apart(intake, |intake| {
        while let Some(mut batch) = intake.next_batch() {
            let entrance = batch.entrance();
            match entrance.wait() {
                Some(entered) => {
                    batch.has_entered(entered);
                    entrance.launched();
                    drop(batch);
                }
                None => batch.give_back(),
            }
        }
    })
}

#[test]
fn a_lane_that_prepared_its_batch_is_let_in() {
    check("intake, prepared", 3, || {
        let desk = Arc::new(Desk::default());
        let concurrency = NonZeroU32::new(1);
        let conduct = Conduct { concurrency, prepares: true, ..Conduct::default() };
        let intake = Arc::new(Intake::new(Arc::new(contract(1, 2)), conduct, None, None));
        let lanes = [lane_that_prepares(&intake), lane_that_prepares(&intake)];
        intake.send(desk.call(1, &[0.0]));
        intake.send(desk.call(2, &[0.0]));
        end(&intake, &desk, 2, lanes);
    });
}

/// The watch gives a batch up while its lane comes back with it, and another waits for the model.
#[test]
fn a_batch_that_is_given_up_is_answered_once() {
    check("intake, hung", 2, || {
        let desk = Arc::new(Desk::default());
        let conduct = Conduct {
            concurrency: NonZeroU32::new(1),
            hang_timeout: Some(Duration::ZERO),
            ..Conduct::default()
        };
        let intake = Arc::new(Intake::new(Arc::new(contract(1, 2)), conduct, None, None));
        intake.send(desk.call(1, &[0.0]));
        intake.send(desk.call(2, &[0.0]));
        let lanes = [lane(&intake), lane(&intake)];
        let watch = apart(&intake, |intake| {
            intake.look(clock::now()).batches.into_iter().for_each(|hung| intake.answer_for(hung));
        });
        watch.join().unwrap();
        intake.abandon(); // as a host does whose model hangs
        lanes.into_iter().for_each(|lane| lane.join().unwrap());
        assert!(intake.wait_empty(Tick::NEVER));
        assert_eq!(desk.outcomes.lock().len(), 2);
        assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO), "rows are given back");
    });
}
