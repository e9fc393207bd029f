//! What a request may hold is read, and one more of it is refused before the rest is looked at.

use super::request;
use crate::base::fault::Kind;
use crate::wire::budget::Budget;
use bytes::Bytes;

/// The kind and the words of the refusal.
fn refusal(json: String) -> Option<(Kind, String)> {
    let body = Bytes::from(json);
    let mut leave = |_| Ok(());
    let mut budget = Budget::new(1 << 20, body.len(), &mut leave);
    let fault = request::read(&body, body.len(), "m", 8, &mut budget).err()?;
    Some((fault.kind, fault.note.into_owned()))
}

/// `body` gets as much as may be, with an end; then one more, and no end: reading must not come that far.
fn limit(most: usize, words: &str, body: impl Fn(usize, &str) -> String) {
    assert_eq!(refusal(body(most, "")), None, "{words}");
    let (kind, note) = refusal(body(most + 1, "no JSON")).unwrap();
    assert_eq!((kind, note.contains(words)), (Kind::TooLarge, true), "{words}: {note}");
}

#[test]
fn each_count_has_a_limit() {
    let list = |entry: &str, count: usize| vec![entry; count].join(",");
    let x = r#""name":"x","shape":[1],"datatype":"INT8","data":[1]"#;
    limit(4096, "may hold 4096 parameters", |count, end| {
        format!(r#"{{"parameters":{{{}{end}}},"inputs":[]}}"#, list(r#""":1"#, count))
    });
    limit(4096, "may hold 4096 inputs", |count, end| {
        format!(r#"{{"inputs":[{}{end}]}}"#, list(&format!("{{{x}}}"), count))
    });
    limit(4096, "may hold 4096 outputs", |count, end| {
        format!(r#"{{"outputs":[{}{end}],"inputs":[]}}"#, list(r#"{"name":""}"#, count))
    });
    limit(4096, "may hold 4096 parameters", |count, end| {
        format!(r#"{{"inputs":[{{{x},"parameters":{{{}{end}}}}}]}}"#, list(r#""k":1"#, count))
    });
    limit(4096, "may hold 4096 parameters", |count, end| {
        let entries = list(r#""k":1"#, count);
        format!(r#"{{"outputs":[{{"name":"y","parameters":{{{entries}{end}}}}}],"inputs":[]}}"#)
    });
    limit(64, "may hold 64 axes in a shape", |count, end| {
        let shape = list("1", count);
        format!(r#"{{"inputs":[{{"name":"x","datatype":"INT8","data":[1],"shape":[{shape}{end}]}}]}}"#)
    });
}

#[test]
fn parameters_that_come_in_pieces_share_one_limit() {
    limit(4096, "may hold 4096 parameters", |count, end| {
        format!("{{{}\"inputs\":[]{end}}}", r#""parameters":{"k":1},"#.repeat(count))
    });
}

#[test]
fn each_text_has_a_limit() {
    // As it is, and with escapes, which are read into a buffer of their own.
    for letter in ["a", "\\n", "\\u0041"] {
        let text = |len: usize| letter.repeat(len);
        limit(4096, "id may have 4096 bytes", |len, end| {
            format!(r#"{{"id":"{}"{end},"inputs":[]}}"#, text(len))
        });
        limit(4096, "name may have 4096 bytes", |len, end| {
            format!(r#"{{"outputs":[{{"name":"{}"{end}}}],"inputs":[]}}"#, text(len))
        });
        limit(4096, "name may have 4096 bytes", |len, end| {
            let name = text(len);
            format!(r#"{{"inputs":[{{"name":"{name}"{end},"shape":[0],"datatype":"INT8","data":[]}}]}}"#)
        });
        limit(4096, "a key may have 4096 bytes", |len, end| {
            format!(r#"{{"parameters":{{"{}"{end}:1}},"inputs":[]}}"#, text(len))
        });
        limit(65536, "a parameter's text may have 65536 bytes", |len, end| {
            format!(r#"{{"parameters":{{"k":"{}"{end}}},"inputs":[]}}"#, text(len))
        });
    }
}

#[test]
fn an_escape_that_begins_within_the_limit_may_end_beyond_it() {
    let id = |plain: usize| refusal(format!(r#"{{"id":"{}\u20ac","inputs":[]}}"#, "a".repeat(plain)));
    assert_eq!(id(4093), None);
    assert_eq!(id(4094).map(|(kind, _)| kind), Some(Kind::TooLarge));
}

/// What a text has escaped is not put together anywhere else first.
#[test]
fn memory_is_asked_for_before_a_tensor_outgrows_its_text() {
    let asked = |datatype: &str, data: &str, count: usize| {
        let json = format!(
            r#"{{"inputs":[{{"name":"x","shape":[{count}],"datatype":"{datatype}","data":[{data}]}}]}}"#
        );
        let body = Bytes::from(json);
        let mut sum = 0;
        let mut leave = |more| {
            sum += more;
            Ok(())
        };
        let mut budget = Budget::new(1 << 20, body.len(), &mut leave);
        let request = request::read(&body, body.len(), "m", 8, &mut budget).unwrap();
        (sum, body.len(), request.inputs[0].tensor.data.len())
    };
    let list = |entry: &str| vec![entry; 10_000].join(",");
    for (datatype, entry) in [
        ("INT8", "1"),
        ("FP32", "0.25"),
        ("BYTES", r#""abcdefgh""#),
        ("BYTES", r#""""#),
        ("BYTES", r#""\u0041\n""#),
    ] {
        assert_eq!(asked(datatype, &list(entry), 10_000).0, 0, "{datatype} {entry}");
    }
    for (datatype, entry) in [("FP64", "1"), ("INT64", "1")] {
        let (more, text, data) = asked(datatype, &list(entry), 10_000);
        assert!(more > 0 && text / 3 + text + more >= data, "{datatype}: {more} more than {text} for {data}");
    }
}

/// Each takes the room of all that is left of the text, for its own end is not known before it is read.
#[test]
fn short_texts_before_a_long_one_need_no_more_memory() {
    let input = |name: usize, text: &str| {
        format!(r#"{{"name":"x{name}","shape":[1],"datatype":"BYTES","data":["{text}"]}}"#)
    };
    let mut inputs: Vec<_> = (0..8).map(|name| input(name, "short")).collect();
    inputs.push(input(8, &"long".repeat(25_000)));
    let body = Bytes::from(format!(r#"{{"inputs":[{}]}}"#, inputs.join(",")));
    let mut asked = Vec::<usize>::new();
    let mut leave = |more| {
        asked.push(more);
        Ok(())
    };
    let mut budget = Budget::new(1 << 20, body.len(), &mut leave);
    let request = request::read(&body, body.len(), "m", 8, &mut budget).unwrap();
    assert_eq!(request.inputs.last().unwrap().tensor.data.len(), 100_004);
    assert!(asked.is_empty(), "{asked:?}");
}
