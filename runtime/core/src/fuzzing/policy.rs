//! The policy table.

use super::memory::Most;
use crate::base::units::Version;
use crate::decide::facts::Facts;
use crate::decide::policy::{BadPolicy, ModelPolicy, PolicyTable, Share};
use crate::decide::route::{Standing, Why, pick};
use serde_json::Value;
use std::collections::BTreeSet;

/// Of a table that is refused 20 mistakes are told, each with its model's name, as a list and as a text.
const MOST: Most = Most { each: 2 * 21, beside: 64 << 10 };

pub fn any_policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match MOST.hold(text.len(), || PolicyTable::parse(text).map_err(|bad| (bad.to_string(), bad))) {
        Ok(table) => {
            let theirs: Value = serde_json::from_str(text).expect("what we read is JSON");
            agree(&table, &theirs);
            assert_eq!(table.may_replace(&table), Ok(()));
            assert_eq!(table.routing_headers(), headers(&theirs));
        }
        Err((said, BadPolicy::Syntax(_) | BadPolicy::Mistakes(_))) => assert!(!said.is_empty()),
        Err((said, BadPolicy::Old { .. })) => panic!("nothing to compare with: {said}"),
    }
}

/// Each once, in order.
fn headers(table: &Value) -> Vec<String> {
    let mut names = BTreeSet::new();
    for model in table["models"].as_object().unwrap().values() {
        let rules = model["rules"].as_array().into_iter().flatten();
        let facts = rules.map(|rule| &rule["fact"]).chain([&model["sticky"]["fact"]]);
        names.extend(facts.filter_map(|fact| fact["header"].as_str()));
    }
    names.into_iter().map(str::to_owned).collect()
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
            let picked = pick(model, None, &Facts::default(), || draw, |_| Standing::Up);
            let share =
                picked.and_then(|pick| model.shares().iter().find(|share| share.version == pick.version));
            assert_eq!(share.is_some(), !ours.is_empty());
            assert!(model.shares().len() < 2 || share.is_some_and(|share| share.share > 0));
        }
        for alias in models[name.as_str()]["aliases"].as_array().into_iter().flatten() {
            let meant = model.alias(alias["name"].as_str().unwrap()).expect("it leads somewhere");
            assert!(Some(meant.0) == alias["version"].as_u64() && model.entry(meant).is_some());
        }
        ruled(model, &models[name.as_str()]["rules"]);
    }
}

/// A request that fits a rule goes where the first that it fits says; without hosts there, to one with a share.
fn ruled(model: &ModelPolicy, rules: &Value) {
    let rules = rules.as_array().into_iter().flatten();
    let rules: Vec<_> =
        rules.map(|rule| (&rule["fact"], rule["value"].as_str().unwrap(), &rule["version"])).collect();
    for (at, (fact, value, version)) in rules.iter().enumerate() {
        assert!(!rules[..at].iter().any(|(other, same, _)| (other, same) == (fact, value)), "it never acts");
        let header = fact["header"].as_str().map(|name| (name.into(), (*value).into()));
        let text = || crate::base::inference::Value::Text((*value).to_owned());
        let parameter = fact["parameter"].as_str().map(|name| (name.into(), text()));
        let facts = Facts { headers: header.as_slice(), parameters: parameter.as_slice() };
        let picked = |standing: &dyn Fn(Version) -> Standing| pick(model, None, &facts, || 0, standing);
        let meant = picked(&|_| Standing::Up).map(|pick| (pick.why, Some(pick.version.0)));
        assert_eq!(meant, Some((Why::Ruled, version.as_u64())));
        let down = |one: Version| if Some(one.0) == version.as_u64() { Standing::Down } else { Standing::Up };
        let instead = picked(&down);
        assert!(instead.is_none_or(|pick| pick.why == Why::Fallback && down(pick.version) == Standing::Up));
    }
}
