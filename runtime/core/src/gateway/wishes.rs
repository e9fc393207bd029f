//! What clients wish of the repository: to load a model, or to unload one. Who decides is not the gateway: each wish
//! waits until Python has taken it and said what came of it.

use crate::base::fault::{Fault, Kind};
use crate::gateway::Gateway;
use crate::wire::absent;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Wishes that may be under way at once: each is one of an operator's, and may take minutes.
const MOST: usize = 16;
/// For the link to the host of a model that was loaded a moment ago.
const LINKING: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Load,
    Unload,
}

/// As Python reads it.
#[derive(Clone, Debug, Serialize)]
struct Wish {
    id: u64,
    operation: Operation,
    model: String,
}

#[derive(Debug, Default)]
struct Desk {
    /// Not taken yet.
    waiting: VecDeque<Wish>,
    /// Of all that are under way.
    replies: BTreeMap<u64, oneshot::Sender<Result<(), String>>>,
    last: u64,
    closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Wishes {
    desk: Mutex<Desk>,
    news: Condvar,
}

impl Wishes {
    fn put(&self, operation: Operation, model: &str) -> Result<Underway<'_>, Fault> {
        let mut desk = self.desk.lock();
        if desk.closed {
            return Err(super::ending::draining());
        }
        if desk.replies.len() >= MOST {
            let note = format!("{MOST} models are being loaded or unloaded: try again later");
            return Err(Fault::new(Kind::Overloaded, note));
        }
        desk.last += 1;
        let id = desk.last;
        let (reply, told) = oneshot::channel();
        desk.replies.insert(id, reply);
        desk.waiting.push_back(Wish { id, operation, model: model.to_owned() });
        drop(desk);
        self.news.notify_one();
        Ok(Underway { wishes: self, id, told })
    }

    /// Waits for the next wish, as JSON; `None` once closed.
    pub(super) fn next(&self) -> Option<String> {
        let mut desk = self.desk.lock();
        loop {
            if let Some(wish) = desk.waiting.pop_front() {
                return serde_json::to_string(&wish).ok();
            }
            if desk.closed {
                return None;
            }
            self.news.wait(&mut desk);
        }
    }

    /// Says what came of a wish; whoever wished it may have left.
    pub(super) fn finish(&self, id: u64, came: Result<(), String>) {
        if let Some(reply) = self.desk.lock().replies.remove(&id) {
            let _gone = reply.send(came);
        }
    }

    /// Takes no more; who waits is told so.
    pub(super) fn close(&self) {
        let mut desk = self.desk.lock();
        desk.closed = true;
        desk.waiting.clear();
        desk.replies.clear();
        drop(desk);
        self.news.notify_all();
    }
}

/// A wish whose caller waits. He may leave: then its place is free, and what was begun goes on.
#[derive(Debug)]
struct Underway<'a> {
    wishes: &'a Wishes,
    id: u64,
    told: oneshot::Receiver<Result<(), String>>,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut desk = self.wishes.desk.lock();
        desk.replies.remove(&self.id);
        desk.waiting.retain(|wish| wish.id != self.id);
    }
}

impl Gateway {
    /// Waits for the next wish of a client; `None` once drained. JSON: id, operation (load, unload), model.
    pub fn next_operation(&self) -> Option<String> {
        self.wishes.next()
    }

    /// `came`: why it was not done, in words for the client.
    pub fn finish_operation(&self, id: u64, came: Result<(), String>) {
        self.wishes.finish(id, came);
    }

    /// Has a model loaded or unloaded, and returns once that is done, and a loaded one answers.
    pub(in crate::gateway) async fn operate(
        self: &Arc<Gateway>,
        operation: Operation,
        model: &str,
    ) -> Result<(), Fault> {
        if !self.settings.model_control {
            return Err(absent::model_control());
        }
        let mut underway = self.wishes.put(operation, model)?;
        let came = (&mut underway.told).await.map_err(|_closed| super::ending::draining())?;
        let verb = if operation == Operation::Load { "load" } else { "unload" };
        came.map_err(|why| Fault::invalid(format!("failed to {verb} '{model}': {why}")))?;
        if operation == Operation::Load {
            // It is loaded, and not a mistake if its host is not linked for longer than that.
            let _late = tokio::time::timeout(LINKING, self.linked(model)).await;
        }
        Ok(())
    }

    async fn linked(&self, model: &str) {
        loop {
            let arrival = self.arrivals.notified();
            if self.is_model_ready(model, None) {
                return;
            }
            arrival.await;
        }
    }
}

/// Of a request to load a model: what it says beside that is not done, and so refused by name.
pub(super) fn no_parameters<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), Fault> {
    match names.into_iter().next() {
        None => Ok(()),
        Some(name) if name == "config" || name.starts_with("file:") => Err(Fault::new(
            Kind::Unsupported,
            format!(
                "load parameter '{name}' is not offered: models are loaded from the server's folder as they are there"
            ),
        )),
        Some(name) => Err(Fault::invalid(format!("unrecognized load parameter '{name}'."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::GatewaySettings;

    fn gateway(model_control: bool) -> Arc<Gateway> {
        Gateway::new(GatewaySettings { model_control, ..GatewaySettings::default() }).unwrap()
    }

    #[tokio::test]
    async fn who_wishes_hears_what_came_of_it() {
        let gateway = gateway(true);
        let asked = tokio::spawn({
            let gateway = Arc::clone(&gateway);
            async move { gateway.operate(Operation::Unload, "m").await }
        });
        let taker = Arc::clone(&gateway);
        let wish = tokio::task::spawn_blocking(move || taker.next_operation()).await.unwrap();
        assert_eq!(wish.unwrap(), r#"{"id":1,"operation":"unload","model":"m"}"#);
        gateway.finish_operation(9, Ok(()));
        gateway.finish_operation(1, Err("it has traffic".to_owned()));
        let fault = asked.await.unwrap().unwrap_err();
        assert_eq!((fault.kind, &*fault.note), (Kind::Invalid, "failed to unload 'm': it has traffic"));
    }

    #[tokio::test]
    async fn only_so_many_wait_and_who_leaves_makes_room() {
        let gateway = gateway(true);
        let mut waiting: Vec<_> =
            (0..MOST).map(|_| gateway.wishes.put(Operation::Load, "m").unwrap()).collect();
        let full = gateway.operate(Operation::Load, "m").await.unwrap_err();
        assert_eq!(full.kind, Kind::Overloaded);
        waiting.pop();
        drop(gateway.wishes.put(Operation::Load, "m").unwrap());
        assert_eq!(gateway.wishes.desk.lock().waiting.len(), MOST - 1);
        gateway.wishes.close();
        for mut one in waiting {
            assert!((&mut one.told).await.is_err());
        }
        assert_eq!(gateway.next_operation(), None);
        assert_eq!(gateway.operate(Operation::Load, "m").await.unwrap_err().kind, Kind::Unavailable);
    }

    #[tokio::test]
    async fn nothing_is_loaded_where_that_is_not_switched_on() {
        let fault = gateway(false).operate(Operation::Load, "m").await.unwrap_err();
        assert!(fault.note.starts_with("explicit model load / unload is not allowed"), "{fault}");
    }

    #[test]
    fn parameters_are_refused_by_name() {
        assert_eq!(no_parameters([]), Ok(()));
        for (name, kind) in
            [("config", Kind::Unsupported), ("file:1/model.onnx", Kind::Unsupported), ("x", Kind::Invalid)]
        {
            let fault = no_parameters([name]).unwrap_err();
            assert!(fault.kind == kind && fault.note.contains(name), "{fault}");
        }
    }
}
