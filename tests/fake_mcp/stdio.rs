//! The stdio loop and hot path of the benchmarks: one read takes as many lines as the pipe holds,
//! their answers leave in one write.

use std::{sync::Arc, thread, time::Duration};

use crate::{
    server::Server,
    sink::{self, Sink},
};

/// Grows only for a line that is longer.
const BUFFER: usize = 16 * 1024;

/// Serves until stdin ends.
pub(crate) fn serve(server: &Arc<Server>) {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut out = Vec::with_capacity(BUFFER);
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer[filled..]) {
            Ok(0) | Err(rustix::io::Errno::IO) => break,
            Ok(count) => filled = take_lines(server, &mut buffer, filled, filled + count, &mut out),
            Err(_) => {}
        }
        if !out.is_empty() {
            sink::write_stdout(&out);
            out.clear();
        }
    }
    if server.options.ignore_eof {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Handles every whole line of `buffer[..filled]`, of which everything before `searched` is known to
/// hold no line end; moves the rest to the front and says how much that is.
fn take_lines(server: &Arc<Server>, buffer: &mut [u8], searched: usize, filled: usize, out: &mut Vec<u8>) -> usize {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', &buffer[searched..filled]) {
        let line = &buffer[start..searched + end];
        start = searched + end + 1;
        let before = out.len();
        server.handle(line, &Sink::Stdout, out);
        if out.len() > before {
            out.push(b'\n');
        }
    }
    buffer.copy_within(start..filled, 0);
    filled - start
}
