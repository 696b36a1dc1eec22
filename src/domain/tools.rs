//! Limits by tools: which of a server's tools may be called.

use std::{collections::BTreeSet, fmt, sync::Arc};

/// Longest name of a tool in a limit, in bytes: MCP names tools with up to 128 (2025-11-25, "Tool Names").
pub const MAX_NAME: usize = 256;
/// Tools in one limit.
pub const MAX_TOOLS: usize = 500;

/// What of a server's tools may be used. Whoever has none of these is not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolLimit {
    /// Tools by these names; all when absent.
    pub tools: Option<Arc<BTreeSet<String>>>,
    /// Whether none may be called, only listed.
    pub read_only: bool,
}

impl ToolLimit {
    /// The limit of these; `None` when it is none.
    #[must_use]
    pub fn of(tools: Option<&Arc<BTreeSet<String>>>, read_only: bool) -> Option<Self> {
        (tools.is_some() || read_only).then(|| Self { tools: tools.cloned(), read_only })
    }

    /// Whether a tool of this name is shown.
    #[must_use]
    pub fn may_list(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.contains(tool))
    }

    /// Whether a tool of this name may be called.
    #[must_use]
    pub fn may_call(&self, tool: &str) -> bool {
        !self.read_only && self.may_list(tool)
    }

    /// What both allow.
    #[must_use]
    pub fn and(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.or(other),
        };
        let tools = match (one.tools, other.tools) {
            (Some(one), Some(other)) => Some(Arc::new(one.intersection(&other).cloned().collect())),
            (one, other) => one.or(other),
        };
        Some(Self { tools, read_only: one.read_only || other.read_only })
    }
}

/// As it is told to whom it stops.
impl fmt::Display for ToolLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        if self.read_only {
            return f.write_str("reading: it calls no tool");
        }
        let Some(tools) = &self.tools else { return f.write_str("nothing") };
        if tools.is_empty() {
            return f.write_str("no tool at all");
        }
        let names: Vec<&str> = tools.iter().map(String::as_str).take(SHOWN).collect();
        write!(f, "the tools {}", names.join(", "))?;
        if tools.len() > SHOWN { write!(f, " and {} more", tools.len() - SHOWN) } else { Ok(()) }
    }
}

/// Why names cannot be those of a limit.
///
/// # Errors
/// When there are too many, or one is empty, too long or has control characters.
pub fn check_names(names: &BTreeSet<String>) -> Result<(), String> {
    if names.len() > MAX_TOOLS {
        return Err(format!("at most {MAX_TOOLS} tools can be named"));
    }
    let fits =
        |name: &&String| !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(|letter| letter.is_control());
    match names.iter().find(|name| !fits(name)) {
        Some(wrong) => {
            Err(format!("{wrong:?} cannot be the name of a tool: 1 to {MAX_NAME} bytes, no control characters"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(tools: Option<&[&str]>, read_only: bool) -> Option<ToolLimit> {
        let tools = tools.map(|names| Arc::new(names.iter().map(|&name| name.to_owned()).collect()));
        ToolLimit::of(tools.as_ref(), read_only)
    }

    #[test]
    fn what_is_listed_and_what_is_called() {
        let cases = [
            (limit(Some(&["a"]), false), [(true, true), (false, false)]),
            (limit(Some(&[]), false), [(false, false), (false, false)]),
            (limit(None, true), [(true, false), (true, false)]),
            (limit(Some(&["a"]), true), [(true, false), (false, false)]),
        ];
        for (limit, expected) in cases {
            let limit = limit.unwrap();
            let got = ["a", "b"].map(|tool| (limit.may_list(tool), limit.may_call(tool)));
            assert_eq!(got, expected, "{limit:?}");
        }
        assert_eq!(limit(None, false), None);
    }

    #[test]
    fn two_limits_allow_what_both_do() {
        let cases = [
            (None, None, None),
            (limit(Some(&["a"]), false), None, limit(Some(&["a"]), false)),
            (None, limit(None, true), limit(None, true)),
            (limit(Some(&["a", "b"]), false), limit(Some(&["b", "c"]), false), limit(Some(&["b"]), false)),
            (limit(Some(&["a"]), false), limit(Some(&["b"]), false), limit(Some(&[]), false)),
            (limit(Some(&["a"]), false), limit(None, true), limit(Some(&["a"]), true)),
        ];
        for (one, other, both) in cases {
            assert_eq!(ToolLimit::and(one.clone(), other.clone()), both, "{one:?} {other:?}");
            assert_eq!(ToolLimit::and(other.clone(), one.clone()), both, "{other:?} {one:?}");
        }
    }

    #[test]
    fn names_are_checked() {
        let check = |names: &[&str]| check_names(&names.iter().map(|&name| name.to_owned()).collect());
        assert!(check(&[]).is_ok() && check(&["a", "ä/b.c"]).is_ok());
        assert!(check(&[""]).is_err() && check(&["a\n"]).is_err() && check(&[&"x".repeat(MAX_NAME + 1)]).is_err());
        let many: Vec<String> = (0..=MAX_TOOLS).map(|number| number.to_string()).collect();
        assert!(check_names(&many.into_iter().collect()).is_err());
    }
}
