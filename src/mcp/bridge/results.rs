//! Results of the session era as results of the stateless one: by adding members, never by writing
//! the payload anew.

use memchr::memmem;

use crate::mcp::{
    error::Code,
    jsonrpc::Message,
    members::{members, only},
};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Methods whose results say how long they may be kept (utilities/caching).
fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

/// `answer` with what every result of the stateless era has: `resultType`, whose it is, and, where
/// `method` wants them, hints that it must not be kept (the child has said nothing of it).
pub(super) fn complete(answer: &Message, method: &str, server_info: Option<&str>) -> Message {
    let (Some(result), Some(span)) = (answer.result(), answer.result_span()) else { return era_error(answer) };
    let mut added: Vec<(&str, String)> = vec![("resultType", r#""complete""#.to_owned())];
    if is_cacheable(method) {
        added.push(("ttlMs", "0".to_owned()));
        added.push(("cacheScope", r#""private""#.to_owned()));
    }
    if let Some(info) = server_info {
        added.push(("_meta", format!(r#"{{"{SERVER_INFO}":{info}}}"#)));
    }
    // Most results have none of these names anywhere, and then need no look at their members.
    if added.iter().any(|(name, _)| memmem::find(result.as_bytes(), name.as_bytes()).is_some())
        || memmem::find(result.as_bytes(), b"\\u").is_some()
    {
        let Some(there) = members(result) else { return answer.clone() };
        added.retain(|(name, _)| !there.iter().any(|member| member.is(name)));
    }
    let Some(inner) = result.strip_prefix('{') else { return answer.clone() };
    if added.is_empty() {
        return answer.clone();
    }
    let mut text = added.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect::<Vec<_>>().join(",");
    if !inner.trim_start().starts_with('}') {
        text.push(',');
    }
    let at = span.start + 1;
    answer.spliced(&[(at..at, text.as_bytes())])
}

/// `answer` without what only results of the stateless era have: a client with sessions would take
/// them for members of the server's own.
pub(in crate::mcp) fn plain(answer: &Message) -> Message {
    const ADDED: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
    let Some(there) = answer.result().and_then(members) else { return answer.clone() };
    if !there.iter().any(|member| ADDED.iter().any(|name| member.is(name))) {
        return answer.clone();
    }
    let kept = there.iter().filter(|member| !ADDED.iter().any(|name| member.is(name)));
    let kept: Vec<String> = kept.map(|member| format!("{}:{}", member.key, member.value)).collect();
    Message::success(answer.id(), &format!("{{{}}}", kept.join(",")))
}

/// An error with the code that the stateless era has for it: unknown resources are invalid params.
fn era_error(answer: &Message) -> Message {
    const NOT_FOUND: i64 = -32002;
    let fields = answer.error().and_then(members).unwrap_or_default();
    let code = only(&fields, "code").ok().flatten().map(|code| code.value);
    match code {
        Some(code) if code.parse() == Ok(NOT_FOUND) => {
            let replaced = Code::InvalidParams.number().to_string();
            answer.spliced(&[(answer.span_of(code), replaced.as_bytes())])
        }
        _ => answer.clone(),
    }
}

/// Whether `answer` is an error with this code.
pub(super) fn is_code(answer: &Message, wanted: Code) -> bool {
    let fields = answer.error().and_then(members).unwrap_or_default();
    only(&fields, "code").ok().flatten().is_some_and(|code| code.value.parse() == Ok(wanted.number()))
}

/// Whether a call has failed: a JSON-RPC error, or a tool's own.
pub(super) fn is_failure(answer: &Message) -> bool {
    let Some(result) = answer.result() else { return true };
    let fields = members(result).unwrap_or_default();
    only(&fields, "isError").ok().flatten().is_some_and(|field| field.value == "true")
}

/// `data` of a `MissingRequiredClientCapabilityError`.
pub(super) fn required(refused: &[&str]) -> serde_json::Value {
    let objects = refused.iter().filter_map(|raw| serde_json::from_str::<serde_json::Value>(raw).ok());
    let mut all = serde_json::Map::new();
    for object in objects {
        if let serde_json::Value::Object(fields) = object {
            all.extend(fields);
        }
    }
    serde_json::json!({ "requiredCapabilities": all })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn completed(result: &str, method: &str) -> serde_json::Value {
        let answer = Message::parse(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))).unwrap();
        let done = complete(&answer, method, Some(r#"{"name":"n","version":"1"}"#));
        // What its spans say is what a parser finds.
        let read = Message::parse(done.body().clone()).unwrap();
        assert_eq!(read.result(), done.result());
        serde_json::from_str(read.result().unwrap()).unwrap()
    }

    #[test]
    fn members_are_added_where_they_are_missing() {
        let info = serde_json::json!({ "name": "n", "version": "1" });
        let meta = serde_json::json!({ SERVER_INFO: info });
        let expected = serde_json::json!({ "resultType": "complete", "_meta": meta });
        assert_eq!(completed("{}", "tools/call"), expected);
        assert_eq!(completed("{ }", "tools/call"), expected);

        let listed = completed(r#"{"tools":[{"name":"resultType"}],"_meta":{"a":1}}"#, "tools/list");
        assert_eq!(listed["resultType"], "complete");
        assert_eq!((&listed["ttlMs"], &listed["cacheScope"]), (&serde_json::json!(0), &serde_json::json!("private")));
        assert_eq!(listed["_meta"], serde_json::json!({ "a": 1 }));

        let kept = completed(r#"{"resultType":"x","ttl\u004ds":7}"#, "tools/list");
        assert_eq!((&kept["resultType"], &kept["ttlMs"]), (&serde_json::json!("x"), &serde_json::json!(7)));
    }

    #[test]
    fn members_of_the_era_are_taken_away_again() {
        let cases = [
            (r#"{"resultType":"complete","a":"ttlMs"}"#, r#"{"a":"ttlMs"}"#),
            (r#"{"x":[1, 2],"ttlMs":0,"cacheScope":"private"}"#, r#"{"x":[1, 2]}"#),
            (r#"{"resultType":"complete"}"#, "{}"),
            (r#"{ "x" : 1 }"#, r#"{ "x" : 1 }"#),
        ];
        for (result, expected) in cases {
            assert_eq!(plain(&Message::success("1", result)).result(), Some(expected));
        }
    }

    #[test]
    fn an_unknown_resource_is_invalid_params() {
        let text = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no","data":{"uri":"a"}}}"#;
        let error = complete(&Message::parse(Bytes::from(text)).unwrap(), "resources/read", None);
        assert_eq!(error.body(), &Bytes::from(text.replace("-32002", "-32602")));
    }

    #[test]
    fn what_was_refused_is_named() {
        let data = required(&[r#"{"sampling":{}}"#, r#"{"elicitation":{}}"#]);
        assert_eq!(data, serde_json::json!({ "requiredCapabilities": { "sampling": {}, "elicitation": {} } }));
    }
}
