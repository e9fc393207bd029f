//! A request that was admitted, in the hands of its caller.

use super::{
    pending::{Delivery, expired},
    service::Service,
    submit::Ticket,
};
use crate::base::{
    clock,
    fault::Fault,
    units::{CallId, Tick},
};
use crate::gateway::leaving::left;
use std::borrow::Borrow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// An admitted call as its caller holds it. Dropped without an answer, it takes the call back.
#[derive(Debug)]
pub(in crate::gateway) struct Waiting<S: Borrow<Arc<Service>>> {
    service: S,
    ticket: Ticket,
    /// Answered, or given up.
    over: bool,
}

impl<S: Borrow<Arc<Service>>> Waiting<S> {
    pub(in crate::gateway) fn new(service: S, ticket: Ticket) -> Waiting<S> {
        Waiting { service, ticket, over: false }
    }

    pub(in crate::gateway) fn call(&self) -> CallId {
        self.ticket.call
    }

    pub(in crate::gateway) async fn until(mut self, arrived: Tick, deadline: Tick) -> Delivery {
        let answered = if deadline == Tick::NEVER {
            Ok((&mut self.ticket.answer).await)
        } else {
            tokio::time::timeout_at(clock::instant(deadline), &mut self.ticket.answer).await
        };
        self.over = answered.is_ok();
        match answered {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(_)) => Err(lost()),
            Err(_) => {
                let late = expired(arrived, deadline);
                self.give_up(&late).unwrap_or(Err(late))
            }
        }
    }

    pub(in crate::gateway) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let answered = ready!(Pin::new(&mut self.ticket.answer).poll(cx));
        self.over = true;
        Poll::Ready(answered.unwrap_or_else(|_| Err(lost())))
    }

    /// Closes first, looks second: who moves the call meanwhile sees that it is closed and ends it.
    /// Returns an answer that came in this very moment. `fault`: what its caller is told, if he still listens.
    pub(in crate::gateway) fn give_up(&mut self, fault: &Fault) -> Option<Delivery> {
        self.over = true;
        self.ticket.answer.close();
        match self.ticket.answer.try_recv() {
            Ok(delivery) => Some(delivery),
            Err(_) => {
                self.service.borrow().abandon(&self.ticket, fault, clock::now());
                None
            }
        }
    }
}

impl<S: Borrow<Arc<Service>>> Drop for Waiting<S> {
    fn drop(&mut self) {
        if !self.over {
            self.give_up(&left());
        }
    }
}

fn lost() -> Fault {
    Fault::internal("the gateway lost the request")
}
