//! Tensors that a request leaves in shared memory.

use super::tests::read;
use crate::base::inference::InRegion;

fn x(rest: &str) -> String {
    format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32"{rest}}}]}}"#)
}

#[test]
fn parameters_say_where_a_tensor_lies() {
    let all =
        r#","parameters":{"shared_memory_offset":3,"shared_memory_region":"r","shared_memory_byte_size":4}"#;
    let short = r#","parameters":{"shared_memory_byte_size":4,"shared_memory_region":"r"}"#;
    let outputs = format!(r#"],"outputs":[{{"name":"y"{short}}},{{"name":"z"}}]}}"#);
    let region = |offset| Some(Box::new(InRegion { region: "r".into(), offset, len: 4, device: None }));
    let request = read(&x(all).replace("]}", &outputs), b"").unwrap();
    assert_eq!((&request.inputs[0].region, request.inputs[0].tensor.data.len()), (&region(3), 0));
    let outputs: Vec<_> = request.outputs.into_iter().map(|wanted| wanted.region).collect();
    assert_eq!(outputs, [region(0), None]);
}

#[test]
fn what_contradicts_itself_is_told() {
    let table: &[(&str, &[u8], &str)] = &[
        (
            &x(r#","parameters":{"shared_memory_region":"r"}"#),
            b"",
            "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for input 'x'",
        ),
        (
            &x(r#","parameters":{"shared_memory_byte_size":4}"#),
            b"",
            "'shared_memory_byte_size' can not be specified without 'shared_memory_region'",
        ),
        (
            &x(r#","data":[1],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":4}"#),
            b"",
            "But 'data' and 'shared_memory_region' are set for input 'x'",
        ),
        (
            &x(
                r#","parameters":{"binary_data_size":4,"shared_memory_region":"r","shared_memory_byte_size":4}"#,
            ),
            &[0; 4],
            "But 'binary_data_size' and 'shared_memory_region' are set",
        ),
        (&x(r#","parameters":{"shared_memory_region":7}"#), b"", "JSON non-string as string"),
        (&x(r#","parameters":{"shared_memory_offset":-1}"#), b"", "JSON non-unsigned-integer"),
    ];
    for (json, blobs, want) in table {
        let note = read(json, blobs).unwrap_err();
        assert!(note.contains(want), "{want}: {note}");
    }
}
