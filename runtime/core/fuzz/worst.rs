//! Inputs made to be dear, at two lengths: what a byte of them costs, and whether twice the length costs more than twice.
//! `worst [READER]...`

use headrace_core::fuzzing::{CHECKS, Cost, cost};
use std::panic::catch_unwind;

/// Fields and messages of protobuf.
fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
    out
}

fn field(number: usize, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len()), content.to_vec()].concat()
}

fn json(text: &str) -> Vec<u8> {
    [b"\xff\xff", text.as_bytes()].concat()
}

fn data(datatype: &str, count: usize, element: &str) -> Vec<u8> {
    let elements = vec![element; count].join(",");
    json(&format!(r#"{{"inputs":[{{"name":"x","shape":[{count}],"datatype":"{datatype}","data":[{elements}]}}]}}"#))
}

/// `count` names that differ in their last bytes only.
fn names(count: usize, len: usize) -> impl Iterator<Item = String> {
    let stem = "n".repeat(len.saturating_sub(5));
    (0..count).map(move |at| format!("{stem}{at:05}"))
}

fn json_inputs(len: usize) -> Vec<u8> {
    let count = 4000;
    let input = |name| format!(r#"{{"name":"{name}","shape":[0],"datatype":"INT8","data":[]}}"#);
    let inputs: Vec<_> = names(count, (len / count).saturating_sub(50)).map(input).collect();
    json(&format!(r#"{{"inputs":[{}]}}"#, inputs.join(",")))
}

fn proto_inputs(len: usize) -> Vec<u8> {
    let count = 4000;
    let input = |name: String| field(5, &[field(1, name.as_bytes()), field(2, b"INT8"), b"\x18\0".to_vec()].concat());
    let inputs: Vec<u8> = names(count, (len / count).saturating_sub(20)).flat_map(input).collect();
    [inputs, field(7, b"").repeat(count)].concat()
}

fn proto_parameters(len: usize) -> Vec<u8> {
    let each = b"\x22\0".repeat(4000);
    let input = field(5, &[field(1, b"x"), field(2, b"INT8"), each].concat());
    input.repeat(len / input.len() + 1)
}

/// BYTES tensors that each are all of the peer's memory.
fn frame(len: usize) -> Vec<u8> {
    let count = (len / 24).min(60_000);
    let entry = |at: usize| {
        let index = u16::try_from(at).unwrap().to_le_bytes();
        [&index[..], &[13, 0, 1, 0, 0, 0], &0_u64.to_le_bytes(), &(64_u64 << 10).to_le_bytes()].concat()
    };
    let table: Vec<u8> = (0..count).flat_map(entry).collect();
    let mut head = u32::try_from(table.len()).unwrap().to_le_bytes().to_vec();
    head.extend([3, 0, 0, 0]);
    head.extend([0; 20]);
    head.extend(u16::try_from(count).unwrap().to_le_bytes());
    head.extend(b"HR");
    [head, table].concat()
}

fn policy(len: usize) -> Vec<u8> {
    let name = "n".repeat(len / 2);
    let shares = vec![r#"{"version":9,"share":1}"#; len / 2 / 24].join(",");
    let model = format!(r#"{{"versions":[],"weights":[{shares}]}}"#);
    format!(r#"{{"epoch":{{"term":1,"sequence":1}},"models":{{"{name}":{model}}}}}"#).into_bytes()
}

/// Members of nothing.
fn gzip(len: usize) -> Vec<u8> {
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".repeat(len / 20)
}

type Family = (&'static str, &'static str, usize, fn(usize) -> Vec<u8>);

/// Reader, what is in its input, the shorter length, the input.
const FAMILIES: &[Family] = &[
    ("json", "numbers of a digit", 1 << 20, |len| data("FP64", len / 2 / 16, "1")),
    ("json", "numbers that are hard to round", 1 << 20, |len| data("FP32", len / 28, "1.00000017881393432617187")),
    ("json", "a number of one digit after the other", 1 << 20, |len| data("FP64", 1, &"7".repeat(len))),
    ("json", "a fraction without end", 1 << 20, |len| data("FP64", 1, &format!("0.{}", "7".repeat(len)))),
    ("json", "escapes", 1 << 20, |len| data("BYTES", 1, &format!("\"{}\"", "\\u00e9".repeat(len / 6)))),
    ("json", "lists of lists", 1 << 20, |len| data("INT8", len / 8, "[[[1]]]")),
    ("json", "empty lists", 1 << 20, |len| json(&format!(r#"{{"z":[{}[]],"inputs":[]}}"#, "[[],[]],".repeat(len / 8)))),
    ("json", "inputs whose names begin alike", 4 << 20, json_inputs),
    ("json", "parameters", 32 << 10, |len| json(&format!(r#"{{"inputs":[],"parameters":{{{}"z":0}}}}"#, r#""":1,"#.repeat(len / 5)))),
    ("proto", "inputs whose names begin alike", 4 << 20, proto_inputs),
    ("proto", "parameters of inputs", 1 << 20, proto_parameters),
    ("proto", "varints", 256 << 10, |len| field(5, &[field(1, b"x"), field(2, b"INT8"), field(5, &field(2, &vec![1; len]))].concat())),
    ("proto", "numbers in messages of their own", 1 << 20, |len| {
        field(5, &[field(1, b"x"), field(2, b"INT64"), field(5, &b"\x18\x01".repeat(len / 16))].concat())
    }),
    ("frames", "tensors that are all of the memory", 256 << 10, frame),
    ("policy", "mistakes of a model with a long name", 64 << 10, policy),
    ("inflate", "members of nothing", 1 << 20, gzip),
];

fn measure(check: fn(&[u8]), input: &[u8]) -> Cost {
    cost();
    // What is beyond its bound is told on standard error, and counted as far as it went.
    let _ = catch_unwind(|| check(input));
    cost()
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (reader, what, len, input) in FAMILIES {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == reader) {
            continue;
        }
        let (_, check) = CHECKS.iter().find(|(name, _)| name == reader).expect("a reader");
        let inputs = [input(*len), input(2 * len)];
        let [half, whole] = [0, 1].map(|at| measure(*check, &inputs[at]));
        let len = inputs[1].len() as f64;
        println!(
            "{reader:8} {what:40} {:9.2} MB {:9.1} ns/B {:9.2} B/B   twice as long: {:5.2} x time {:5.2} x memory",
            len / 1e6,
            whole.nanos as f64 / len,
            whole.bytes as f64 / len,
            whole.nanos as f64 / half.nanos.max(1) as f64,
            whole.bytes as f64 / half.bytes.max(1) as f64,
        );
    }
}
