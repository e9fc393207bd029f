//! The policy table.

use super::memory::Most;
use crate::decide::policy::{BadPolicy, PolicyTable, Share};
use crate::decide::route::{Standing, pick};
use serde_json::Value;

/// Of a table that is refused 20 mistakes are told, each with its model's name, as a list and as a text.
const MOST: Most = Most { each: 2 * 21, beside: 64 << 10 };

pub fn any_policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match MOST.hold(text.len(), || PolicyTable::parse(text).map_err(|bad| (bad.to_string(), bad))) {
        Ok(table) => {
            let theirs: Value = serde_json::from_str(text).expect("what we read is JSON");
            agree(&table, &theirs);
            assert_eq!(table.may_replace(&table), Ok(()));
            assert_eq!(table.routing_headers(), [""; 0], "rules do not act yet");
        }
        Err((said, BadPolicy::Syntax(_) | BadPolicy::Mistakes(_))) => assert!(!said.is_empty()),
        Err((said, BadPolicy::Old { .. })) => panic!("nothing to compare with: {said}"),
    }
}

fn agree(table: &PolicyTable, theirs: &Value) {
    let models = theirs["models"].as_object().unwrap();
    assert_eq!(Some(table.epoch.term), theirs["epoch"]["term"].as_u64());
    assert_eq!(Some(table.epoch.sequence), theirs["epoch"]["sequence"].as_u64());
    assert_eq!(table.models.len(), models.len());
    for (name, model) in &table.models {
        let (versions, shares) = (&models[name.as_str()]["versions"], &models[name.as_str()]["weights"]);
        let ours: Vec<_> = model.versions.iter().map(|entry| Some(entry.version.0)).collect();
        assert_eq!(
            ours,
            versions.as_array().unwrap().iter().map(|it| it["version"].as_u64()).collect::<Vec<_>>()
        );
        let theirs = |it: &Value| (it["version"].as_u64(), it["share"].as_u64());
        let ours = |share: &Share| (Some(share.version.0), Some(u64::from(share.share)));
        let (ours, theirs): (Vec<_>, Vec<_>) = (
            model.shares().iter().map(ours).collect(),
            shares.as_array().unwrap().iter().map(theirs).collect(),
        );
        assert_eq!(ours, theirs);
        assert!(ours.is_empty() || ours.iter().filter_map(|(_, share)| *share).sum::<u64>() == 10_000);
        assert!(model.shares().iter().all(|share| model.entry(share.version).is_some()));
        for draw in [0, 4999, 9999, u64::MAX] {
            let picked = pick(model, None, || draw, |_| Standing::Up);
            let share =
                picked.and_then(|pick| model.shares().iter().find(|share| share.version == pick.version));
            assert_eq!(share.is_some(), !ours.is_empty());
            assert!(model.shares().len() < 2 || share.is_some_and(|share| share.share > 0));
        }
    }
}
