//! Hosts that fail, and the gateway they are linked to.

use super::{WELL, after, is_full_of, lent, one};
use crate::base::{call::Carrier, fault::Kind};
use crate::link::{
    gateway::Links,
    host::Listener,
    testing::{
        ARENA, Desk, Lines, Shelf,
        actor::Actor,
        folder,
        puppet::{self, FILL, HOST, LEN},
        quiet, until,
    },
};
use crate::mem::arena::Arena;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A gateway that is tested, and a host that is well.
struct Gateway {
    desk: Arc<Desk>,
    links: Links,
    sends: Arena,
    lines: Lines,
    well: PathBuf,
    path: PathBuf,
    _host: Listener,
    call: Option<u64>,
    /// An answer in the puppet's memory.
    output: Option<Bytes>,
}

impl Gateway {
    async fn start(name: &str) -> Gateway {
        let folder = folder(name);
        let (well, path) = (folder.join("well.sock"), folder.join("puppet.sock"));
        let on = Handle::current();
        let answers = Some(Arena::new(ARENA).unwrap());
        let host = Listener::listen(&on, &well, Shelf::new(true), answers, quiet()).unwrap();
        let (desk, sends, lines) = (Arc::<Desk>::default(), Arena::new(ARENA).unwrap(), Lines::default());
        let links = Links::new(on, desk.clone(), Some(sends.clone()), lines.log());
        links.set_endpoints(vec![one("well", &well)]);
        until("the other is linked", || desk.up.lock().len() == 1).await;
        Gateway { desk, links, sends, lines, well, path, _host: host, call: None, output: None }
    }

    fn carrier(&self, version: u64) -> Option<Arc<dyn Carrier>> {
        let up = self.desk.up.lock();
        up.values()
            .find(|(contract, ..)| contract.version.0 == version)
            .map(|(_, carrier, _)| carrier.clone())
    }

    async fn serves_by_the_other(&self, when: &str) {
        let call = self.desk.call_through(&self.carrier(1).unwrap(), vec![WELL; LEN].into());
        until(when, || self.desk.ends.lock().contains_key(&call)).await;
        assert!(is_full_of(WELL, &self.desk.end(call).unwrap()), "{when}");
    }

    async fn step(&mut self, puppet: &mut Actor) {
        match puppet.steps {
            puppet::HEARS_CALL => {
                until("the puppet's version is up", || self.carrier(puppet::VERSION).is_some()).await;
                let carrier = self.carrier(puppet::VERSION).unwrap();
                let body = self.sends.copy(&[FILL; LEN]).unwrap();
                self.call = Some(self.desk.call_through(&carrier, body));
            }
            puppet::HEARS_RELEASE => {
                self.take_answer().await;
                self.output = None;
            }
            _ => {}
        }
        puppet.begin_step();
        if puppet.steps == 0 {
            until("the puppet listens", || self.path.exists()).await;
            self.links.set_endpoints(vec![one("well", &self.well), one("puppet", &self.path)]);
        }
        puppet.end_step().await;
    }

    async fn take_answer(&mut self) {
        let call = self.call.take().unwrap();
        until("the call is answered", || self.desk.answered() == 1).await;
        self.output = Some(self.desk.end(call).unwrap());
    }

    async fn puppet(&mut self, steps: usize) -> Actor {
        let mut puppet = Actor::start("link::fault_tests::host_puppet", &self.path).await;
        while puppet.steps < steps {
            self.step(&mut puppet).await;
        }
        if puppet::HOST_ANSWERED.contains(&steps) {
            self.take_answer().await;
        }
        puppet
    }

    /// Of a puppet that is dead.
    async fn forgets(&mut self, when: &str) {
        until(when, || self.desk.up.lock().len() == 1).await;
        if let Some(call) = self.call.take() {
            until(when, || self.desk.answered() == 1).await;
            assert_eq!(self.desk.end(call).unwrap_err().kind, Kind::HostLost, "{when}");
        }
        let output = self.output.take();
        assert!(output.is_none_or(|output| is_full_of(FILL, &output)), "an answer outlives its host: {when}");
        until(when, || self.sends.free_bytes() == ARENA).await;
        self.serves_by_the_other(when).await;
        self.links.set_endpoints(vec![one("well", &self.well)]);
    }
}

#[tokio::test]
async fn a_host_may_be_killed_after_each_step() {
    let mut gateway = Gateway::start("kill-host").await;
    for steps in 1..=HOST.len() {
        let puppet = gateway.puppet(steps).await;
        drop(puppet);
        gateway.forgets(after(steps, HOST)).await;
    }
}

#[tokio::test]
async fn a_host_may_be_stopped_after_each_step_and_goes_on_as_if_nothing_had_been() {
    let mut gateway = Gateway::start("stop-host").await;
    let mut puppet = gateway.puppet(0).await;
    loop {
        let when = after(puppet.steps, HOST);
        puppet.stop();
        gateway.serves_by_the_other(when).await;
        let looks = puppet::HOST_LOOKS.contains(&puppet.steps);
        until(when, || lent(&gateway.sends) == looks).await;
        puppet.go_on();
        if puppet.steps == HOST.len() {
            break;
        }
        gateway.step(&mut puppet).await;
    }
    gateway.forgets("it hung up").await;
    assert!(!gateway.lines.have("lost the host"), "{:?}", gateway.lines);
}

/// The gateway no longer wants a host that is stopped. It waits for the answer, and death is one too; beyond that for
/// the host to let go of what it looks at.
#[tokio::test]
async fn what_a_stopped_host_works_on_is_held_until_its_death() {
    let mut gateway = Gateway::start("leave-host").await;
    for steps in 1..=HOST.len() {
        let when = after(steps, HOST);
        let puppet = gateway.puppet(steps).await;
        puppet.stop();
        gateway.links.set_endpoints(vec![one("well", &gateway.well)]);
        gateway.serves_by_the_other(when).await;
        let works = gateway.call.is_some() || puppet::HOST_LOOKS.contains(&steps);
        until(when, || lent(&gateway.sends) == works).await;
        drop(puppet);
        gateway.forgets(when).await;
    }
}
