//! In every order: a page is in one hand at a time, who gets it sees it as the last one left it, and all come back.

use super::arena::Arena;
use crate::base::primitive::{model::check, thread};
use loom::cell::UnsafeCell;
use std::rc::Rc;

const PAGE: usize = 4096;

/// Takes a page, if one is free, and writes and reads it. `pages` stand for the bytes: loom knows who came to which
/// of them, and in what order.
fn use_one(arena: &Arena, pages: &[UnsafeCell<u8>; 2], mark: u8) {
    let Some(mut lease) = arena.lease(PAGE) else { return };
    let at = arena.locate(lease.as_ref()).unwrap();
    let page = &pages[usize::try_from(at.offset).unwrap() / PAGE];
    page.with_mut(|_| lease.as_mut().fill(mark));
    let bytes = lease.freeze();
    thread::yield_now();
    page.with(|_| assert!(bytes.iter().all(|byte| *byte == mark), "written by somebody else"));
    drop(bytes);
}

#[test]
fn pages_are_lent_to_one_at_a_time_and_come_back() {
    check("arena", 3, || {
        let arena = Arena::new(2 * PAGE).unwrap();
        // Loom's threads take turns on one of the system's.
        let pages = Rc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        let users: Vec<_> = [1, 2]
            .into_iter()
            .map(|mark| {
                let (arena, pages) = (arena.clone(), Rc::clone(&pages));
                thread::spawn(move || {
                    use_one(&arena, &pages, mark);
                    use_one(&arena, &pages, mark + 10);
                })
            })
            .collect();
        use_one(&arena, &pages, 3);
        users.into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(arena.free_bytes(), 2 * PAGE);
        assert!(arena.lease(2 * PAGE).is_some(), "free pages join again");
    });
}
