//! Tensors in shared memory that a client registered, over gRPC.

use super::bench::{Bench, INFER, STREAM, bench_of, infer, post, prefixed};
use crate::gateway::Limits;
use crate::mem::region::testing::Memory;
use crate::wire::oip_proto::messages::{
    self as m, InferParameter, ModelInferRequest, ModelInferResponse, ModelStreamInferResponse,
    infer_parameter::ParameterChoice, model_infer_request::InferRequestedOutputTensor,
};
use prost::Message;
use std::collections::HashMap;

const REGISTER: &str = "/inference.GRPCInferenceService/SystemSharedMemoryRegister";
const STATUS: &str = "/inference.GRPCInferenceService/SystemSharedMemoryStatus";
const UNREGISTER: &str = "/inference.GRPCInferenceService/SystemSharedMemoryUnregister";

async fn bench() -> Bench {
    let limits = Limits { client_regions: 2, body_bytes: 8 << 20, ..Limits::default() };
    bench_of(limits, &h2::client::Builder::new()).await
}

async fn register(bench: &mut Bench, name: &str, memory: &Memory, byte_size: u64) {
    let key = memory.key.clone();
    let asked = m::SystemSharedMemoryRegisterRequest { name: name.into(), key, offset: 0, byte_size };
    let got = bench.call(post(REGISTER), prefixed(&asked.encode_to_vec())).await;
    assert_eq!(got.status(), "0", "{}", got.note());
}

fn in_region(region: &str, offset: i64, len: i64) -> HashMap<String, InferParameter> {
    let of = |choice| InferParameter { parameter_choice: Some(choice) };
    let texts = [("shared_memory_region", ParameterChoice::StringParam(region.into()))];
    let counts = [("shared_memory_offset", offset), ("shared_memory_byte_size", len)];
    let counts = counts.map(|(key, count)| (key, ParameterChoice::Int64Param(count)));
    texts.into_iter().chain(counts).map(|(key, choice)| (key.to_owned(), of(choice))).collect()
}

/// `len` bytes of region `of`, answered into region `to`.
fn request(of: &str, to: &str, len: i64) -> ModelInferRequest {
    let mut request = ModelInferRequest::decode(&infer("7", b"x")[5..]).unwrap();
    request.raw_input_contents.clear();
    request.inputs[0].contents = None;
    request.inputs[0].shape = vec![1, len];
    request.inputs[0].parameters = in_region(of, 0, len);
    request.outputs =
        vec![InferRequestedOutputTensor { name: "y".into(), parameters: in_region(to, 0, len) }];
    request
}

#[tokio::test(start_paused = true)]
async fn inputs_are_read_from_there_and_outputs_written_there() {
    let mut bench = bench().await;
    let long = 3 << 20; // copied on a thread of its own
    let (of, to) = (Memory::of(&vec![9; long]), Memory::of(&vec![0; long]));
    register(&mut bench, "of", &of, long as u64).await;
    register(&mut bench, "to", &to, long as u64).await;
    for len in [5, long] {
        let asked = request("of", "to", i64::try_from(len).unwrap()).encode_to_vec();
        let got = bench.call(post(INFER), prefixed(&asked)).await;
        assert_eq!(got.status(), "0", "{}", got.note());
        let [answer]: [ModelInferResponse; 1] = got.messages().try_into().unwrap();
        assert_eq!(answer.outputs[0].shape, [1, i64::try_from(len).unwrap()]);
        assert_eq!(answer.raw_output_contents, [vec![]], "a place for each output, and nothing in it");
        let written = to.bytes();
        assert!(written[..len].iter().all(|byte| *byte == 9) && written[len..].iter().all(|byte| *byte == 0));
    }
    std::fs::write(to.path(), vec![0; long]).unwrap();
    let got = bench.call(post(STREAM), prefixed(&request("of", "to", 5).encode_to_vec())).await;
    let [answer]: [ModelStreamInferResponse; 1] = got.messages().try_into().unwrap();
    assert_eq!((answer.error_message.as_str(), &to.bytes()[..6]), ("", &[9, 9, 9, 9, 9, 0][..]));
    let got = bench.call(post(STATUS), prefixed(&[])).await;
    let [told]: [m::SystemSharedMemoryStatusResponse; 1] = got.messages().try_into().unwrap();
    assert_eq!((told.regions.len(), &told.regions["of"].key), (2, &of.key));
    for name in ["of", ""] {
        let asked = m::SystemSharedMemoryUnregisterRequest { name: name.into() };
        bench.call(post(UNREGISTER), prefixed(&asked.encode_to_vec())).await;
        let got = bench.call(post(STATUS), prefixed(&[])).await;
        let [told]: [m::SystemSharedMemoryStatusResponse; 1] = got.messages().try_into().unwrap();
        assert_eq!(told.regions.len(), usize::from(!name.is_empty()));
    }
    assert_eq!(bench.gateway.ledger.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_contradicts_itself_is_refused() {
    let mut bench = bench().await;
    let of = Memory::of(&[9; 64]);
    register(&mut bench, "of", &of, 64).await;
    let good = request("of", "of", 5);
    let mut sizeless = good.clone();
    sizeless.inputs[0].parameters.remove("shared_memory_byte_size");
    let mut typed = good.clone();
    typed.inputs[0].contents =
        Some(m::InferTensorContents { uint_contents: vec![1; 5], ..Default::default() });
    let mut negative = good.clone();
    negative.inputs[0].parameters = in_region("of", -1, 5);
    let mut top = good.clone();
    let two = InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(2)) };
    top.outputs[0].parameters.insert("classification".into(), two);
    let mut small = good.clone();
    small.outputs[0].parameters = in_region("of", 0, 4);
    let cases = [
        (sizeless, "3", "'shared_memory_byte_size' must be specified along with 'shared_memory_region'"),
        (typed, "3", "unexpected 'content' provided when using shared memory for input tensor 'x'"),
        (negative, "3", "invalid value for 'shared_memory_offset' parameter of input 'x'"),
        (top, "3", "take 'classification' out"),
        (small, "3", "output 'y' (4 bytes) should be at least 5 bytes"),
        (request("of", "of", 65), "3", "Invalid offset + byte size for shared memory region: 'of'"),
        (request("none", "of", 5), "5", "Unable to find shared memory region: 'none'"),
    ];
    for (asked, status, want) in cases {
        let got = bench.call(post(INFER), prefixed(&asked.encode_to_vec())).await;
        assert_eq!(got.status(), status, "{want}: {}", got.note());
        assert!(got.note().contains(want), "{want}: {}", got.note());
    }
    assert_eq!(bench.gateway.ledger.taken(), 0);
}
