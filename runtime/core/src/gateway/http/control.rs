//! To load a model, and to unload one.

use super::body;
use crate::base::fault::Fault;
use crate::gateway::Client;
use crate::gateway::wishes::{Operation, no_parameters};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::collections::BTreeMap;

/// Nothing, or `{"parameters": {..}}`.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    parameters: BTreeMap<String, IgnoredAny>,
}

/// Returns what Triton's clients pass over, and KServe's read.
pub(super) async fn answer(
    client: &Client,
    model: &str,
    operation: Operation,
    body: Incoming,
) -> Result<Vec<u8>, Fault> {
    let (_reserved, body) = body::read(client, body).await?;
    if operation == Operation::Load && !body.trim_ascii().is_empty() {
        let asked: Asked = serde_json::from_slice(&body)
            .map_err(|error| Fault::invalid(format!("failed to parse the request JSON buffer: {error}")))?;
        no_parameters(asked.parameters.keys().map(String::as_str))?;
    }
    client.gateway.operate(operation, model).await?;
    let done = match operation {
        Operation::Load => json!({"name": model, "load": true}),
        Operation::Unload => json!({"name": model, "unload": true}),
    };
    Ok(done.to_string().into_bytes())
}
