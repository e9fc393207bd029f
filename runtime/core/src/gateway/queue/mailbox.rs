//! Outcomes on their way to callers of one I/O thread.
//!
//! To wake a task of another thread's runtime costs a write to an eventfd, each time. A batch that is settled for
//! sixty callers wakes their thread once, and the thread wakes the sixty without a system call.

use super::{parts::Parts, pending::Pending};
use crate::base::{
    call::Outcome,
    clock, panics,
    primitive::{Mutex, Notify, thread_local},
};
use std::cell::RefCell;
use std::sync::Arc;

/// Holds no more than is in flight, which carriers' windows bound.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Mailbox {
    letters: Mutex<Letters>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Letters {
    outcomes: Vec<(Box<Pending>, Outcome)>,
    /// Those whose readers have news.
    parts: Vec<Arc<Parts>>,
}

impl Letters {
    fn is_first(&self) -> bool {
        self.outcomes.len() + self.parts.len() == 1
    }
}

thread_local! {
    static HERE: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
}

impl Mailbox {
    /// `None` on a thread that has none open: its callers are woken one by one.
    pub(in crate::gateway) fn here() -> Option<Arc<Mailbox>> {
        HERE.with(|here| here.borrow().clone())
    }

    fn is_here(&self) -> bool {
        HERE.with(|here| here.borrow().as_ref().is_some_and(|here| std::ptr::eq(Arc::as_ptr(here), self)))
    }

    /// Opens one for this thread, whose runtime this is called in.
    pub(in crate::gateway) fn open() {
        let mailbox = Mailbox::put_up();
        tokio::spawn(async move { mailbox.deliver().await });
    }

    pub(in crate::gateway) fn put_up() -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::default());
        HERE.with(|here| here.replace(Some(Arc::clone(&mailbox))));
        mailbox
    }

    pub(in crate::gateway) async fn deliver(&self) {
        // Swapped back and forth, so that a steady load allocates nothing.
        let mut batch = Letters::default();
        loop {
            self.news.notified().await;
            std::mem::swap(&mut batch, &mut *self.letters.lock());
            batch.parts.drain(..).for_each(|parts| parts.wake());
            let now = clock::now();
            for (pending, outcome) in batch.outcomes.drain(..) {
                // One that panics must not keep the others' callers waiting for ever; its own hears that it is lost.
                let _ = panics::survive(|| {
                    #[cfg(test)]
                    panics::trip(&format!("delivery to {}", pending.service.model));
                    pending.finish(outcome, now);
                });
            }
        }
    }
}

/// To the thread whose caller waits; at once if that is this thread, or if it has no mailbox.
pub(in crate::gateway) fn post(pending: Box<Pending>, outcome: Outcome) {
    let Some(mailbox) = pending.mailbox.clone().filter(|mailbox| !mailbox.is_here()) else {
        return pending.finish(outcome, clock::now());
    };
    let first = {
        let mut letters = mailbox.letters.lock();
        letters.outcomes.push((pending, outcome));
        letters.is_first()
    };
    // Whoever comes second finds it told already, and not yet emptied.
    if first {
        mailbox.news.notify_one();
    }
}

/// The reader of `parts` has news. A step that makes parts for sixty readers wakes their thread once.
pub(in crate::gateway) fn tell(parts: Arc<Parts>, mailbox: Option<Arc<Mailbox>>) {
    let Some(mailbox) = mailbox.filter(|mailbox| !mailbox.is_here()) else { return parts.wake() };
    let first = {
        let mut letters = mailbox.letters.lock();
        letters.parts.push(parts);
        letters.is_first()
    };
    if first {
        mailbox.news.notify_one();
    }
}
