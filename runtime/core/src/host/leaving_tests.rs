use super::super::{
    Conduct,
    desk::{Desk, contract},
};
use super::*;
use crate::base::{call::Carrier, clock, units::Version};
use std::sync::mpsc::{Receiver, sync_channel};

const LIMIT: Duration = Duration::from_millis(50);

/// A host that would end its process, what it says, and how the process would end.
fn leaving() -> (Arc<Host>, Receiver<String>, Receiver<bool>) {
    let (say, said) = sync_channel(8);
    let (end, ended) = sync_channel(8);
    let leaver = Leaver::new(
        Arc::new(move |line| say.send(line).unwrap()),
        Arc::new(move |explained| end.send(explained).unwrap()),
    );
    (Arc::new(Host::new(None, Some(leaver))), said, ended)
}

#[test]
fn a_process_whose_model_hangs_ends_once_what_else_runs_is_done() {
    let (host, said, ended) = leaving();
    let conduct = Conduct { hang_timeout: Some(LIMIT), ..Conduct::default() };
    let hangs = host.open(contract(1, 1), conduct).unwrap();
    let works = host
        .open(crate::base::contract::Contract { version: Version(4), ..contract(1, 1) }, Conduct::default())
        .unwrap();
    let desk = Arc::<Desk>::default();
    hangs.send(desk.call(1, &[0.0]));
    works.send(desk.call(2, &[0.0]));
    let hung = hangs.next_batch().unwrap();
    let healthy = works.next_batch().unwrap();
    let line = said.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(line.starts_with("model 'm' version 3 did not return a batch within 0.05 s: this process ends"));
    let report = host.next_hang().unwrap();
    assert_eq!((report.model.as_str(), report.version, report.rows), ("m", 3, 1));
    assert!(ended.try_recv().is_err(), "another version's batch still runs");
    healthy.fail(clock::now(), "it raised".to_owned());
    assert_eq!(host.next_hang(), None);
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(true), "and people were told where it hangs");
    assert!(host.intakes().is_empty());
    drop(hung);
    assert_eq!(desk.outcomes.lock().len(), 2);
}

/// As one that holds the interpreter: the reader of reports never comes.
#[test]
fn a_process_whose_model_lets_nobody_speak_ends_all_the_same() {
    let (host, said, ended) = leaving();
    let conduct = Conduct { hang_timeout: Some(LIMIT), ..Conduct::default() };
    let hangs = host.open(contract(1, 1), conduct).unwrap();
    hangs.send(Arc::<Desk>::default().call(1, &[0.0]));
    let _hung = hangs.next_batch().unwrap();
    assert!(said.recv_timeout(Duration::from_secs(60)).is_ok());
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(false));
}

/// Others in the process may be on another device, and end what they have.
#[test]
fn a_process_whose_device_is_lost_ends_and_callers_may_go_elsewhere() {
    let (host, said, ended) = leaving();
    let intake = host.open(contract(1, 1), Conduct::default()).unwrap();
    let desk = Arc::<Desk>::default();
    [1, 2].into_iter().for_each(|id| intake.send(desk.call(id, &[0.0])));
    let batch = intake.next_batch().unwrap();
    host.lose(&intake, "illegal memory access".to_owned(), Some(batch));
    assert_eq!(desk.kind(1), Some(crate::base::fault::Kind::HostLost));
    assert_eq!(desk.kind(2), Some(crate::base::fault::Kind::Unavailable), "it had not begun");
    let line = said.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(line, "model 'm' version 3 lost its device: this process ends, and another takes its place");
    let report = serde_json::to_value(host.next_hang().unwrap()).unwrap();
    let told = serde_json::json!({
        "model": "m", "version": 3, "rows": 1, "lost_device": "illegal memory access"
    });
    assert_eq!(report, told);
    assert_eq!(host.next_hang(), None);
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(true));
    assert!(intake.next_batch().is_none());
}
