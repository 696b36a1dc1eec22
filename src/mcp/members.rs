//! The members of a JSON object as raw text: in order, doubled ones included.
//!
//! serde's maps keep one of two members with the same name, and another parser may keep the other.
//! Whoever relies on a member asks with [`only`], which refuses that; whoever rewrites an object
//! keeps the raw text of all that is not concerned.

use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jsonrpc::Message;

/// One member of an object, all of it as it was written.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    /// The name with its quotes.
    pub(super) key: &'a str,
    /// The value.
    pub(super) value: &'a str,
}

impl<'a> Member<'a> {
    /// The name; `None` for text that is no text (lone surrogates), which no name of ours is.
    pub(super) fn name(&self) -> Option<Cow<'a, str>> {
        string(self.key)
    }

    /// Whether it is the member `name`, however that is spelled.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name().is_some_and(|own| own == name)
    }
}

/// A member is there twice.
#[derive(Debug)]
pub(super) struct Twice;

/// The members of the object `raw`; `None` when it is no object.
pub(super) fn members(raw: &str) -> Option<Vec<Member<'_>>> {
    serde_json::from_str::<Members<'_>>(raw).ok().map(|members| members.0)
}

/// The one member `name`.
pub(super) fn only<'a>(members: &[Member<'a>], name: &str) -> Result<Option<Member<'a>>, Twice> {
    let mut found = members.iter().filter(|member| member.is(name));
    match (found.next(), found.next()) {
        (first, None) => Ok(first.copied()),
        (_, Some(_)) => Err(Twice),
    }
}

/// The text of the JSON string `raw`; `None` when it is something else.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// Whether the JSON text `raw` is an object.
pub(super) fn is_object(raw: &str) -> bool {
    raw.starts_with('{')
}

/// Where `part`, a slice of the message's text, lies in it.
pub(super) fn span(message: &Message, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(message.body().as_ptr() as usize);
    start..start + part.len()
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push(Member { key: key.get(), value: value.get() });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_raw_and_in_order() {
        let text = r#"{ "a" : 1.50 , "\u0061":[{"b" : 2}],"\ud800":null }"#;
        let found = members(text).unwrap();
        let raw: Vec<_> = found.iter().map(|member| (member.key, member.value)).collect();
        assert_eq!(raw, [("\"a\"", "1.50"), (r#""\u0061""#, r#"[{"b" : 2}]"#), (r#""\ud800""#, "null")]);
        assert!(only(&found, "a").is_err());
        assert!(only(&found, "b").unwrap().is_none());
        assert!(found[2].name().is_none());
    }

    #[test]
    fn only_objects_have_members() {
        for text in ["[]", "null", "1", r#""{}""#, "{", "{]", "{} x", ""] {
            assert!(members(text).is_none(), "{text}");
        }
        assert!(members("{}").unwrap().is_empty());
    }

    #[test]
    fn strings_are_decoded() {
        let cases =
            [(r#""a""#, Some("a")), (r#""\/\u0061""#, Some("/a")), ("\"", None), ("1", None), (r#""\ud800""#, None)];
        for (raw, expected) in cases {
            assert_eq!(string(raw).as_deref(), expected, "{raw}");
        }
    }
}
