//! Input: a byte that says how the stream is cut, then text. What is written is read again, and
//! what comes of a stream does not depend on how it is cut.

use berth::mcp::sse::{EventReader, KEEP_ALIVE, event};
use bytes::Bytes;

/// Panics when a property does not hold.
pub(super) fn check(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else { return };
    let cut = usize::from(*cut).max(1);
    let expected: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let wire = [event(text), KEEP_ALIVE, event(b"{}")].concat();
    let mut events = vec![Bytes::from(expected), Bytes::from_static(b"{}")];
    events.retain(|event| !event.is_empty());
    assert_eq!(read(&wire, cut), events);
    assert_eq!(read(text, cut), read(text, usize::MAX));
    limit_holds(text, cut);
}

fn read(wire: &[u8], cut: usize) -> Vec<Bytes> {
    let mut reader = EventReader::default();
    wire.chunks(cut).flat_map(|piece| reader.feed(piece, usize::MAX).expect("no limit")).collect()
}

/// No event is larger than the limit and the piece that completed it.
fn limit_holds(wire: &[u8], limit: usize) {
    let mut reader = EventReader::default();
    for piece in wire.chunks(limit) {
        let Ok(events) = reader.feed(piece, limit) else { return };
        assert!(events.iter().all(|event| event.len() <= limit + piece.len()));
    }
}
