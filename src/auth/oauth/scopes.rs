//! Scopes: what a client asks for and is given, and how far that reaches.
//!
//! | scope | meaning |
//! |---|---|
//! | `mcp:read` | list and read everything, call no tool |
//! | `mcp:call` | call every tool; implies `mcp:read` |
//! | `tool:{name}` | call this tool; implies `mcp:read` |
//! | `instance:{id}` | which instance is meant, where the request has no `resource` |
//!
//! Scopes add up: `mcp:call tool:x` is every tool. So a client that steps up, by asking for what it has and
//! what it was refused (MCP, "Step-Up Authorization Flow"), gets there.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

use thiserror::Error;

use crate::{auth::Reach, domain::ids::InstanceId};

/// The scopes that every instance has; what a challenge asks for where nothing less is known to do.
pub const SUPPORTED: [&str; 2] = ["mcp:read", "mcp:call"];

/// A scope that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no scope {0:?}; there are mcp:read, mcp:call, tool:{{name}} and instance:{{id}}")]
pub struct ScopeError(String);

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// List and read.
    Read,
    /// Call every tool.
    Call,
    /// The instance with this id is meant.
    Instance(InstanceId),
    /// Call this tool.
    Tool(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("mcp:read"),
            Self::Call => f.write_str("mcp:call"),
            Self::Instance(id) => write!(f, "instance:{id}"),
            Self::Tool(name) => {
                f.write_str("tool:")?;
                name.bytes().try_for_each(|byte| match byte {
                    // What a scope may consist of (RFC 6749, section 3.3), but for our own escape.
                    b'!' | b'#'..=b'$' | b'&'..=b'[' | b']'..=b'~' => write!(f, "{}", char::from(byte)),
                    _ => write!(f, "%{byte:02X}"),
                })
            }
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let unknown = || ScopeError(text.chars().take(100).collect());
        match text.split_once(':') {
            Some(("mcp", "read")) => Ok(Self::Read),
            Some(("mcp", "call")) => Ok(Self::Call),
            Some(("instance", id)) => id.parse().map(Self::Instance).map_err(|_| unknown()),
            Some(("tool", name)) if !name.is_empty() => unescape(name).map(Self::Tool).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A set of scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// What is asked for where the client does not say: to read, and to call every tool.
    #[must_use]
    pub fn usual() -> Self {
        Self(BTreeSet::from([Scope::Read, Scope::Call]))
    }

    /// To read alone.
    #[must_use]
    pub fn reading() -> Self {
        Self(BTreeSet::from([Scope::Read]))
    }

    /// To read, and to call these tools. Without any tool, to read alone.
    #[must_use]
    pub fn tools(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(Scope::Tool).chain([Scope::Read]).collect())
    }

    /// What a client asks for. Scopes of other people's making (`openid`, `offline_access`) are passed over,
    /// as RFC 6749, section 3.3, allows; with nothing left it is [`Self::usual`].
    ///
    /// # Errors
    /// When one is of ours and does not exist.
    pub fn asked(text: &str) -> Result<Self, ScopeError> {
        let ours = |scope: &&str| ["mcp:", "tool:", "instance:"].iter().any(|prefix| scope.starts_with(prefix));
        let mut scopes: BTreeSet<Scope> =
            text.split_ascii_whitespace().filter(ours).map(str::parse).collect::<Result<_, _>>()?;
        if scopes.iter().all(|scope| matches!(scope, Scope::Instance(_))) {
            scopes.extend([Scope::Read, Scope::Call]);
        }
        scopes.insert(Scope::Read);
        Ok(Self(scopes))
    }

    /// The instance that it names.
    #[must_use]
    pub fn instance(&self) -> Option<InstanceId> {
        self.0.iter().find_map(|scope| match scope {
            Scope::Instance(id) => Some(*id),
            _ => None,
        })
    }

    /// The same without the name of an instance: what is kept, as the grant itself names it.
    #[must_use]
    pub fn without_instance(mut self) -> Self {
        self.0.retain(|scope| !matches!(scope, Scope::Instance(_)));
        self
    }

    /// The only tools that may be called; all when `None`, and none when empty.
    #[must_use]
    pub fn tool_names(&self) -> Option<BTreeSet<String>> {
        if self.0.contains(&Scope::Call) {
            return None;
        }
        let name = |scope: &Scope| match scope {
            Scope::Tool(name) => Some(name.clone()),
            _ => None,
        };
        Some(self.0.iter().filter_map(name).collect())
    }

    /// Whether nothing may be called.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.tool_names().is_some_and(|names| names.is_empty())
    }

    /// Whether all of `other` is within this, by what the scopes mean: `mcp:call` covers every tool.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let calls = self.0.contains(&Scope::Call);
        other.0.iter().all(|scope| match scope {
            Scope::Read => true,
            Scope::Tool(_) if calls => true,
            scope => self.0.contains(scope),
        })
    }

    /// How far a token of these scopes for this instance reaches.
    #[must_use]
    pub fn reach(&self, instance: InstanceId) -> Reach {
        let tools = self.tool_names();
        let read_only = tools.as_ref().is_some_and(BTreeSet::is_empty);
        Reach {
            instances: Some(HashSet::from([instance])),
            tools: tools.filter(|_| !read_only).map(Arc::new),
            read_only,
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            scope.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Reads back what was displayed.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_and_what_it_means() {
        // Asked, understood, read only, tools.
        let cases = [
            ("", "mcp:read mcp:call", false, None),
            ("openid offline_access", "mcp:read mcp:call", false, None),
            ("mcp:read", "mcp:read", true, Some(vec![])),
            ("mcp:call", "mcp:read mcp:call", false, None),
            ("mcp:read  mcp:call mcp:call", "mcp:read mcp:call", false, None),
            ("tool:b tool:a", "mcp:read tool:a tool:b", false, Some(vec!["a", "b"])),
            ("tool:a mcp:call", "mcp:read mcp:call tool:a", false, None),
            ("tool:two%20words", "mcp:read tool:two%20words", false, Some(vec!["two words"])),
        ];
        for (asked, understood, read_only, tools) in cases {
            let scopes = Scopes::asked(asked).unwrap();
            assert_eq!(scopes.to_string(), understood, "{asked}");
            assert_eq!(scopes.to_string().parse(), Ok(scopes.clone()));
            let names = tools.map(|tools| tools.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
            assert_eq!((scopes.read_only(), scopes.tool_names()), (read_only, names), "{asked}");
            let reach = scopes.reach(InstanceId::generate());
            assert_eq!(reach.read_only, read_only);
            assert_eq!(reach.may_call("a"), !read_only && asked != "tool:two%20words", "{asked}");
        }
    }

    #[test]
    fn ours_that_do_not_exist_are_refused() {
        for wrong in ["mcp:write", "tool:", "instance:5", "tool:%", "tool:%f", "tool:%ff", "mcp:read mcp:"] {
            assert!(Scopes::asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instance_may_be_named_and_asks_for_nothing_by_itself() {
        let id = InstanceId::generate();
        let scopes = Scopes::asked(&format!("instance:{id}")).unwrap();
        assert_eq!(scopes.instance(), Some(id));
        assert_eq!(scopes.without_instance(), Scopes::usual());
    }

    #[test]
    fn covering_follows_the_meaning() {
        let cases = [
            ("mcp:read mcp:call", "mcp:read", true),
            ("mcp:call", "mcp:read tool:x", true),
            ("mcp:read tool:x", "tool:x", true),
            ("mcp:read tool:x", "tool:y", false),
            ("mcp:read tool:x", "mcp:call", false),
            ("mcp:read", "mcp:call", false),
        ];
        for (wide, narrow, covers) in cases {
            assert_eq!(Scopes::asked(wide).unwrap().covers(&Scopes::asked(narrow).unwrap()), covers, "{wide} {narrow}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_tool_name_travels_as_a_scope(name in ".+") {
            let text = Scope::Tool(name.clone()).to_string();
            proptest::prop_assert!(text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)));
            proptest::prop_assert_eq!(text.parse(), Ok(Scope::Tool(name)));
        }
    }
}
