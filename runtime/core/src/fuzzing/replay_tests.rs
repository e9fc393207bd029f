//! What the fuzzer found once holds for ever.

use super::{CHECKS, Check};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::OnceLock;

fn corpus(reader: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(reader);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// One test a reader, so that they run side by side.
macro_rules! replay {
    ($($test:ident: $reader:literal,)+) => {
        $(
            #[test]
            fn $test() {
                let (_, check) = CHECKS.iter().find(|(name, _)| *name == $reader).unwrap();
                let files = corpus($reader);
                assert!(files.len() > 5, "there are {} inputs", files.len());
                for (path, data) in files {
                    let done = std::panic::catch_unwind(|| check(&data));
                    assert!(done.is_ok(), "this input broke a promise: {}", path.display());
                }
            }
        )+

        #[test]
        fn every_reader_has_a_corpus_and_a_test() {
            assert_eq!(CHECKS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [$($reader),+]);
        }
    };
}

replay! {
    frames_hold: "frames",
    generate_holds: "generate",
    grpc_holds: "grpc",
    http_holds: "http",
    images_hold: "image",
    inflate_holds: "inflate",
    json_holds: "json",
    labels_hold: "labels",
    orientations_hold: "orientation",
    policies_hold: "policy",
    protobuf_holds: "proto",
    raw_bodies_hold: "raw",
}

/// What a few damages are done to. A decoder without optimisation is too slow for it.
fn all() -> &'static [(&'static Check, Vec<u8>)] {
    static ALL: OnceLock<Vec<(&'static Check, Vec<u8>)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let quick = CHECKS.iter().filter(|(name, _)| *name != "image");
        quick.flat_map(|check| corpus(check.0).into_iter().map(move |(_, data)| (check, data))).collect()
    })
}

proptest! {
    // A failure is kept in the corpus: proptest's own record says which of the files it was, and those change.
    #![proptest_config(ProptestConfig {
        cases: 512,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What lies near to what the fuzzer found.
    #[test]
    fn damaged_inputs_hold_too(
        which: prop::sample::Index,
        hits: Vec<(prop::sample::Index, u8)>,
        end: prop::sample::Index,
    ) {
        let ((_, check), data) = which.get(all());
        let mut data = data.clone();
        for (at, byte) in hits.into_iter().take(4).filter(|_| !data.is_empty()).collect::<Vec<_>>() {
            let at = at.index(data.len());
            data[at] = byte;
        }
        check(&data);
        data.truncate(end.index(data.len() + 1));
        check(&data);
    }
}
