#![no_main]

#[path = "properties/meta_edits.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::check(data));
