//! The `Mcp-Param-*` headers of one tool: what its schema annotates with `x-mcp-header`.
//!
//! Source: streamable-http 2026-07-28, "Custom Headers from Tool Parameters". A tool with an
//! annotation that breaks a rule there is not to be offered to HTTP clients.

use std::{borrow::Cow, collections::HashSet};

use memchr::memmem;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Mirrored, Mismatch, PARAM_PREFIX, differs, single,
    value::{decode, encode, integer},
};
use crate::mcp::members::{Member, members, only, string};

const ANNOTATION: &str = "x-mcp-header";

/// A tool whose annotations break the rules; clients must leave it out of `tools/list`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("tool `{tool}` cannot be offered over HTTP: {reason}")]
pub struct InvalidAnnotation {
    /// The tool's name; empty when it has none.
    pub tool: String,
    /// Which rule is broken.
    pub reason: String,
}

/// Which arguments of a tool have headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolHeaders(Vec<Annotated>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Annotated {
    /// The names of the properties on the way to the argument.
    path: Vec<String>,
    /// The whole header name.
    header: String,
}

/// What the arguments hold for a header.
enum Argument<'a> {
    /// Nothing, or `null`: no header is due.
    None,
    /// A string, or `true` and `false` as they are written.
    Text(Cow<'a, str>),
    /// A number as it is written.
    Number(&'a str),
}

impl ToolHeaders {
    /// Reads the annotations of one tool as `tools/list` has it; `None` for a tool without any.
    ///
    /// # Errors
    /// When an annotation breaks a rule of the specification.
    pub fn of_tool(raw_tool: &str) -> Result<Option<(String, Self)>, InvalidAnnotation> {
        let bytes = raw_tool.as_bytes();
        if memmem::find(bytes, ANNOTATION.as_bytes()).is_none() && memmem::find(bytes, b"\\u").is_none() {
            return Ok(None);
        }
        let fields = members(raw_tool).unwrap_or_default();
        let field = |name| only(&fields, name).ok().flatten();
        let tool = field("name").and_then(|name| string(name.value)).unwrap_or_default().into_owned();
        let Some(schema) = field("inputSchema") else { return Ok(None) };
        match annotations(schema.value) {
            Ok(found) if found.is_empty() => Ok(None),
            Ok(found) => Ok(Some((tool, Self(found)))),
            Err(reason) => Err(InvalidAnnotation { tool, reason }),
        }
    }

    /// Whether the headers of the annotated arguments agree with `arguments`, raw JSON. Other
    /// `Mcp-Param-*` headers are none of our business.
    ///
    /// A header for an argument that is absent or `null` is a mismatch: the table of the
    /// specification says only that it is not to be expected, and the conformance suite does not
    /// try it, but such a header makes a middlebox act on a value that the server never sees, which
    /// is what "Server Validation" is there to prevent. The official Rust SDK refuses it, too.
    ///
    /// # Errors
    /// At the first that does not.
    pub fn check_params(&self, mirrored: &Mirrored, arguments: Option<&str>) -> Result<(), Mismatch> {
        let top = arguments.and_then(members).unwrap_or_default();
        self.0.iter().try_for_each(|annotated| annotated.check(mirrored, &top))
    }

    /// The headers, name and encoded value, that a call with `arguments` must have.
    ///
    /// # Errors
    /// When the arguments hold something for a header that has no header form.
    pub fn mirror(&self, arguments: Option<&str>) -> Result<Vec<(String, String)>, Mismatch> {
        let top = arguments.and_then(members).unwrap_or_default();
        let mut headers = Vec::with_capacity(self.0.len());
        for annotated in &self.0 {
            if let Some(text) = annotated.argument(&top)?.text() {
                headers.push((annotated.header.clone(), encode(&text).into_owned()));
            }
        }
        Ok(headers)
    }
}

impl Annotated {
    fn check(&self, mirrored: &Mirrored, top: &[Member<'_>]) -> Result<(), Mismatch> {
        let own = |(name, _): &&(String, String)| {
            self.header.split_at_checked(PARAM_PREFIX.len()).is_some_and(|(_, own)| own.eq_ignore_ascii_case(name))
        };
        let header = single(&self.header, mirrored.params.iter().filter(own).map(|(_, value)| value))?;
        let argument = self.argument(top)?;
        match (header, argument.text()) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Mismatch::Unexpected(self.header.clone())),
            (None, Some(_)) => Err(Mismatch::Missing(self.header.clone())),
            (Some(value), Some(text)) => {
                let value = decode(&self.header, value)?;
                if argument.is(&value) { Ok(()) } else { Err(differs(&self.header, &value, &text)) }
            }
        }
    }

    /// The argument at the path; `top` are the members of the arguments.
    fn argument<'a>(&self, top: &[Member<'a>]) -> Result<Argument<'a>, Mismatch> {
        let unusable = || Mismatch::Body(self.header.clone());
        let Some((first, rest)) = self.path.split_first() else { return Ok(Argument::None) };
        let mut at = only(top, first).map_err(|_| unusable())?;
        for name in rest {
            let Some(step) = at else { break };
            at = only(&members(step.value).unwrap_or_default(), name).map_err(|_| unusable())?;
        }
        at.map_or(Some(Argument::None), |member| Argument::read(member.value)).ok_or_else(unusable)
    }
}

impl<'a> Argument<'a> {
    /// `None` for arrays and objects, which have no header form.
    fn read(raw: &'a str) -> Option<Self> {
        match raw.as_bytes().first()? {
            b'n' => Some(Self::None),
            b't' | b'f' => Some(Self::Text(Cow::Borrowed(raw))),
            b'-' | b'0'..=b'9' => Some(Self::Number(raw)),
            _ => string(raw).map(Self::Text),
        }
    }

    /// The value as a string ("Type conversion").
    fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::None => None,
            Self::Text(text) => Some(text.clone()),
            Self::Number(raw) => {
                Some(integer(raw).map_or(Cow::Borrowed(*raw), |number| Cow::Owned(number.to_string())))
            }
        }
    }

    fn is(&self, value: &str) -> bool {
        match self {
            Self::None => false,
            Self::Text(text) => text == value,
            Self::Number(raw) => *raw == value || integer(raw).is_some_and(|number| integer(value) == Some(number)),
        }
    }
}

/// The annotations of a schema, or which rule it breaks.
fn annotations(raw_schema: &str) -> Result<Vec<Annotated>, String> {
    let Ok(schema) = serde_json::from_str::<Value>(raw_schema) else {
        return Err("its schema is nested too deeply, or not JSON".to_owned());
    };
    let Value::Object(root) = &schema else { return Ok(Vec::new()) };
    let mut walk = Walk { path: Vec::new(), seen: HashSet::new(), found: Vec::new() };
    walk.schema(root, true)?;
    Ok(walk.found)
}

/// A walk through a schema; its depth is bounded by that of the JSON reader.
struct Walk<'a> {
    path: Vec<&'a str>,
    seen: HashSet<String>,
    found: Vec<Annotated>,
}

impl<'a> Walk<'a> {
    /// `reachable`: the way here went through `properties` alone.
    fn schema(&mut self, schema: &'a Map<String, Value>, reachable: bool) -> Result<(), String> {
        for (keyword, value) in schema {
            match keyword.as_str() {
                ANNOTATION if reachable && !self.path.is_empty() => self.annotation(schema, value)?,
                ANNOTATION => return Err(format!("{ANNOTATION} is allowed only at a chain of `properties`")),
                "properties" => self.named(value, reachable)?,
                "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => self.named(value, false)?,
                // Data, and names of properties: no schemas.
                "default" | "const" | "enum" | "examples" | "dependentRequired" => {}
                _ => self.elsewhere(value)?,
            }
        }
        Ok(())
    }

    /// An object of schemas by name.
    fn named(&mut self, schemas: &'a Value, reachable: bool) -> Result<(), String> {
        for (name, schema) in schemas.as_object().into_iter().flatten() {
            let Value::Object(schema) = schema else { continue };
            self.path.push(name);
            self.schema(schema, reachable)?;
            self.path.pop();
        }
        Ok(())
    }

    fn elsewhere(&mut self, value: &'a Value) -> Result<(), String> {
        match value {
            Value::Object(schema) => self.schema(schema, false),
            Value::Array(values) => values.iter().try_for_each(|value| self.elsewhere(value)),
            _ => Ok(()),
        }
    }

    fn annotation(&mut self, schema: &Map<String, Value>, header: &Value) -> Result<(), String> {
        let Some(name) = header.as_str().filter(|name| is_token(name)) else {
            return Err(format!("{ANNOTATION} must be a token as header names are, not {header}"));
        };
        if !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!("{ANNOTATION} `{name}` is allowed only at a string, an integer or a boolean"));
        }
        if !self.seen.insert(name.to_ascii_lowercase()) {
            return Err(format!("{ANNOTATION} `{name}` is there twice"));
        }
        let path = self.path.iter().map(|name| (*name).to_owned()).collect();
        self.found.push(Annotated { path, header: format!("{PARAM_PREFIX}{name}") });
        Ok(())
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Headers, arguments, outcome.
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);

    fn tool(schema: &str) -> Result<Option<(String, ToolHeaders)>, InvalidAnnotation> {
        ToolHeaders::of_tool(&format!(r#"{{"name":"t","inputSchema":{schema}}}"#))
    }

    fn properties(properties: &str) -> Result<Option<(String, ToolHeaders)>, InvalidAnnotation> {
        tool(&format!(r#"{{"type":"object","properties":{properties}}}"#))
    }

    fn headers() -> ToolHeaders {
        let annotated = r#"{"region":{"type":"string","x-mcp-header":"Region"},
            "count":{"type":"integer","x-mcp-header":"Count"},
            "flag":{"type":"boolean","x-mcp-header":"Flag"},
            "a":{"type":"object","properties":{"b":{"type":"string","x-mcp-header":"Deep"}}},
            "free":{"type":"string"}}"#;
        properties(annotated).unwrap().unwrap().1
    }

    fn outcome(params: &[(&str, &str)], arguments: Option<&str>) -> String {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let outcome = headers().check_params(&Mirrored { params, ..Mirrored::default() }, arguments);
        format!("{outcome:?}").replace("Err(", "")
    }

    #[test]
    fn annotations_are_found_along_properties() {
        let found = headers().0;
        let mut names: Vec<_> = found.iter().map(|one| (one.path.join("."), one.header.as_str())).collect();
        names.sort();
        let expected = [
            ("a.b", "Mcp-Param-Deep"),
            ("count", "Mcp-Param-Count"),
            ("flag", "Mcp-Param-Flag"),
            ("region", "Mcp-Param-Region"),
        ];
        assert_eq!(names, expected.map(|(path, header)| (path.to_owned(), header)));
        let (name, _) = properties(r#"{"a":{"type":"string","x-mcp-h\u0065ader":"Method"}}"#).unwrap().unwrap();
        assert_eq!(name, "t");
    }

    #[test]
    fn tools_without_annotations_have_none() {
        let cases = [
            r#"{"type":"object"}"#,
            r#"{"properties":{"x-mcp-header":{"type":"string"}}}"#,
            r#"{"properties":{"a":{"const":{"x-mcp-header":1}}},"required":["x-mcp-header"]}"#,
            r#"{"properties":{"a":{"description":"x-mcp-header \u0061"}}}"#,
            r#"{"$defs":{"x-mcp-header":{"type":"string"}},"dependentRequired":{"x-mcp-header":["a"]}}"#,
            "true",
        ];
        for schema in cases {
            assert_eq!(tool(schema), Ok(None), "{schema}");
        }
        assert_eq!(ToolHeaders::of_tool(r#"{"name":"t","x-mcp-header":1}"#), Ok(None));
    }

    #[test]
    fn annotations_that_break_a_rule_are_refused() {
        let one =
            |kind: &str, name: &str| format!(r#"{{"properties":{{"p":{{"type":{kind},"x-mcp-header":{name}}}}}}}"#);
        let inner = r#"{"type":"string","x-mcp-header":"A"}"#;
        let cases = [
            one(r#""string""#, r#""""#),
            one(r#""string""#, "null"),
            one(r#""string""#, "7"),
            one(r#""string""#, r#""My Region""#),
            one(r#""string""#, r#""Region:Primary""#),
            one(r#""string""#, r#""Région""#),
            one(r#""string""#, r#""Region\t1""#),
            one(r#""string""#, r#""Region\r\n""#),
            one(r#""number""#, r#""A""#),
            one(r#""object""#, r#""A""#),
            one(r#""array""#, r#""A""#),
            one(r#""null""#, r#""A""#),
            one(r#"["string","null"]"#, r#""A""#),
            r#"{"properties":{"p":{"x-mcp-header":"A"}}}"#.to_owned(),
            r#"{"type":"string","x-mcp-header":"A"}"#.to_owned(),
            format!(r#"{{"properties":{{"p":{inner},"q":{{"type":"integer","x-mcp-header":"a"}}}}}}"#),
            format!(r#"{{"properties":{{"p":{{"items":{inner}}}}}}}"#),
            format!(r#"{{"properties":{{"p":{{"items":{{"properties":{{"q":{inner}}}}}}}}}}}"#),
            format!(r#"{{"properties":{{"p":{{"anyOf":[{inner}]}}}}}}"#),
            format!(r#"{{"oneOf":[{{"properties":{{"q":{inner}}}}}]}}"#),
            format!(r#"{{"if":{{"properties":{{"q":{inner}}}}}}}"#),
            format!(r#"{{"not":{inner}}}"#),
            format!(r#"{{"$defs":{{"q":{inner}}}}}"#),
            format!(r#"{{"patternProperties":{{"q":{inner}}}}}"#),
            format!(r#"{{"additionalProperties":{inner}}}"#),
            format!(r#"{{"a":{}"x-mcp-header"{}}}"#, "[".repeat(200), "]".repeat(200)),
        ];
        for schema in cases {
            let error = tool(&schema).unwrap_err();
            assert_eq!(error.tool, "t", "{schema}");
            assert!(!error.reason.is_empty());
        }
    }

    #[test]
    fn a_value_in_the_body_must_be_in_the_header() {
        let cases: [Case; 26] = [
            (&[("region", "us")], r#"{"region":"us"}"#, "Ok"),
            (&[("REGION", " us ")], r#"{"regi\u006fn":"\u0075s"}"#, "Ok"),
            (&[("Region", "")], r#"{"region":""}"#, "Ok"),
            (&[("Region", "=?base64?SGVsbG8=?=")], r#"{"region":"Hello"}"#, "Ok"),
            (&[("Region", "SGVsbG8=")], r#"{"region":"SGVsbG8="}"#, "Ok"),
            (&[("Region", "=?base64?SGVsbG8=")], r#"{"region":"=?base64?SGVsbG8="}"#, "Ok"),
            (&[("Region", "=?base64?SGVsbG8?=")], r#"{"region":"Hello"}"#, "Base64"),
            (&[("Region", "=?base64?SGVs!!!bG8=?=")], r#"{"region":"Hello"}"#, "Base64"),
            (&[("Region", "é")], r#"{"region":"é"}"#, "Characters"),
            (&[("Region", "US")], r#"{"region":"us"}"#, "Differs"),
            (&[], r#"{"region":"us"}"#, "Missing"),
            (&[("Region", "us"), ("region", "us")], r#"{"region":"us"}"#, "Twice"),
            (&[("Region", "us")], r#"{"region":"us","region":"eu"}"#, "Body"),
            (&[], r#"{"region":["us"]}"#, "Body"),
            (&[("Region", "x")], r#"{"region":{}}"#, "Body"),
            (&[("Count", "42.0")], r#"{"count":42}"#, "Ok"),
            (&[("Count", "42")], r#"{"count":4.2e1}"#, "Ok"),
            (&[("Count", "42.5")], r#"{"count":42.5}"#, "Ok"),
            (&[("Count", "43")], r#"{"count":42}"#, "Differs"),
            (&[("Count", "9007199254740993")], r#"{"count":9007199254740992}"#, "Differs"),
            (&[("Count", "42.0")], r#"{"count":"42"}"#, "Differs"),
            (&[("Flag", "false")], r#"{"flag":false}"#, "Ok"),
            (&[("Flag", "True")], r#"{"flag":true}"#, "Differs"),
            (&[("Deep", "x")], r#"{"a":{"b":"x"}}"#, "Ok"),
            (&[], r#"{"a":{"b":"x"}}"#, "Missing"),
            (&[("Deep", "x")], r#"{"a":{"b":"x"},"a":{}}"#, "Body"),
        ];
        for (params, arguments, expected) in cases {
            let outcome = outcome(params, Some(arguments));
            assert!(outcome.starts_with(expected), "{params:?} {arguments}: {outcome}");
        }
    }

    #[test]
    fn without_a_value_in_the_body_there_must_be_no_header() {
        for arguments in
            [None, Some("{}"), Some(r#"{"region":null,"a":null}"#), Some(r#"{"a":[1]}"#), Some("null"), Some("[]")]
        {
            assert_eq!(outcome(&[], arguments), "Ok(())", "{arguments:?}");
            for name in ["Region", "Deep"] {
                assert!(outcome(&[(name, "us")], arguments).starts_with("Unexpected"), "{arguments:?}");
            }
        }
    }

    #[test]
    fn other_headers_and_arguments_are_ignored() {
        let params = [("Unknown", "é"), ("Unknown", "x"), ("", "x")];
        assert_eq!(outcome(&params, Some(r#"{"free":"é","x":1,"x":2}"#)), "Ok(())");
    }

    proptest! {
        #[test]
        fn what_is_mirrored_matches(region in any::<Option<String>>(), count in any::<i64>(), flag in any::<bool>()) {
            let arguments = serde_json::json!({"region": region, "count": count, "flag": flag, "a": {"b": region}}).to_string();
            let sent = headers().mirror(Some(&arguments)).unwrap();
            let sent: Vec<(&str, &[u8])> = sent.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            prop_assert_eq!(sent.len(), if region.is_some() { 4 } else { 2 });
            prop_assert_eq!(headers().check_params(&Mirrored::collect(sent), Some(&arguments)), Ok(()));
        }
    }
}
