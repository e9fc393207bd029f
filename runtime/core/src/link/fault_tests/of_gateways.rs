//! Gateways that fail, and the host they are linked to.

use super::{WELL, after, is_full_of, lent, one};
use crate::link::{
    gateway::Links,
    host::Listener,
    testing::{
        ARENA, Desk, Lines, Shelf,
        actor::Actor,
        folder,
        puppet::{self, FILL, GATEWAY, LEN},
        quiet, until,
    },
};
use crate::mem::arena::Arena;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A host that is tested, and a gateway that is well.
struct Host {
    listener: Listener,
    shelf: Arc<Shelf>,
    answers: Arena,
    lines: Lines,
    path: PathBuf,
    well: Arc<Desk>,
    _links: Links,
}

impl Host {
    async fn start(name: &str) -> Host {
        let path = folder(name).join("host.sock");
        let (shelf, answers, lines) = (Shelf::new(false), Arena::new(ARENA).unwrap(), Lines::default());
        let on = Handle::current();
        let listener =
            Listener::listen(&on, &path, shelf.clone(), Some(answers.clone()), lines.log()).unwrap();
        let well = Arc::<Desk>::default();
        let links = Links::new(on, well.clone(), Some(Arena::new(ARENA).unwrap()), quiet());
        links.set_endpoints(vec![one("well", &path)]);
        until("the other is linked", || well.up.lock().len() == 1).await;
        Host { listener, shelf, answers, lines, path, well, _links: links }
    }

    fn holds(&self, fill: u8) -> bool {
        self.shelf.model.held.lock().iter().any(|call| call.inputs[0].data[0] == fill)
    }

    async fn answer(&self, fill: u8) {
        until("the host has the call", || self.holds(fill)).await;
        let call = {
            let mut held = self.shelf.model.held.lock();
            let at = held.iter().position(|call| call.inputs[0].data[0] == fill).unwrap();
            held.remove(at)
        };
        self.shelf.model.answer(call);
    }

    async fn serves_the_other(&self, when: &str) {
        let call = self.well.call(vec![WELL; LEN].into());
        self.answer(WELL).await;
        until(when, || self.well.answered() == 1).await;
        assert!(is_full_of(WELL, &self.well.end(call).unwrap()), "{when}");
    }

    /// One step of the puppet, and what it takes of the host.
    async fn step(&self, puppet: &mut Actor) {
        if puppet::HEARS_ANSWERS.contains(&puppet.steps) {
            self.answer(FILL).await;
        }
        puppet.begin_step();
        puppet.end_step().await;
    }

    async fn puppet(&self, steps: usize) -> Actor {
        let mut puppet = Actor::start("link::fault_tests::gateway_puppet", &self.path).await;
        while puppet.steps < steps {
            self.step(&mut puppet).await;
        }
        puppet
    }
}

#[tokio::test]
async fn a_gateway_may_be_killed_after_each_step() {
    let host = Host::start("kill-gateway").await;
    let mut lost = 0;
    for steps in 0..=GATEWAY.len() {
        let when = after(steps, GATEWAY);
        let puppet = host.puppet(steps).await;
        drop(puppet);
        lost += usize::from(puppet::GATEWAY_MUST_STAY.contains(&steps));
        let told = || host.lines.count("lost the gateway") + host.lines.count("was not linked");
        until(when, || told() == lost && host.listener.gateways() == 1 && !lent(&host.answers)).await;
        // Its inputs stay mapped for the lane that works on them; the answer goes nowhere.
        while host.holds(FILL) {
            host.answer(FILL).await;
        }
        assert_eq!(host.answers.free_bytes(), ARENA, "{when}");
        host.serves_the_other(when).await;
    }
}

#[tokio::test]
async fn a_gateway_may_be_stopped_after_each_step_and_goes_on_as_if_nothing_had_been() {
    let host = Host::start("stop-gateway").await;
    let mut puppet = host.puppet(0).await;
    loop {
        let when = after(puppet.steps, GATEWAY);
        puppet.stop();
        host.serves_the_other(when).await;
        let looks = puppet::GATEWAY_LOOKS.contains(&puppet.steps);
        until(when, || lent(&host.answers) == looks).await;
        puppet.go_on();
        if puppet.steps == GATEWAY.len() {
            break;
        }
        host.step(&mut puppet).await;
    }
    until("its link is gone", || host.listener.gateways() == 1 && host.answers.free_bytes() == ARENA).await;
    assert!(!host.lines.have("ended the link"), "{:?}", host.lines);
}

/// The host ends its links while the gateway is stopped: it has its memory back when the gateway is dead, not before.
#[tokio::test]
async fn what_a_stopped_gateway_looks_at_is_held_until_its_death() {
    for steps in 0..=GATEWAY.len() {
        let when = after(steps, GATEWAY);
        let host = Host::start("leave-gateway").await;
        let puppet = host.puppet(steps).await;
        puppet.stop();
        let looks = puppet::GATEWAY_LOOKS.contains(&steps);
        until(when, || lent(&host.answers) == looks).await;
        let Host { listener, shelf, answers, .. } = host;
        drop(listener);
        tokio::task::yield_now().await; // its links end in this turn
        shelf.model.answer_all();
        assert_eq!(lent(&answers), looks, "{when}");
        drop(puppet);
        until(when, || !lent(&answers)).await;
    }
}
