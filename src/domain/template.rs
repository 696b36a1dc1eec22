//! Templates in arguments, environment and headers: `{NAME}` is replaced, anything else stays.

/// Replaces every `{KEY}` of `text` whose key `value_of` knows; unknown braces are left as they are
/// (the registry's `server.json` rule). Values are inserted once and never expanded again.
#[must_use]
pub fn expand<V: AsRef<str>>(text: &str, value_of: impl Fn(&str) -> Option<V>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from_open) = rest.split_at(open);
        out.push_str(before);
        let known = from_open.find('}').and_then(|close| {
            let key = from_open.get(1..close)?;
            value_of(key).map(|value| (value, close + 1))
        });
        match known {
            Some((value, end)) => {
                out.push_str(value.as_ref());
                rest = from_open.get(end..).unwrap_or_default();
            }
            None => {
                out.push('{');
                rest = from_open.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn replaces_known_keys_only() {
        let value = |key: &str| match key {
            "USER_ID" => Some("u1"),
            "EVIL" => Some("{USER_ID}"),
            _ => None,
        };
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("{USER_ID}/x", "u1/x"),
            ("{UNKNOWN}", "{UNKNOWN}"),
            ("{", "{"),
            ("{USER_ID", "{USER_ID"),
            ("{{USER_ID}}", "{u1}"),
            ("{EVIL}", "{USER_ID}"),
            ("é{USER_ID}é", "éu1é"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, value), expected, "{text}");
        }
    }
}
