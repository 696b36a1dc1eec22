//! What a child writes on its standard output that is not MCP: servers must not, but do.

use parking_lot::Mutex;

/// Of the first such line, this many characters are kept.
const MAX_SAMPLE: usize = 200;

/// Counts lines that are no messages, and keeps the first.
#[derive(Default)]
pub(super) struct Noise(Mutex<(u64, String)>);

impl Noise {
    pub(super) fn heard(&self, line: &[u8]) {
        let mut heard = self.0.lock();
        heard.0 += 1;
        if heard.0 == 1 {
            let text = String::from_utf8_lossy(line);
            heard.1 = text.chars().filter(|letter| !letter.is_control()).take(MAX_SAMPLE).collect();
        }
    }

    /// One sentence about it; `None` when there was none.
    pub(super) fn summary(&self) -> Option<String> {
        let heard = self.0.lock();
        let (lines, first) = (heard.0, heard.1.as_str());
        (lines > 0).then(|| format!("{lines} lines on its standard output are not JSON-RPC; the first: {first}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_and_counts_all() {
        let noise = Noise::default();
        assert_eq!(noise.summary(), None);
        noise.heard(b"Server \x1b[1mstarted");
        noise.heard(&[b'x'; 1000]);
        let expected = "2 lines on its standard output are not JSON-RPC; the first: Server [1mstarted";
        assert_eq!(noise.summary().as_deref(), Some(expected));
    }
}
