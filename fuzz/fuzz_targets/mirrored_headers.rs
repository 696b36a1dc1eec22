#![no_main]

#[path = "properties/mirrored_headers.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::check(data));
