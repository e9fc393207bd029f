//! To load a model, and to unload one.

use super::describe::{no_repository, read};
use crate::base::fault::Fault;
use crate::gateway::{
    Gateway,
    wishes::{Operation, no_parameters},
};
use crate::wire::oip_proto::messages as m;
use bytes::Bytes;
use prost::Message;
use std::sync::Arc;

pub(super) async fn load(gateway: &Arc<Gateway>, request: Bytes) -> Result<Vec<u8>, Fault> {
    let asked: m::RepositoryModelLoadRequest = read(request)?;
    let model = model(&asked.repository_name, &asked.model_name)?;
    no_parameters(asked.parameters.keys().map(String::as_str))?;
    gateway.operate(Operation::Load, model).await?;
    Ok(m::RepositoryModelLoadResponse {}.encode_to_vec())
}

pub(super) async fn unload(gateway: &Arc<Gateway>, request: Bytes) -> Result<Vec<u8>, Fault> {
    let asked: m::RepositoryModelUnloadRequest = read(request)?;
    let model = model(&asked.repository_name, &asked.model_name)?;
    gateway.operate(Operation::Unload, model).await?;
    Ok(m::RepositoryModelUnloadResponse {}.encode_to_vec())
}

/// KServe's dialect has the model's name where Triton's has the repository's.
fn model<'a>(repository: &'a str, model: &'a str) -> Result<&'a str, Fault> {
    if model.is_empty() {
        return Ok(repository);
    }
    no_repository(repository)?;
    Ok(model)
}
