use super::super::desk::{Desk, contract};
use super::*;
use crate::base::call::{Carrier, Execution, Outcome, Outlet, Produced, Window};
use crate::base::units::CallId;

impl Host {
    /// Listens, and watches, on a runtime of whoever asks.
    pub(crate) fn listen_on(
        self: &Arc<Host>,
        on: &tokio::runtime::Handle,
        path: &Path,
        log: Log,
    ) -> io::Result<()> {
        *self.thread.lock() = Some(Thread::of(on));
        self.listen(path, log)
    }

    /// Batches that were given up since this was asked last.
    pub(crate) fn hangs_so_far(&self) -> u64 {
        self.hangs.take()
    }
}

/// A gateway of this process: writes down what it is told, and takes no more than it is asked to.
#[derive(Debug, Default)]
struct Book {
    told: Mutex<Vec<String>>,
    carriers: Mutex<Vec<Arc<dyn Carrier>>>,
    refuses: bool,
}

impl Outlet for Book {
    fn emit(&self, _: CallId, _: Produced) {}
    fn settle(&self, _: CallId, _: Outcome) {}
    fn executed(&self, _: &Contract, _: Execution) {}
    fn flush(&self) {}
}

impl Roster for Book {
    fn carrier_up(
        &self,
        contract: Arc<Contract>,
        carrier: Arc<dyn Carrier>,
        window: Window,
    ) -> Result<CarrierId, Fault> {
        if self.refuses {
            return Err(Fault::invalid("other tensors"));
        }
        let mut carriers = self.carriers.lock();
        carriers.push(carrier);
        let id = u64::try_from(carriers.len()).unwrap();
        self.told.lock().push(format!("up {} {}", contract.model, window.rows.get()));
        Ok(CarrierId(id))
    }

    fn carrier_window(&self, id: CarrierId, window: Window) {
        self.told.lock().push(format!("window {} {}", id.0, window.rows.get()));
    }

    fn carrier_changed(&self, id: CarrierId, contract: Arc<Contract>, window: Window) {
        let told = format!("changed {} to {} of {}", id.0, contract.batching.max_rows, window.rows.get());
        self.told.lock().push(told);
    }

    fn carrier_down(&self, id: CarrierId) {
        self.told.lock().push(format!("down {}", id.0));
    }
}

#[test]
fn gateways_hear_of_versions_before_and_after_they_attach() {
    let (host, book) = (Arc::new(Host::new(None, None)), Arc::<Book>::default());
    let intake = host.open(contract(4, 1), Conduct::default()).unwrap();
    host.attach(book.clone()).unwrap();
    let other = Contract { model: "n".into(), ..contract(2, 2) };
    host.open(other, Conduct::default()).unwrap();
    host.update(&intake, &Batching { max_rows: 8, ..intake.contract().batching.clone() });
    assert!(host.close("n", Version(3)) && !host.close("n", Version(3)));
    host.abandon(&intake);
    assert_eq!(*book.told.lock(), ["up m 8", "up n 6", "changed 1 to 8 of 16", "down 2", "down 1"]);
    assert!(host.intakes().is_empty());
}

#[test]
fn what_a_gateway_refuses_is_not_open() {
    let (host, keeps) = (Arc::new(Host::new(None, None)), Arc::<Book>::default());
    host.attach(keeps.clone()).unwrap();
    host.attach(Arc::new(Book { refuses: true, ..Book::default() })).unwrap();
    assert_eq!(host.open(contract(4, 1), Conduct::default()).unwrap_err().note, "other tensors");
    assert_eq!(*keeps.told.lock(), ["up m 8", "down 1"]);
    assert!(host.intakes().is_empty());
}

#[test]
fn a_version_is_open_once_and_never_while_draining() {
    let host = Arc::new(Host::new(None, None));
    let _open = host.open(contract(4, 1), Conduct::default()).unwrap();
    assert!(
        host.open(contract(4, 1), Conduct::default())
            .unwrap_err()
            .note
            .contains("is open in this host already")
    );
    assert!(host.drain(Duration::ZERO));
    assert_eq!(host.open(contract(4, 1), Conduct::default()).unwrap_err().kind, Kind::Unavailable);
}

#[test]
fn a_drain_waits_for_what_runs_and_answers_what_nobody_pulls() {
    let (host, desk) = (Arc::new(Host::new(None, None)), Arc::<Desk>::default());
    let intake = host.open(contract(1, 1), Conduct::default()).unwrap();
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    let batch = intake.next_batch().unwrap();
    assert!(!host.drain(Duration::ZERO), "one runs and one waits");
    assert_eq!(desk.kind(2), Some(Kind::Unavailable));
    drop(batch);
    assert!(intake.wait_empty(clock::now().plus(Duration::from_secs(60))));
    assert!(intake.next_batch().is_none());
}

#[test]
fn large_outputs_lie_where_gateways_can_look() {
    use super::super::Output;
    use crate::base::datatype::Datatype;
    let arena = Arena::new(1 << 20).unwrap();
    let (host, desk) = (Arc::new(Host::new(Some(arena.clone()), None)), Arc::<Desk>::default());
    let intake = host.open(contract(4, 1), Conduct::default()).unwrap();
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    let data = vec![7; 2 * 80_000];
    let shape = smallvec::smallvec![2, 20_000];
    let given = Output::Fixed { datatype: Datatype::Fp32, shape, data: &data };
    assert_eq!(intake.next_batch().unwrap().complete(clock::now(), Ok(vec![given])), None);
    for id in [1, 2] {
        let (shape, bytes) = desk.output(id);
        assert_eq!((shape, bytes.len()), (vec![1, 20_000], 80_000));
        assert!(arena.locate(&bytes).is_some());
    }
}

/// As a model that hangs meanwhile has it closed by the thread that hears the gateway.
#[test]
fn who_waits_for_a_gateway_keeps_nobody_from_closing_a_version() {
    use crate::link::gateway::{Endpoint, Links};
    let folder = std::env::temp_dir().join(format!("headrace-farewell-{}", std::process::id()));
    let path = folder.join("host.sock");
    let (host, book) = (Arc::new(Host::new(None, None)), Arc::<Book>::default());
    host.listen(&path, Arc::new(|_| {})).unwrap();
    let intake = host.open(contract(4, 1), Conduct::default()).unwrap();
    // The gateway stands still whenever this does not run.
    let gateway = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let links = Links::new(gateway.handle().clone(), book.clone(), None, Arc::new(|_| {}));
    links.set_endpoints(vec![Endpoint { id: "host".to_owned(), socket: path }]);
    let up = || !book.told.lock().is_empty();
    gateway.block_on(async {
        while !up() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let taken = host.take_no_more();
    std::thread::scope(|scope| {
        let last = scope.spawn(|| host.finish(&taken, clock::now().plus(Duration::from_secs(60))));
        let closed = scope.spawn(|| {
            let begun = clock::now();
            for _ in 0..100 {
                host.abandon(&intake);
                std::thread::sleep(Duration::from_millis(1));
            }
            clock::now().since(begun)
        });
        assert!(closed.join().unwrap() < Duration::from_secs(30));
        assert!(!last.is_finished(), "the gateway has not said that its last call is sent");
        gateway.block_on(async {
            while !last.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(last.join().unwrap());
    });
    std::fs::remove_dir_all(folder).unwrap();
}
