//! Somebody who reads an answer in parts, as fast as the dice let it.

use super::{
    caller::{End, Said, Wish},
    gateway::{GatewayProcess, inference},
    stage::{part, plan},
};
use crate::base::{fault::Fault, inference::Inference};
use crate::gateway::{Client, Gateway, Reserved};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::{sync::Semaphore, task::JoinHandle};

#[derive(Debug)]
pub(super) struct Reader {
    /// Parts, or the end, that it may still ask for.
    may: Semaphore,
    pub(super) heard: AtomicU32,
}

impl Reader {
    pub(super) fn new(may: usize) -> Arc<Reader> {
        Arc::new(Reader { may: Semaphore::new(may), heard: AtomicU32::new(0) })
    }

    pub(super) fn may_read(&self, parts: usize) {
        self.may.add_permits(parts);
    }

    pub(super) fn listens(&self) -> bool {
        self.may.available_permits() > 0
    }

    /// Reads until the end. `Err`: it is told of a fault.
    async fn read(
        &self,
        (gateway, client): (Arc<Gateway>, Arc<Client>),
        (inference, reserved): (Box<Inference>, Reserved),
        (caller, rows): (u64, u32),
    ) -> Result<Said, Fault> {
        let mut answers = gateway.open(inference, reserved, &client).await?;
        let (_, width) = plan(caller, rows);
        loop {
            self.may.acquire().await.unwrap().forget();
            let Some(answer) = answers.next().await.transpose()? else { break };
            let at = self.heard.fetch_add(1, Relaxed);
            let [(0, output)] = answer.outputs.as_slice() else {
                return Ok(Said::Wrong(format!("part {at} has {} outputs", answer.outputs.len())));
            };
            if output.data != part(caller, at, rows, width) {
                let head: Vec<_> = output.data.iter().take(16).collect();
                return Ok(Said::Wrong(format!("part {at} of caller {caller} begins with {head:?}")));
            }
        }
        answers.delivered();
        if answers.next().await.is_some() {
            return Ok(Said::Wrong(format!("caller {caller} heard more after the end")));
        }
        Ok(Said::InParts(self.heard.load(Relaxed)))
    }
}

impl GatewayProcess {
    pub(super) fn ask_in_parts(&self, (wish, end): (Wish, &End), reader: &Arc<Reader>) -> JoinHandle<()> {
        let (client, reader) = (Client::new(Arc::clone(&self.gateway)), Arc::clone(reader));
        let (asked, to) = (inference(&client, wish), End::clone(end));
        let gateway = Arc::clone(&self.gateway);
        self.process.handle().spawn(async move {
            let outcome = reader.read((gateway, client), asked, (wish.id, wish.rows)).await;
            assert!(to.lock().replace(outcome).is_none(), "ended twice");
        })
    }
}
