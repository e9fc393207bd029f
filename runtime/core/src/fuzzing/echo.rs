//! A gateway whose models answer at once with what they were asked.

use crate::base::{
    call::{Call, Carrier, Outcome, Produced, Timing, Window},
    contract::Contract,
    roster::Roster,
    units::{CallId, Rows},
};
use crate::gateway::{Gateway, GatewaySettings, Limits};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Of the largest request.
pub(super) const BODY: usize = 256 << 10;
const BODIES: usize = 4;

const TABLE: &str = r#"{"epoch": {"term": 1, "sequence": 1}, "models": {
    "m": {"versions": [{"version": 1, "state": "READY"}], "weights": [{"version": 1, "share": 10000}]},
    "s": {"versions": [{"version": 2, "state": "READY"}], "weights": [{"version": 2, "share": 10000}]},
    "u": {"versions": [{"version": 3, "state": "LOADING", "reason": "warming"}], "weights": []}}}"#;

/// Answers at once with what it was asked.
#[derive(Debug)]
struct Echo;

impl Carrier for Echo {
    fn send(&self, call: Call) {
        let produced = Produced { outputs: call.inputs.clone(), parameters: call.parameters.clone() };
        call.reply.settle(Outcome { result: Ok(produced), timing: Timing::default() });
    }

    fn cancel(&self, _: CallId) {}
}

fn contract(model: &str, version: u64, datatype: &str, size: i64) -> Arc<Contract> {
    let tensor = |name: &str| serde_json::json!([{"name": name, "datatype": datatype, "shape": [size]}]);
    let contract = serde_json::json!({"model": model, "version": version, "platform": "python",
        "inputs": tensor("x"), "outputs": tensor("y"), "batching": {"max_rows": 8}});
    Arc::new(serde_json::from_value(contract).unwrap())
}

/// `m` echoes FP32[-1,2], `s` echoes BYTES[-1,1], `u` is not ready.
fn gateway() -> Arc<Gateway> {
    let limits = Limits {
        body_bytes: BODY,
        in_flight_bytes: BODIES * BODY,
        header_bytes: 8 << 10,
        ..Limits::default()
    };
    let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
    gateway.apply_policy(TABLE).unwrap();
    for contract in [contract("m", 1, "FP32", 2), contract("s", 2, "BYTES", 1)] {
        gateway.carrier_up(contract, Arc::new(Echo), Window { rows: Rows::new(16) }).unwrap();
    }
    gateway
}

thread_local! {
    static BENCH: (Runtime, Arc<Gateway>) =
        (tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), gateway());
}

/// Runs `work` to its end. Of what it sent nothing is held then.
pub(super) fn with_gateway<T>(work: impl FnOnce(&Runtime, &Arc<Gateway>) -> T) -> T {
    BENCH.with(|(runtime, gateway)| {
        let done = work(runtime, gateway);
        let stats: serde_json::Value = serde_json::from_str(&gateway.stats()).unwrap();
        let held = ["in_flight_bytes", "unread_bytes"].map(|name| stats[name].as_u64());
        assert_eq!(held, [Some(0); 2], "something of a request is held when its connection is over");
        done
    })
}

/// An error without the id that it is logged under.
pub(super) fn nameless(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.split("[error").next().unwrap_or_default().to_owned()
}

/// Whatever is refused is told why, at a length that no client's limit on headers refuses.
pub(super) fn check_said(said: &str) {
    assert!(!said.is_empty(), "a refusal without a message");
    assert!(said.len() <= 1100, "a message of {} bytes", said.len());
}
