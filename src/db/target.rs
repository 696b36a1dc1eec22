//! Reading the database URL: which backend, and where.

use std::path::{Path, PathBuf};

use super::DbError;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A file; absolute.
    Sqlite(PathBuf),
    /// A libpq URL.
    Postgres(String),
}

const FORMS: &str = "use sqlite:///absolute/path, a path to a file, or postgres://user@host/database";

impl Target {
    /// Reads `url`. A text without a scheme is a path when it looks like one or the file is there, so that
    /// a mistyped URL does not quietly become an empty database in a file of that name.
    pub(super) fn parse(url: &str) -> Result<Self, DbError> {
        let refuse = |reason: String| Err(DbError::Url { reason });
        if url.is_empty() {
            return refuse(format!("it is empty; {FORMS}"));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let path = match url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            Some(path) => path,
            None if url.contains("://") => {
                let scheme = url.split("://").next().unwrap_or_default();
                return refuse(format!("{scheme:?} is not a database that is supported; {FORMS}"));
            }
            None if looks_like_path(url) => url,
            None => return refuse(format!("neither a URL nor a path that exists; {FORMS}")),
        };
        if path.is_empty() || path.contains(":memory:") || path.contains('\0') {
            return refuse(format!("SQLite needs a file, which several connections share; {FORMS}"));
        }
        match std::path::absolute(path) {
            Ok(path) => Ok(Self::Sqlite(path)),
            Err(error) => refuse(format!("no absolute path can be made of it ({error}); {FORMS}")),
        }
    }
}

fn looks_like_path(text: &str) -> bool {
    let path = Path::new(text);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let named_like_one = matches!(extension, Some("db" | "sqlite" | "sqlite3"));
    path.is_absolute() || text.starts_with("./") || text.starts_with("../") || named_like_one || path.exists()
}

/// The URI that opens `path` for reading and writing but never creates it: a file that vanished is an
/// error, not a new and empty database.
pub(super) fn sqlite_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?mode=rw");
    uri
}

/// `url` with a limit on how long a connection may take, unless it has one.
pub(super) fn postgres_url(url: &str, seconds: u64) -> String {
    if url.contains("connect_timeout=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}connect_timeout={}", seconds.max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let file = |path: &str| Some(Target::Sqlite(PathBuf::from(path)));
        let cases = [
            ("sqlite:///var/lib/x.db", file("/var/lib/x.db")),
            ("/var/lib/anything", file("/var/lib/anything")),
            ("postgres://u@h/d", Some(Target::Postgres("postgres://u@h/d".to_owned()))),
            ("postgresql://u@h/d", Some(Target::Postgres("postgresql://u@h/d".to_owned()))),
            ("", None),
            ("sqlite://", None),
            (":memory:", None),
            ("sqlite::memory:", None),
            ("mysql://u:secret@h/d", None),
            ("localhost:5432/berth", None),
            ("postgres", None),
        ];
        for (url, expected) in cases {
            assert_eq!(Target::parse(url).ok(), expected, "{url}");
        }
        assert!(matches!(Target::parse("berth.db"), Ok(Target::Sqlite(path)) if path.is_absolute()));
    }

    #[test]
    fn a_refusal_says_what_to_write_and_hides_the_password() {
        let text = Target::parse("mysql://u:secret@h/d").unwrap_err().to_string();
        assert!(text.contains("\"mysql\"") && text.contains("postgres://"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn odd_paths_survive_the_uri() {
        assert_eq!(sqlite_uri(Path::new("/a b/c?d#e%.db")), "file:/a%20b/c%3Fd%23e%25.db?mode=rw");
    }

    #[test]
    fn postgres_gets_a_connect_timeout() {
        assert_eq!(postgres_url("postgres://h/d", 5), "postgres://h/d?connect_timeout=5");
        assert_eq!(postgres_url("postgres://h/d?a=b", 5), "postgres://h/d?a=b&connect_timeout=5");
        assert_eq!(postgres_url("postgres://h/d?connect_timeout=9", 5), "postgres://h/d?connect_timeout=9");
    }
}
