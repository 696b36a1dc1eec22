//! Where a sign-in leads: a path of this server, whatever the request says (no open redirect).

use url::Url;

/// Longer ones are not kept.
const MOST: usize = 2048;

/// `wanted` where it is a path of our own, else `/`.
///
/// Browsers read `//host` and `/\host` as another host, and drop tabs and line ends before they look.
#[must_use]
pub fn safe(wanted: Option<&str>) -> &str {
    wanted.filter(|path| is_own(path)).unwrap_or("/")
}

fn is_own(path: &str) -> bool {
    let is_plain = path.len() <= MOST && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_plain || !path.starts_with('/') || path.starts_with("//") {
        return false;
    }
    // What a browser makes of it: it must stay here, and not become `//host` on the way.
    let Ok(base) = Url::parse("http://berth.invalid/") else { return false };
    base.join(path).is_ok_and(|url| url.origin() == base.origin() && !url.path().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn only_paths_of_our_own() {
        for path in ["/", "/a", "/a/b?c=d&e=https://x.example", "/authorize?next=%2F%2Fx", "/a#b", "/a//b", "/:x@y"] {
            assert_eq!(safe(Some(path)), path);
        }
        for path in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\n/evil.example",
            " /a",
            "/a b",
            "/./\\evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/ü",
            &format!("/{}", "a".repeat(2048)),
        ] {
            assert_eq!(safe(Some(path)), "/", "{path:?}");
        }
        assert_eq!(safe(None), "/");
    }
}
