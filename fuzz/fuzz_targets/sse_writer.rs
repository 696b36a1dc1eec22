#![no_main]

#[path = "properties/sse_writer.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::check(data));
