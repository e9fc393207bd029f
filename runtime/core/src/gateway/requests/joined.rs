//! An answer in parts as one.

use super::answers::Answers;
use crate::base::{
    call::Timing,
    contract::TensorSpec,
    fault::{Fault, Kind},
    inference::{Answer, Parameters},
    tensor::Tensor,
};
use crate::gateway::{Client, queue::parts::too_much};
use bytes::Bytes;

/// All answers as one: each output's parts joined along the first axis, with the times of all. What is kept meanwhile
/// counts as unread.
pub(in crate::gateway) async fn all(client: &Client, answers: &mut Answers) -> Result<Answer, Fault> {
    let whole = joined(client, answers).await?;
    Ok(Answer { timing: answers.timing(), ..whole })
}

async fn joined(client: &Client, answers: &mut Answers) -> Result<Answer, Fault> {
    let Some(mut first) = answers.next().await.transpose()? else { return Ok(none(answers)) };
    let Some(second) = answers.next().await.transpose()? else { return Ok(first) };
    let len = |answer: &Answer| answer.outputs.iter().map(|(_, tensor)| tensor.data.len()).sum();
    let mut reserved = client.keep_unread(len(&first)).map_err(|fault| answers.fail(fault))?;
    let mut data: Vec<_> = first.outputs.iter().map(|(_, tensor)| Vec::from(&*tensor.data)).collect();
    let mut next = Some(second);
    while let Some(part) = next {
        let more = len(&part);
        let room = reserved.grow(more).map_err(|_| too_much(reserved.len().saturating_add(more)));
        let joined = room.and_then(|()| join(&mut first, &mut data, &part));
        joined.map_err(|fault| answers.fail(fault))?;
        answers.keeps(reserved.len());
        first.parameters = part.parameters;
        next = answers.next().await.transpose()?;
    }
    for ((_, tensor), data) in first.outputs.iter_mut().zip(data) {
        tensor.data = data.into();
    }
    Ok(first)
}

fn join(whole: &mut Answer, data: &mut [Vec<u8>], part: &Answer) -> Result<(), Fault> {
    for (((place, tensor), data), (_, more)) in whole.outputs.iter_mut().zip(data).zip(&part.outputs) {
        let sizes = tensor.shape.split_first_mut().zip(more.shape.split_first());
        let Some(((rows, _), (more_rows, _))) = sizes.filter(|((_, row), (_, other))| *row == *other) else {
            let name = part.contract.outputs.get(*place).map_or("", |spec| spec.name.as_str());
            let note =
                format!("the parts of output '{name}' have different sizes: ask with /generate_stream");
            return Err(Fault::new(Kind::Unsupported, note));
        };
        *rows = rows.saturating_add(*more_rows);
        data.extend_from_slice(&more.data);
    }
    Ok(())
}

/// Of no part.
fn none(answers: &Answers) -> Answer {
    let contract = answers.contract();
    let empty = |spec: &TensorSpec| {
        let sizes = spec.shape.iter().map(|size| (*size).max(0));
        let shape = std::iter::once(0).chain(sizes).collect();
        Tensor { datatype: spec.datatype, shape, data: Bytes::new() }
    };
    Answer {
        contract: contract.clone(),
        id: answers.id().clone(),
        outputs: contract.outputs.iter().map(empty).enumerate().collect(),
        parameters: Parameters::new(),
        timing: Timing::default(),
        prediction: None,
    }
}
