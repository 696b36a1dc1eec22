#![no_main]

#[path = "properties/jsonrpc_peek.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::check(data));
