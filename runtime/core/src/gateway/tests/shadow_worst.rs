//! The pairs of answers that are furthest apart: which are kept, in what form, and for how long.

use super::bench::*;
use super::shadows::{ALL, compared, floats, found, number, served, settle, table, take};
use crate::base::{contract::Contract, datatype::Datatype, tensor::Tensor};
use crate::gateway::{Gateway, GatewaySettings};
use crate::wire::{
    budget::Budget,
    json::request::{self, InferRequest},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TWO: &str = r#"{"version": 2, "share": 10000, "keep_worst": 2}"#;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("headrace-worst-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Folder(folder)
    }

    fn pairs(&self) -> PathBuf {
        self.0.join("m@2")
    }

    /// What is known of each pair, by its number.
    fn about(&self) -> Vec<(String, Value)> {
        let entries = fs::read_dir(self.pairs()).into_iter().flatten().flatten();
        let mut about: Vec<_> = entries
            .map(|entry| {
                let text = fs::read(entry.path().join("about.json")).unwrap();
                (entry.file_name().into_string().unwrap(), serde_json::from_slice(&text).unwrap())
            })
            .collect();
        about.sort_by(|one: &(String, Value), other| one.0.cmp(&other.0));
        about
    }

    fn ids(&self) -> Vec<String> {
        self.about().iter().map(|(_, about)| about["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn keeping(
    folder: &Folder,
    shadows: &str,
    contract: fn(u64) -> Contract,
) -> (Arc<Gateway>, Arc<Held>, Arc<Held>) {
    let worst = Some(folder.0.clone());
    let gateway = Gateway::new(GatewaySettings { worst, ..GatewaySettings::default() }).unwrap();
    gateway.apply_policy(&table(2, shadows)).unwrap();
    let ((_, primary), (_, shadow)) = (up(&gateway, contract(1), 64), up(&gateway, contract(2), 64));
    (gateway, primary, shadow)
}

/// Asks with 1.0, has the shadow answer `value`, and waits until that is compared.
async fn pair(gateway: &Arc<Gateway>, hosts: (&Held, &Held), id: &str, value: f32, pairs: u64) {
    let mut inference = number(1.0);
    inference.id = id.into();
    served(gateway, hosts.0, inference).await;
    let call = take(hosts.1);
    let output = Tensor { data: Bytes::from(value.to_le_bytes().to_vec()), ..call.inputs[0].clone() };
    settle(call, Ok(output));
    while hosts.0.len() > 0 {
        hosts.0.answer();
    }
    found(gateway, |seen| compared(seen) == pairs).await;
}

/// What a gateway would read of a request that is sent again.
fn again(folder: &Path, request: &Value) -> InferRequest {
    let body = Bytes::from(fs::read(folder.join(request["file"].as_str().unwrap())).unwrap());
    let len = request["json_bytes"].as_u64().map_or(body.len(), |len| usize::try_from(len).unwrap());
    request::read(&body, len, "m", 100, &mut Budget::new(1 << 20, len, &mut |_| Ok(()))).unwrap()
}

fn read(folder: &Path, file: &Value) -> Value {
    serde_json::from_slice(&fs::read(folder.join(file.as_str().unwrap())).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_worst_are_kept_as_they_can_be_sent_again_and_for_this_user_alone() {
    let folder = Folder::new("kept");
    let (gateway, primary, shadow) = keeping(&folder, TWO, floats);
    let answered = [("same", 1.0), ("near", 1.1), ("far", 3.0), ("nearer", 1.01), ("broken", f32::NAN)];
    for (at, (id, value)) in (1..).zip(answered) {
        pair(&gateway, (&primary, &shadow), id, value, at).await;
    }
    assert_eq!(folder.ids(), ["far", "broken"]);
    let (place, about) = folder.about().remove(0);
    let far = folder.pairs().join(place);
    assert_eq!((&about["distance"], &about["outputs"][0]["name"]), (&json!(2.0), &json!("y")), "{about}");
    let request = again(&far, &about["request"]);
    assert_eq!((request.id.as_str(), request.inputs[0].name.as_str()), ("far", "x"));
    assert_eq!(request.inputs[0].tensor, number(1.0).inputs[0].tensor);
    for (at, version, value) in [(0, "1", 1.0), (1, "2", 3.0)] {
        let answer = read(&far, &about["answers"][at]["body"]["file"]);
        assert_eq!(
            (&answer["model_version"], &answer["outputs"][0]["data"]),
            (&json!(version), &json!([value]))
        );
    }
    for (path, mode) in [(folder.0.clone(), 0o700), (far.clone(), 0o700), (far.join("request.json"), 0o600)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
    gateway.apply_policy(&table(3, &TWO.replace("worst\": 2", "worst\": 1"))).unwrap();
    assert_eq!(folder.ids(), ["broken"], "there are fewer at once");
    gateway.apply_policy(&table(4, ALL)).unwrap();
    assert!(!folder.pairs().exists(), "it is not to keep any more");
}

#[tokio::test(start_paused = true)]
async fn they_outlive_the_gateway_and_end_with_the_shadow() {
    let folder = Folder::new("lasting");
    {
        let (gateway, primary, shadow) = keeping(&folder, TWO, floats);
        pair(&gateway, (&primary, &shadow), "near", 1.1, 1).await;
        pair(&gateway, (&primary, &shadow), "far", 3.0, 2).await;
        gateway.drain(std::time::Duration::ZERO);
    }
    assert_eq!(folder.ids(), ["near", "far"]);
    fs::create_dir(folder.pairs().join(".new")).unwrap(); // of one that was killed
    let (gateway, primary, shadow) = keeping(&folder, TWO, floats);
    pair(&gateway, (&primary, &shadow), "between", 2.0, 1).await;
    assert_eq!(folder.ids(), ["far", "between"]);
    gateway.apply_policy(&table(3, "")).unwrap();
    assert!(!folder.pairs().exists());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_unless_that_is_said() {
    let folder = Folder::new("unsaid");
    let (gateway, primary, shadow) = keeping(&folder, ALL, floats);
    pair(&gateway, (&primary, &shadow), "far", 3.0, 1).await;
    assert!(!folder.0.exists());
    let told = found(&gateway, |seen| compared(seen) == 1).await;
    assert_eq!(told["worst"], Value::Null);
}

/// FP16 has no form in JSON.
#[tokio::test(start_paused = true)]
async fn what_json_cannot_say_is_kept_as_bytes() {
    let folder = Folder::new("bytes");
    let halves = |version| {
        let mut contract = floats(version);
        contract.inputs[0].datatype = Datatype::Fp16;
        contract.outputs[0].datatype = Datatype::Fp16;
        contract
    };
    let (gateway, primary, shadow) = keeping(&folder, TWO, halves);
    let mut inference = number(1.0);
    let one = Tensor {
        datatype: Datatype::Fp16,
        data: Bytes::from_static(&[0, 0x3c]),
        ..inference.inputs[0].tensor.clone()
    };
    inference.inputs[0].tensor = one.clone();
    served(&gateway, &primary, inference).await;
    settle(take(&shadow), Ok(Tensor { data: Bytes::from_static(&[0, 0x40]), ..one }));
    found(&gateway, |seen| compared(seen) == 1).await;
    let (number, about) = folder.about().remove(0);
    let request = again(&folder.pairs().join(number), &about["request"]);
    assert_eq!(request.inputs[0].tensor.data, [0, 0x3c][..]);
    assert!(request.binary_output, "else its answer would be refused");
    let names = (&about["request"]["file"], &about["answers"][1]["body"]["file"]);
    assert_eq!(names, (&json!("request.bin"), &json!("answer-2.bin")));
}
