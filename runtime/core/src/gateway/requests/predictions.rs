//! Ids by which labels that come later are joined with answers.

use crate::base::{
    call::Produced,
    clock,
    contract::Contract,
    inference::{Answer, Value},
    prediction::Prediction,
};
use crate::decide::{policy::Share, predicted::predicted};
use crate::gateway::Gateway;
use compact_str::CompactString;

const NS_PER_S: u64 = 1_000_000_000;
const PARAMETER: CompactString = CompactString::const_new("headrace_prediction_id");

impl Gateway {
    /// The id of an answer, if its model asks for one and it is in the sample.
    pub(super) fn prediction(&self, contract: &Contract, produced: &Produced) -> Option<Box<[u8]>> {
        let feedback = contract.feedback.as_deref()?;
        let signer = self.signer.as_ref()?;
        // Of one gateway no two are the same.
        let nonce = self.nonces.draw();
        if nonce % u64::from(Share::FULL) >= u64::from(feedback.share) {
            return None;
        }
        let tensor = produced.outputs.get(feedback.output)?;
        let predicted = predicted(contract, feedback.output, tensor)?;
        signer.id(&Prediction {
            model: &contract.model,
            version: contract.version,
            made_s: u32::try_from(clock::unix_ns() / NS_PER_S).unwrap_or(u32::MAX),
            within_hours: feedback.within_hours,
            nonce,
            predicted,
        })
    }
}

/// What a caller gets, with its id: a header has it for who writes that, and a parameter for clients that show no headers.
pub(super) fn identified(answer: Answer, prediction: Option<Box<[u8]>>) -> Answer {
    let Some(id) = prediction else { return answer };
    let mut answer = answer;
    answer.parameters.push((PARAMETER, Value::Text(String::from_utf8_lossy(&id).into_owned())));
    answer.prediction = Some(id);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{datatype::Datatype, tensor::Tensor};
    use crate::gateway::GatewaySettings;
    use crate::wire::prediction::PredictionKey;
    use serde_json::{Value as Json, json};
    use std::sync::Arc;

    fn gateway(key: Option<&str>) -> Arc<Gateway> {
        let prediction_key = key.map(|key| PredictionKey::try_from(key).unwrap());
        Gateway::new(GatewaySettings { prediction_key, ..GatewaySettings::default() }).unwrap()
    }

    fn contract(feedback: &Json) -> Contract {
        let output = |name: &str| json!({"name": name, "datatype": "FP32", "shape": []});
        let contract = json!({"model": "m", "version": 1, "platform": "python", "inputs": [],
            "outputs": [output("y"), output("z")], "batching": {"max_rows": 16}, "feedback": feedback});
        serde_json::from_value(contract).unwrap()
    }

    fn produced(rows: i64) -> Produced {
        let data = vec![0; usize::try_from(rows * 4).unwrap()].into();
        let tensor = Tensor { datatype: Datatype::Fp32, shape: [rows].into_iter().collect(), data };
        Produced { outputs: [tensor.clone(), tensor].into_iter().collect(), parameters: Vec::new() }
    }

    #[test]
    fn only_what_is_asked_for_has_an_id() {
        let (with, without) = (gateway(Some(&"A".repeat(43))), gateway(None));
        let asked = |output: usize, share: u32| json!({"output": output, "within_hours": 1, "share": share});
        let table = [
            (&with, asked(0, 10_000), 1, true),
            (&with, asked(1, 10_000), 8, true),
            (&with, asked(1, 10_000), 9, false),
            (&with, asked(2, 10_000), 1, false),
            (&with, asked(0, 0), 1, false),
            (&with, Json::Null, 1, false),
            (&without, asked(0, 10_000), 1, false),
        ];
        for (gateway, feedback, rows, has_one) in table {
            let id = gateway.prediction(&contract(&feedback), &produced(rows));
            assert_eq!(id.is_some(), has_one, "{feedback} {rows}");
        }
    }

    #[test]
    fn an_id_is_one_allocation_and_nothing_where_nobody_asks_for_it() {
        let gateway = gateway(Some(&"A".repeat(43)));
        let asked = json!({"output": 0, "within_hours": 1, "share": 10_000});
        for (feedback, most) in [(asked, 1), (Json::Null, 0)] {
            let (contract, produced) = (contract(&feedback), produced(1));
            let taken = allocation_counter::measure(|| drop(gateway.prediction(&contract, &produced)));
            assert_eq!(taken.count_total, most, "{feedback}");
        }
    }

    #[test]
    fn a_share_of_the_requests_is_sampled() {
        let gateway = gateway(Some(&"A".repeat(43)));
        gateway.seed(7);
        let contract = contract(&json!({"output": 0, "within_hours": 1, "share": 2500}));
        let of_4000 = (0..4000).filter(|_| gateway.prediction(&contract, &produced(1)).is_some()).count();
        assert!((900..1100).contains(&of_4000), "{of_4000}");
    }
}
