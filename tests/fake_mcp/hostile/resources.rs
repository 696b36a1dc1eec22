//! More than one's share.

use std::{
    fs::File,
    io::{self, Write as _},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Attack, Outcome, name_of};
use crate::server::{Server, lock};

const STEP: usize = 1 << 20;

pub(super) fn attempt(server: &Arc<Server>, attack: &Attack) -> Option<Outcome> {
    Some(match attack.kind.as_str() {
        "balloon" => Ok(balloon(server, attack.bytes)),
        "fill" => fill(&attack.path, attack.bytes),
        "descriptors" => Ok(descriptors(server, attack.count)),
        "say" => say(attack.text.as_bytes(), attack.bytes),
        _ => return None,
    })
}

/// Memory, every page of it written to, held from then on.
fn balloon(server: &Server, bytes: u64) -> Value {
    let mut held = 0;
    while held < bytes {
        lock(&server.ballast).push(vec![1; STEP]);
        held += STEP as u64;
    }
    json!(held)
}

/// One large file. In a directory of one's own (a relative path) it stays, however far it came.
fn fill(path: &str, bytes: u64) -> Outcome {
    let mut file = File::create_new(path)?;
    let outcome = write_to(&mut file, bytes);
    if path.starts_with('/') {
        std::fs::remove_file(path)?;
    }
    outcome
}

fn write_to(file: &mut File, bytes: u64) -> Outcome {
    let chunk = vec![b'x'; STEP];
    let mut written = 0;
    while written < bytes {
        match file.write(&chunk) {
            Ok(count) => written += count as u64,
            Err(error) => return Ok(json!({ "got": written, "stopped_by": name_of(&error) })),
        }
    }
    Ok(json!({ "got": written, "stopped_by": null }))
}

/// Open files, held from then on.
fn descriptors(server: &Server, count: u64) -> Value {
    for got in 0..count {
        match File::open("/dev/null") {
            Ok(file) => lock(&server.held).push(Box::new(file)),
            Err(error) => return json!({ "got": got, "stopped_by": name_of(&error) }),
        }
    }
    json!({ "got": count, "stopped_by": null })
}

/// The words on standard error, as they are, and then a line of so many bytes that does not end.
fn say(text: &[u8], bytes: u64) -> Outcome {
    let mut stderr = io::stderr();
    stderr.write_all(text)?;
    let chunk = vec![b'z'; STEP];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(STEP).min(STEP);
        stderr.write_all(&chunk[..part])?;
        left -= part as u64;
    }
    Ok(json!("said"))
}
