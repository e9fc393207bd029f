//! A gateway of the simulated node: the real one, with callers instead of sockets.

use super::{
    caller::{Caller, End, Said, Wish},
    host::{ARENA, MODEL, STREAMS},
    process::Process,
    reader::Reader,
    rows,
};
use crate::base::{
    clock,
    datatype::Datatype,
    inference::{Inference, Input},
    tensor::Tensor,
    units::{Tick, Version},
};
use crate::gateway::{Client, Gateway, GatewaySettings, Reserved};
use crate::link::gateway::{Endpoint, Links};
use crate::mem::arena::Arena;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(super) struct GatewayProcess {
    pub(super) id: u64,
    pub(super) gateway: Arc<Gateway>,
    links: Arc<Links>,
    /// The highest epoch it was given.
    pub(super) epoch: u64,
    /// Callers that have their answers or faults, and those that left.
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) left: u64,
    /// Last, for what is above must go while it still runs.
    pub(super) process: Process,
}

impl GatewayProcess {
    pub(super) fn start(id: u64, dice: u64) -> GatewayProcess {
        let process = Process::new();
        let settings = GatewaySettings { arena_bytes: ARENA, ..GatewaySettings::default() };
        let gateway = Gateway::new(settings).unwrap();
        gateway.seed(dice);
        let links = process.within(|| gateway.begin(process.handle().clone()));
        GatewayProcess { id, gateway, links, epoch: 0, answered: 0, refused: 0, left: 0, process }
    }

    pub(super) fn directory(&self, endpoints: Vec<Endpoint>) {
        self.process.within(|| self.links.set_endpoints(endpoints));
    }

    /// False: refused as older than the one it has.
    pub(super) fn table(&self, epoch: u64, first: u32) -> bool {
        let text = format!(
            r#"{{"epoch": {{"term": 1, "sequence": {epoch}}}, "models": {{"{MODEL}": {{
            "versions": [{{"version": 1, "state": "READY"}}, {{"version": 2, "state": "READY"}},
            {{"version": 3, "state": "READY"}}],
            "weights": [{{"version": 1, "share": {first}}}, {{"version": 2, "share": {}}}]}}}}}}"#,
            10_000 - first
        );
        self.process.within(|| self.gateway.apply_policy(&text).is_ok())
    }

    /// `may`: parts that its caller reads, if it is answered in parts.
    pub(super) fn ask(&mut self, wish: Wish, now: Duration, may: usize) -> Caller {
        let end = End::default();
        let reader = (wish.version == Some(STREAMS)).then(|| Reader::new(may));
        let task = self.process.within(|| match &reader {
            Some(reader) => self.ask_in_parts((wish, &end), reader),
            None => self.ask_once((wish, &end)),
        });
        self.process.turn(1);
        let deadline = wish.patience.map(|patience| now + patience);
        let task = task.abort_handle();
        Caller { wish, gateway: self.id, deadline, end, task, reader, late_since: None }
    }

    fn ask_once(&self, (wish, end): (Wish, &End)) -> JoinHandle<()> {
        let (inference, reserved) = inference(&Client::new(Arc::clone(&self.gateway)), wish);
        let (gateway, to) = (Arc::clone(&self.gateway), Arc::clone(end));
        self.process.handle().spawn(async move {
            let outcome =
                gateway.infer(inference, reserved, |answer| ready(Ok(Said::Whole(Box::new(answer))))).await;
            assert!(to.lock().replace(outcome).is_none(), "answered twice");
        })
    }

    /// As a dead process goes.
    pub(super) fn end(self) {
        let GatewayProcess { process, gateway, links, .. } = self;
        // What is retried while it is taken apart must not be written where a host still looks.
        gateway.arena().into_iter().for_each(Arena::die);
        process.within(|| drop((links, gateway)));
    }
}

/// Of a client that arrives now.
pub(super) fn inference(client: &Arc<Client>, wish: Wish) -> (Box<Inference>, Reserved) {
    let body = rows::body(wish.id, wish.rows, wish.verb, wish.width);
    let mut arriving = client.reserve(body.len()).unwrap();
    arriving.push(&body).unwrap();
    let (reserved, data) = arriving.freeze();
    let shape = [i64::from(wish.rows), i64::try_from(wish.width).unwrap()].as_slice().into();
    let tensor = Tensor { datatype: Datatype::Uint8, shape, data };
    let arrived = clock::now();
    let inference = Inference {
        model: MODEL.into(),
        version: wish.version.map(|number| Version(number).into()),
        id: "".into(),
        parameters: Vec::new(),
        inputs: [Input { name: "x".into(), tensor, region: None }].into_iter().collect(),
        outputs: Vec::new(),
        deadline: wish.patience.map_or(Tick::NEVER, |patience| arrived.plus(patience)),
        arrived,
        facts: Vec::new(),
        traced: false,
        callers: None,
    };
    (Box::new(inference), reserved)
}
