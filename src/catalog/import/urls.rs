//! URLs of servers elsewhere, with the secrets that are in them taken out.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{
    secrets::{is_secret, looks_secret},
    text::{Hole, Piece, Text},
};

/// The URL with a hole for each secret, and `user:password` where it has these.
pub(super) fn read(text: &Text) -> Result<(Text, Option<Hole>), String> {
    let wrong = || "its URL is none that can be used".to_owned();
    let Some(literal) = text.value().filter(|_| text.literal().is_some()) else {
        let (first, rest) = text.0.split_first().ok_or_else(wrong)?;
        let Piece::Plain(start) = first else {
            return Err("the host of its URL is to be filled in: say which, and import it again".to_owned());
        };
        let (origin, path) = split(start).ok_or_else(wrong)?;
        if origin.contains('@') {
            return Err("its URL has a user and something to be filled in: give the user by a header".to_owned());
        }
        // Where no path has begun, the host has not ended.
        if path.is_empty() {
            return Err("the host of its URL is to be filled in: say which, and import it again".to_owned());
        }
        let pieces = std::iter::once(Piece::Plain(path.to_owned())).chain(rest.iter().cloned());
        return Ok((Text::plain(origin).then(scanned(pieces)), None));
    };
    let mut url: Url = literal.trim().parse().map_err(|_| wrong())?;
    let user = user_of(&url);
    if user.is_some() {
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| wrong())?;
    }
    url.set_fragment(None);
    let (origin, path) = split(url.as_str()).ok_or_else(wrong)?;
    Ok((Text::plain(origin).then(scanned(std::iter::once(Piece::Plain(path.to_owned())))), user))
}

/// The URL as it may be shown: scheme, host and path, without what may be a secret.
pub(super) fn without_secrets(url: &str) -> String {
    let Ok((text, _)) = read(&Text::plain(url)) else { return "a URL".to_owned() };
    let shown = text.0.iter().map(|piece| match piece {
        Piece::Plain(text) | Piece::Template(text) => text.as_str(),
        Piece::Hole(_) => "…",
    });
    shown.collect()
}

/// `user:password`, which goes into a header of its own.
fn user_of(url: &Url) -> Option<Hole> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let given = !user.is_empty() || !password.is_empty();
    given.then(|| Hole::found("user and password", &format!("{user}:{password}")))
}

/// Scheme and authority, and what follows.
fn split(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let length = url.get(start..)?.find(['/', '?', '#']).unwrap_or(url.len() - start);
    url.split_at_checked(start + length)
}

/// Path and query with holes in place of what is a secret.
fn scanned(pieces: impl Iterator<Item = Piece>) -> Text {
    let mut read = Vec::new();
    let mut name = String::new();
    for piece in pieces {
        let Piece::Plain(text) = piece else {
            read.push(piece);
            continue;
        };
        let mut plain = String::new();
        for part in text.split_inclusive(['/', '?', '&', '=', '#']) {
            let (token, end) = match part.char_indices().next_back() {
                Some((at, '/' | '?' | '&' | '=' | '#')) => part.split_at(at),
                _ => (part, ""),
            };
            let secret = if name.is_empty() { looks_secret(token) } else { is_secret(&name, token) };
            if secret {
                let key = if name.is_empty() { "key".to_owned() } else { std::mem::take(&mut name) };
                let value = percent_decode_str(token).decode_utf8_lossy().into_owned();
                read.push(Piece::Plain(std::mem::take(&mut plain)));
                read.push(Piece::Hole(Hole::found(&key, &value)));
            } else {
                plain.push_str(token);
            }
            plain.push_str(end);
            name = if end == "=" { token.to_owned() } else { String::new() };
        }
        read.push(Piece::Plain(plain));
    }
    read.retain(|piece| !matches!(piece, Piece::Plain(text) if text.is_empty()));
    // What goes by the name of a secret is one, whoever fills it in.
    Text(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_the_url() {
        let hash = "0123456789abcdef0123456789abcdef";
        let cases = [
            ("https://example.org/mcp".to_owned(), "https://example.org/mcp", None),
            ("https://ann:pw%20d@example.org/mcp".to_owned(), "https://example.org/mcp", Some("ann:pw d")),
            (
                "https://example.org/mcp?api_key=abc&x=1#f".to_owned(),
                "https://example.org/mcp?api_key=<api_key>&x=1",
                None,
            ),
            (format!("https://example.org/s/{hash}/mcp"), "https://example.org/s/<key>/mcp", None),
            (
                "https://sk-proj-A123456789012345.example.org/a".to_owned(),
                "https://sk-proj-a123456789012345.example.org/a",
                None,
            ),
        ];
        for (url, expected, user) in cases {
            let (text, hole) = read(&Text::plain(&url)).unwrap();
            let shown: String = text
                .0
                .iter()
                .map(|piece| match piece {
                    Piece::Plain(text) | Piece::Template(text) => text.clone(),
                    Piece::Hole(hole) => format!("<{}>", hole.key),
                })
                .collect();
            assert_eq!(shown, expected);
            assert_eq!(hole.and_then(|hole| hole.value).as_deref(), user);
        }
        for url in ["", "nothing", "/mcp"] {
            assert!(read(&Text::plain(url)).is_err(), "{url}");
        }
    }
}
