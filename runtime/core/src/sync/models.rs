//! In every order: nobody slips in behind the shut door, and whoever waits for the last hears of it.

use super::{gate::Gate, turnstile::Turnstile};
use crate::base::primitive::model::{self, check};
use loom::future::block_on;
use std::sync::Arc;

#[test]
fn one_side_sees_the_end_of_a_turnstile() {
    check("turnstile", 3, || {
        let door = Arc::new(Turnstile::default());
        let guest = || {
            let door = Arc::clone(&door);
            model::spawn(move || door.enter() && door.leave())
        };
        let guests = [guest(), guest()];
        let ended = usize::from(door.shut() == 0);
        assert!(!door.enter());
        let ended = guests.into_iter().fold(ended, |sum, guest| sum + usize::from(guest.join().unwrap()));
        assert_eq!((ended, door.inside()), (1, 0));
    });
}

#[test]
fn every_drain_hears_of_the_last_who_leaves() {
    check("gate", 3, || {
        let gate = Gate::default();
        let thread = |work: fn(Gate)| {
            let gate = gate.clone();
            model::spawn(move || work(gate))
        };
        let stays = gate.enter();
        let guest = thread(|gate| drop(gate.enter()));
        let waits = thread(|gate| {
            gate.shut();
            block_on(gate.until_empty());
        });
        drop(stays);
        gate.shut();
        block_on(gate.until_empty());
        assert!(gate.enter().is_none());
        waits.join().unwrap();
        guest.join().unwrap();
        assert_eq!(gate.inside(), 0);
    });
}
