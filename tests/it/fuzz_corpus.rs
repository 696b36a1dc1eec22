//! The fuzz targets' properties hold for every committed corpus file: scripts/fuzz.sh looks for
//! new ones, this keeps the found.

use std::{fs, panic, path::Path};

#[path = "../../fuzz/fuzz_targets/properties/era.rs"]
mod era;
#[path = "../../fuzz/fuzz_targets/properties/jsonrpc_peek.rs"]
mod jsonrpc_peek;
#[path = "../../fuzz/fuzz_targets/properties/meta_edits.rs"]
mod meta_edits;
#[path = "../../fuzz/fuzz_targets/properties/mirrored_headers.rs"]
mod mirrored_headers;
#[path = "../../fuzz/fuzz_targets/properties/sse_writer.rs"]
mod sse_writer;

type Property = fn(&[u8]);

const TARGETS: [(&str, Property); 5] = [
    ("era", era::check),
    ("jsonrpc_peek", jsonrpc_peek::check),
    ("meta_edits", meta_edits::check),
    ("mirrored_headers", mirrored_headers::check),
    ("sse_writer", sse_writer::check),
];

#[test]
fn properties_hold_for_the_corpus() {
    let mut failed = Vec::new();
    for (target, check) in TARGETS {
        let inputs = corpus(target);
        assert!(inputs.len() >= 5, "{target}: where is its corpus?");
        for (name, data) in inputs {
            if panic::catch_unwind(|| check(&data)).is_err() {
                failed.push(format!("{target}/{name}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn every_target_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut targets: Vec<String> =
        names(&folder).filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect();
    targets.sort();
    assert_eq!(targets, TARGETS.map(|(target, _)| target));
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    names(&folder).map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap())
}
