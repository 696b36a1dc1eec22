//! Names of services and fields from names that others have given.

use crate::domain::names::{RESERVED, ServiceName};

/// Longest name that a document's leads to: room is left for a number behind it.
const MAX_NAME: usize = 40;

/// The name of a service that is called `text` elsewhere: `io.github.ann/Weather Server` is `weather-server`.
pub fn named_like(text: &str) -> Option<ServiceName> {
    let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut name = String::new();
    for c in last.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "mcp-");
    }
    name.truncate(MAX_NAME);
    let name = name.trim_end_matches('-');
    let name = if RESERVED.contains(&name) { format!("{name}-mcp") } else { name.to_owned() };
    name.parse().ok()
}

/// `name`, or the first of `name-2`, `name-3` … that is not taken.
pub fn free_name(name: &ServiceName, is_taken: impl Fn(&ServiceName) -> bool) -> Option<ServiceName> {
    let numbered = (2..10_000_u32).filter_map(|number| format!("{name}-{number}").parse().ok());
    std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name))
}

/// The key of a configuration field: letters, digits, `_` and `-`.
pub(super) fn field_key(text: &str) -> String {
    let key: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
    let key = key.trim_matches('_');
    if key.is_empty() { "value".to_owned() } else { key.chars().take(64).collect() }
}

/// A variable's name: upper case, digits and `_`.
pub(super) fn variable(text: &str) -> String {
    let name = field_key(text).replace('-', "_").to_ascii_uppercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_ours() {
        let cases = [
            ("io.github.ann/weather", "weather"),
            ("GitHub Enterprise", "github-enterprise"),
            ("my_server.v2!", "my-server-v2"),
            ("3d", "mcp-3d"),
            ("api", "api-mcp"),
            ("", "mcp"),
            ("日本", "mcp"),
            ("@scope/Server--X", "server-x"),
        ];
        for (text, expected) in cases {
            assert_eq!(named_like(text).unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn clashes_get_a_number() {
        let name: ServiceName = "github".parse().unwrap();
        let taken = ["github", "github-2"];
        let free = |taken: &[&str]| free_name(&name, |name| taken.contains(&name.as_str())).unwrap().to_string();
        assert_eq!(free(&taken), "github-3");
        assert_eq!(free(&[]), "github");
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_that_is_valid(text in ".{0,80}") {
            prop_assert!(named_like(&text).is_some());
            prop_assert!(!field_key(&text).is_empty() && !variable(&text).is_empty());
        }
    }
}
