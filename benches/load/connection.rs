//! A tiny HTTP/1.1 client: one keep-alive connection, one request under way, one write for each.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use url::Url;

/// A call that takes longer than this counts as failed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The part of an answer that a client looks at; its body is in [`Connection::body`].
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    pub(crate) is_event_stream: bool,
    length: Option<usize>,
    chunked: bool,
    close: bool,
}

/// One connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes read and not yet used: `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The body of the last answer.
    pub(crate) body: Vec<u8>,
    /// The server said that it closes.
    pub(crate) closed: bool,
}

impl Connection {
    /// Connects to the host and port of `url`.
    pub(crate) fn open(url: &Url) -> Result<Self> {
        let host = url.host_str().context("the url has no host")?;
        let port = url.port_or_known_default().context("the url has no port")?;
        let stream = TcpStream::connect((host, port)).with_context(|| format!("connecting to {host}:{port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, buffer: vec![0; 8192], start: 0, end: 0, body: Vec::new(), closed: false })
    }

    /// Sends a request that is already framed and reads its whole answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Head> {
        let head = self.begin(request)?;
        self.body.clear();
        match head.length {
            Some(length) => self.take_body(length)?,
            None if head.chunked => while self.take_chunk()? {},
            None if head.status == 204 || head.status < 200 => {}
            None => self.take_until_close()?,
        }
        self.closed |= head.close;
        Ok(head)
    }

    /// Sends a request and reads the head of its answer only.
    pub(crate) fn begin(&mut self, request: &[u8]) -> Result<Head> {
        self.stream.write_all(request).context("writing")?;
        loop {
            if let Some(length) = memchr::memmem::find(&self.buffer[self.start..self.end], b"\r\n\r\n") {
                let head = Head::parse(&self.buffer[self.start..self.start + length])?;
                self.start += length + 4;
                return Ok(head);
            }
            self.fill()?;
        }
    }

    fn take_body(&mut self, mut left: usize) -> Result<()> {
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let part = left.min(self.end - self.start);
            self.body.extend_from_slice(&self.buffer[self.start..self.start + part]);
            self.start += part;
            left -= part;
        }
        Ok(())
    }

    /// One chunk; `false` after the last.
    fn take_chunk(&mut self) -> Result<bool> {
        let line = self.take_line()?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = usize::from_str_radix(str::from_utf8(digits)?, 16).context("reading a chunk's size")?;
        self.take_body(size)?;
        // The line end of the chunk, or of the empty trailer.
        self.take_line()?;
        Ok(size > 0)
    }

    fn take_line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.start..self.end]) {
                let line = self.buffer[self.start..self.start + length].to_vec();
                self.start += length + 1;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn take_until_close(&mut self) -> Result<()> {
        self.closed = true;
        loop {
            self.body.extend_from_slice(&self.buffer[self.start..self.end]);
            self.start = self.end;
            if self.fill().is_err() {
                return Ok(());
            }
        }
    }

    fn fill(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                self.buffer.resize(self.end * 2, 0);
            }
        }
        match self.stream.read(&mut self.buffer[self.end..]).context("reading")? {
            0 => bail!("the server closed the connection"),
            count => self.end += count,
        }
        Ok(())
    }
}

impl Head {
    fn parse(text: &[u8]) -> Result<Self> {
        let text = str::from_utf8(text).context("the head is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let mut head = Self { status: status.context("no status in the answer")?, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("content-type") {
                head.is_event_stream = value.starts_with("text/event-stream");
            } else if name.eq_ignore_ascii_case("mcp-session-id") {
                head.session = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("connection") {
                head.close = value.eq_ignore_ascii_case("close");
            }
        }
        Ok(head)
    }
}
