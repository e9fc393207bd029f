use super::messages::{Label, SendRequest, SendResponse};
use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

fn json_of(message: &[u8]) -> Json {
    serde_json::from_slice(&to_json(message).unwrap()).unwrap()
}

fn plain(one: &Label) -> Json {
    let mut plain = json!({"prediction_id": one.prediction_id, "segment": one.segment});
    if !one.label.is_empty() {
        plain["label"] = json!(one.label);
    }
    if !one.scores.is_empty() {
        plain["scores"] = json!(one.scores);
    }
    plain
}

fn any_label() -> impl Strategy<Value = Label> {
    // What serde_json reads exactly, unlike the longest.
    let number = any::<i32>().prop_map(|eighths| f64::from(eighths) / 8.0);
    let scores = proptest::collection::hash_map(".{0,9}", number.clone(), 0..4);
    (".{0,40}", proptest::collection::vec(number, 0..9), ".{0,9}", scores)
        .prop_map(|(prediction_id, label, segment, scores)| Label { prediction_id, label, segment, scores })
}

proptest! {
    #[test]
    fn a_message_becomes_what_the_console_reads(feedback in proptest::collection::vec(any_label(), 0..5)) {
        let want: Vec<_> = feedback.iter().map(plain).collect();
        let message = SendRequest { feedback }.encode_to_vec();
        prop_assert_eq!(json_of(&message), json!({"feedback": want}));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(text) = to_json(&bytes) {
            // The console's reader knows the words, and says that they are no numbers.
            let text = String::from_utf8(text).unwrap().replace("Infinity", "0").replace("NaN", "0");
            prop_assert!(serde_json::from_str::<Json>(&text).is_ok());
        }
    }
}

#[test]
fn rows_may_come_one_by_one_and_what_nobody_knows_is_passed_over() {
    let mut one = vec![9 << 3, 7];
    for row in [1.0_f64, 2.0] {
        one.push(2 << 3 | 1);
        one.extend(row.to_le_bytes());
    }
    let mut message = vec![1 << 3 | 2, u8::try_from(one.len()).unwrap()];
    message.extend(one);
    let want = json!({"prediction_id": "", "label": [1.0, 2.0], "segment": ""});
    assert_eq!(json_of(&message), json!({"feedback": [want]}));
}

#[test]
fn few_bytes_become_no_more_than_may_be_sent() {
    let label = |scores: usize| {
        // Each is a field without a name and without a number.
        let mut one = [4 << 3 | 2, 0].repeat(scores);
        let mut message = vec![1 << 3 | 2];
        let mut len = one.len();
        while len > 0x7f {
            message.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
            len >>= 7;
        }
        message.push(u8::try_from(len).unwrap());
        message.append(&mut one);
        message
    };
    assert_eq!(to_json(&label(1 << 20)).unwrap_err(), too_long());
    assert!(to_json(&label(1000)).is_ok());
    assert_eq!(to_json(&[1 << 3 | 2, 0].repeat(1 << 20)).unwrap_err(), too_long());
    assert!(to_json(&[1 << 3 | 2, 0].repeat(1001)).is_ok(), "the console counts");
    let id = Label { prediction_id: "\n".repeat(5000), ..Label::default() };
    let fault = to_json(&SendRequest { feedback: vec![id] }.encode_to_vec()).unwrap_err();
    assert!(fault.kind == Kind::TooLarge && fault.note.starts_with("a prediction_id may have 4096 bytes"));
}

#[test]
fn what_came_of_labels_is_told_in_a_message() {
    let said =
        br#"{"joined":2,"twice":1,"late":0,"unknown":0,"forged":3,"unfit":0,"first":{"twice":1,"forged":0}}"#;
    let first = HashMap::from([("twice".to_owned(), 1), ("forged".to_owned(), 0)]);
    let want = SendResponse { joined: 2, twice: 1, forged: 3, first, ..SendResponse::default() };
    assert_eq!(SendResponse::decode(&*from_json(said).unwrap()).unwrap(), want);
    assert_eq!(from_json(b"{}").unwrap_err().kind, Kind::Internal);
}
