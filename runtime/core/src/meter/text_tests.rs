use super::*;
use crate::base::{
    call::{Execution, Timing},
    units::{Rows, Tick},
};
use crate::meter::{Ended, VersionMeter};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn page(meters: &[(&str, u64, &VersionMeter)]) -> String {
    let rows: Vec<_> = meters
        .iter()
        .map(|(model, version, meter)| ((*model).into(), Version(*version), meter.totals()))
        .collect();
    let mut page = Page::default();
    page.versions(&rows);
    page.finish()
}

/// Every sample's value by its name and labels; fails on a sample without a family or a family written twice.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let mut families = BTreeSet::new();
    let mut out = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(rest.split(' ').next().unwrap()), "{line} comes twice");
        } else if !line.starts_with('#') {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            assert!(families.contains(name) || plain.is_some_and(|name| families.contains(name)), "{line}");
            assert!(out.insert(key, value.parse().unwrap()).is_none(), "{line} comes twice");
        }
    }
    out
}

#[test]
fn a_version_shows_everything_at_zero_before_its_first_request() {
    let text = page(&[("m", 1, &VersionMeter::default())]);
    let seen = samples(&text);
    for reason in ["REJECTED", "CANCELED", "BACKEND", "OTHER"] {
        let key = format!("nv_inference_request_failure{{model=\"m\",version=\"1\",reason=\"{reason}\"}}");
        assert_eq!(seen[key.as_str()], 0.0);
    }
    for name in ["nv_inference_request_success", "nv_inference_pending_request_count"] {
        assert_eq!(seen[format!("{name}{{model=\"m\",version=\"1\"}}").as_str()], 0.0);
    }
    assert!(seen.values().all(|value| *value == 0.0));
    assert!(!text.contains("nv_inference_request_success_total"), "Triton's counters have no suffix");
}

#[test]
fn numbers_are_in_their_units() {
    let meter = VersionMeter::default();
    let timing = Timing {
        queue_ns: 30_000,
        input_ns: 2_000,
        infer_ns: 1_500_000,
        output_ns: 3_000,
        batch_rows: 2,
        ..Timing::default()
    };
    let ended = Ended {
        rows: Rows::new(2),
        fault: None,
        total: Duration::from_micros(1_600),
        inside: Duration::from_micros(1_500),
        timing,
        in_parts: false,
        user: None,
    };
    meter.admitted();
    meter.settled(&ended, Tick::default());
    meter.settled(&Ended { fault: Some(Kind::Overloaded), ..ended }, Tick::default());
    meter.settled(&Ended { fault: Some(Kind::Expired), ..ended }, Tick::default());
    meter.settled(&Ended { fault: Some(Kind::HostLost), ..ended }, Tick::default());
    meter.executed(Execution {
        rows: 2,
        padding: 6,
        padding_bytes: 4096,
        between_ns: 0,
        cost: 0,
        sealed: Sealed::Waited,
        input_ns: 2_000,
        infer_ns: 1_500_000,
        output_ns: 3_000,
        failed: false,
    });
    let text = page(&[("m", 7, &meter)]);
    let seen = samples(&text);
    let table = [
        ("nv_inference_request_success{}", 1.0),
        ("nv_inference_count{}", 2.0),
        ("nv_inference_exec_count{}", 1.0),
        ("headrace_padding_rows_total{}", 6.0),
        ("headrace_padding_bytes_total{}", 4096.0),
        ("headrace_batches_total{,sealed=\"waited\"}", 1.0),
        ("headrace_batches_total{,sealed=\"free\"}", 0.0),
        ("nv_inference_request_duration_us{}", 1600.0),
        ("nv_inference_queue_duration_us{}", 30.0),
        ("nv_inference_compute_input_duration_us{}", 2.0),
        ("nv_inference_compute_infer_duration_us{}", 1500.0),
        ("nv_inference_compute_output_duration_us{}", 3.0),
        ("nv_inference_pending_request_count{}", 1.0),
        ("nv_inference_request_failure{,reason=\"REJECTED\"}", 2.0),
        ("nv_inference_request_failure{,reason=\"BACKEND\"}", 1.0),
        ("headrace_request_failures_total{,kind=\"overloaded\"}", 1.0),
        ("headrace_request_duration_seconds_sum{}", 0.0016),
        ("headrace_request_duration_seconds_bucket{,le=\"0.001\"}", 0.0),
        ("headrace_request_duration_seconds_bucket{,le=\"0.0025\"}", 1.0),
        ("headrace_request_duration_seconds_bucket{,le=\"+Inf\"}", 1.0),
        ("headrace_queue_duration_seconds_bucket{,le=\"0.00005\"}", 1.0),
        ("headrace_compute_duration_seconds_sum{}", 0.001505),
        ("headrace_batch_rows_bucket{,le=\"1\"}", 0.0),
        ("headrace_batch_rows_bucket{,le=\"2\"}", 1.0),
        ("headrace_batch_rows_sum{}", 2.0),
        ("headrace_batch_rows_count{}", 1.0),
    ];
    for (key, value) in table {
        let key = key.replace('{', "{model=\"m\",version=\"7\"");
        assert_eq!(seen.get(key.as_str()), Some(&value), "{key}\n{text}");
    }
}

#[test]
fn a_hostile_name_stays_inside_its_label() {
    assert_eq!(labels("a\"}\n\\", Version(2)), r#"model="a\"}\n\\",version="2""#);
}

#[test]
fn every_kind_has_one_reason_and_no_failure_is_lost() {
    let mut failures: FailureCounts = [1; Kind::ALL.len()];
    failures[0] = 5;
    let sum: u64 = Reason::ALL.iter().map(|reason| reason.count(&failures)).sum();
    assert_eq!(sum, failures.iter().sum::<u64>());
}
