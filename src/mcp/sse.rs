//! Server-sent events: the writer for our own streams, and a reader for the answers of HTTP children.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::session::log::EventId;

/// A comment line: keeps proxies and clients from giving up on a quiet stream; clients ignore it.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// How long a client waits before it comes back to a stream that it lost, in milliseconds.
const RETRY_MS: u32 = 1000;

/// One message as an event (transports, "Sending Messages to the Server": `message` events).
/// `message` holds no newline: it is one JSON text from one line.
#[must_use]
pub fn event(message: &[u8]) -> Bytes {
    const HEAD: &[u8] = b"event: message\ndata: ";
    let mut out = BytesMut::with_capacity(HEAD.len() + message.len() + 2);
    out.put_slice(HEAD);
    for byte in message.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.put_slice(byte);
    }
    out.put_slice(b"\n\n");
    out.freeze()
}

/// The same with its id, by which a client says what it has seen.
#[must_use]
pub fn numbered_event(id: EventId, message: &[u8]) -> Bytes {
    let head = format!("id: {id}\n");
    let event = event(message);
    let mut out = BytesMut::with_capacity(head.len() + event.len());
    out.put_slice(head.as_bytes());
    out.put_slice(&event);
    out.freeze()
}

/// An event without a message: names the place to resume from before there is anything to resume,
/// and how soon to try (2025-11-25 transports, "Sending Messages to the Server").
#[must_use]
pub fn priming(id: EventId) -> Bytes {
    Bytes::from(format!("id: {id}\nretry: {RETRY_MS}\ndata:\n\n"))
}

/// Where the client sends its messages (2024-11-05 transports, "HTTP with SSE").
#[must_use]
pub fn endpoint_event(address: &str) -> Bytes {
    Bytes::from(format!("event: endpoint\ndata: {address}\n\n"))
}

/// A buffer that is larger than this is not kept for the next event.
const KEPT: usize = 64 * 1024;

/// Splits a stream of bytes into the `data` of its events.
#[derive(Default)]
pub struct EventReader {
    buffer: Vec<u8>,
    /// So much of the buffer holds no line end.
    searched: usize,
    data: Vec<u8>,
    /// The id of the event that is being read, if it has one; an empty one takes the last away.
    id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

/// An event was larger than the limit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is larger than {limit} bytes")]
pub struct EventTooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

impl EventReader {
    /// Takes the next bytes and returns the data of each event that they complete.
    ///
    /// # Errors
    /// When an event grows beyond `limit` bytes.
    pub fn feed(&mut self, bytes: &[u8], limit: usize) -> Result<Vec<Bytes>, EventTooLarge> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        let (mut start, mut searched) = (0, self.searched);
        while let Some(length) = self.buffer.get(searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let end = searched + length;
            let line = self.buffer.get(start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            take_line(line, &mut self.data, &mut events);
            take_field(line, &mut self.id, &mut self.retry);
            if line.is_empty()
                && let Some(id) = self.id.take()
            {
                self.last_id = Some(id).filter(|id| !id.is_empty());
            }
            start = end + 1;
            searched = start;
        }
        self.buffer.drain(..start);
        self.searched = self.buffer.len();
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        if self.buffer.len() + self.data.len() > limit { Err(EventTooLarge { limit }) } else { Ok(events) }
    }

    /// Goes on with another connection: an event that was cut off is sent again there, from its beginning.
    pub fn restart(&mut self) {
        self.buffer.clear();
        self.searched = 0;
        self.data.clear();
        self.id = None;
    }

    /// The id of the newest whole event that had one: where to resume.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long to wait before resuming, where the server has said so.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }
}

fn take_field(line: &[u8], newest: &mut Option<String>, retry: &mut Option<Duration>) {
    let value = |name: &[u8]| {
        let value = line.strip_prefix(name)?;
        std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)).ok()
    };
    if let Some(id) = value(b"id:").filter(|id| !id.contains('\0')) {
        *newest = Some(id.to_owned());
    } else if let Some(milliseconds) = value(b"retry:").and_then(|text| text.parse().ok()) {
        *retry = Some(Duration::from_millis(milliseconds));
    }
}

fn take_line(line: &[u8], data: &mut Vec<u8>, events: &mut Vec<Bytes>) {
    if line.is_empty() {
        if !data.is_empty() {
            events.push(Bytes::from(std::mem::take(data)));
        }
    } else if let Some(value) = line.strip_prefix(b"data:") {
        if !data.is_empty() {
            data.push(b'\n');
        }
        data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_servers_send() {
        let text =
            b": comment\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 7\nretry: 250\ndata:\n\ndata:x\n\n";
        let mut reader = EventReader::default();
        let events = reader.feed(text, 1000).unwrap();
        assert_eq!((reader.last_id(), reader.retry()), (Some("7"), Some(Duration::from_millis(250))));
        assert_eq!(events, [Bytes::from_static(b"{\"a\":\n1}"), Bytes::from_static(b"x")]);
    }

    #[test]
    fn an_event_that_was_cut_off_is_not_seen_and_begins_anew() {
        let mut reader = EventReader::default();
        reader.feed(b"id: 1\ndata: a\n\nid: 2\ndata: cut of", 1000).unwrap();
        assert_eq!(reader.last_id(), Some("1"));
        reader.restart();
        assert_eq!(reader.feed(b"id: 2\ndata: b\n\n", 1000).unwrap(), [Bytes::from_static(b"b")]);
        assert_eq!(reader.last_id(), Some("2"));
        reader.feed(b"id:\n\n", 1000).unwrap();
        assert_eq!(reader.last_id(), None);
    }

    #[test]
    fn the_room_of_a_large_event_is_given_back() {
        let mut reader = EventReader::default();
        let large = [b"data: ".as_slice(), &[b'x'; 2 * KEPT], b"\n\n"].concat();
        let events: Vec<Bytes> = large.chunks(1000).flat_map(|piece| reader.feed(piece, 4 * KEPT).unwrap()).collect();
        assert_eq!((events.len(), events[0].len(), reader.buffer.capacity()), (1, 2 * KEPT, 0));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut reader = EventReader::default();
        assert!(reader.feed(&[b'x'; 50], 100).is_ok());
        assert_eq!(reader.feed(&[b'x'; 51], 100), Err(EventTooLarge { limit: 100 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(texts in prop::collection::vec("[^\r\n]{1,40}", 1..5), cut in 1_usize..17) {
            let wire: Vec<u8> = texts.iter().flat_map(|text| event(text.as_bytes()).to_vec()).collect();
            let mut reader = EventReader::default();
            let mut got = Vec::new();
            for piece in wire.chunks(cut) {
                got.extend(reader.feed(piece, 10_000).unwrap());
            }
            let got: Vec<String> = got.iter().map(|event| String::from_utf8(event.to_vec()).unwrap()).collect();
            prop_assert_eq!(got, texts);
        }
    }
}
