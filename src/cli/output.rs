//! Printing: a table or a sentence for people, JSON for programs; complaints on standard error.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

/// How answers look.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// The value as JSON, or what `text` says.
    pub(super) fn show<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> Result<()> {
        if self.json { line(&serde_json::to_string_pretty(value)?) } else { line(&text()) }
    }
}

/// One line on standard output. A reader that has gone away (`| head`) is no failure.
pub(super) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// The reason of a failure, with its causes, on standard error.
pub(super) fn complain(error: &anyhow::Error) {
    // Nothing is left to be done when even this cannot be written.
    let _ = writeln!(io::stderr(), "error: {error:#}");
}

/// A remark on standard error, which leaves standard output to the answer.
pub(super) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Columns as wide as their widest cell, two blanks between them.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let render = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![render(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| render(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "long value".to_owned()], vec!["wider".to_owned(), String::new()]];
        assert_eq!(table(&["N", "VALUE"], &rows), "N      VALUE\na      long value\nwider");
    }
}
