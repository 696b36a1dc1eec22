use super::*;

fn limit(tools: Option<&[&str]>, read_only: bool) -> ToolLimit {
    let tools = tools.map(|names| Arc::new(names.iter().map(|&name| name.to_owned()).collect()));
    ToolLimit { tools, read_only }
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn verdict(limit: &ToolLimit, text: &str) -> &'static str {
    match check(limit, &message(text)) {
        Ok(()) => "passes",
        Err(Denied::Tool { .. }) => "tool",
        Err(Denied::Method { .. }) => "method",
        Err(Denied::Unclear { .. }) => "unclear",
    }
}

#[test]
fn what_passes() {
    let (some, reading) = (limit(Some(&["a"]), false), limit(None, true));
    let call = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let ask = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    let cases = [
        (call(r#"{"name":"a"}"#), "passes", "tool"),
        (call(r#"{"name":"\u0061"}"#), "passes", "tool"),
        (call(r#"{"n\u0061me":"a"}"#), "passes", "tool"),
        (call(r#"{"name":"a","arguments":{"name":"b","Name":"c"},"_meta":{}}"#), "passes", "tool"),
        (call(r#"{"name":"b"}"#), "tool", "tool"),
        (call(r#"{"name":"A"}"#), "tool", "tool"),
        (call(r#"{"name":"a "}"#), "tool", "tool"),
        // What another parser may read.
        (call(r#"{"name":"a","name":"b"}"#), "unclear", "unclear"),
        (call(r#"{"name":"b","n\u0061me":"a"}"#), "unclear", "unclear"),
        (call(r#"{"name":"a","Name":"b"}"#), "unclear", "unclear"),
        (call(r#"{"name":["a"]}"#), "unclear", "unclear"),
        (call(r#"["a"]"#), "unclear", "unclear"),
        (call("{}"), "unclear", "unclear"),
        (ask("tools/call"), "unclear", "unclear"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"b"}}"#.to_owned(),
            "unclear",
            "unclear",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"paramſ":{"name":"b"}}"#.to_owned(),
            "unclear",
            "unclear",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"b"}}"#.to_owned(), "tool", "tool"),
        // A call that wants no answer is one all the same.
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"b"}}"#.to_owned(), "tool", "tool"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(), "passes", "passes"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"METHOD":"tools/call"}"#.to_owned(), "unclear", "unclear"),
        (ask("tools/list"), "passes", "passes"),
        (ask("completion/complete"), "passes", "passes"),
        (ask("prompts/get"), "passes", "passes"),
        (ask("resources/read"), "passes", "passes"),
        (ask("tasks/list"), "method", "method"),
        (ask("tasks/get"), "passes", "method"),
        (ask("tasks/update"), "passes", "method"),
    ];
    for (text, limited, read_only) in cases {
        assert_eq!((verdict(&some, &text), verdict(&reading, &text)), (limited, read_only), "{text}");
    }
}

#[test]
fn a_list_shows_what_may_be_called_as_the_server_wrote_it() {
    let a = r#"{ "name" : "a", "x": 1.50 }"#;
    let list = |tools: &str, rest: &str| format!(r#"{{"tools":[{tools}]{rest}}}"#);
    let some = limit(Some(&["a", "d"]), false);
    let cases = [
        (list(&format!(r#"{a},{{"name":"b"}}"#), r#","nextCursor":"n""#), list(a, r#","nextCursor":"n""#)),
        (list(r#"{"name":"b"}"#, ""), list("", "")),
        (list(a, ""), list(a, "")),
        (list(&format!("{a} , {{}}, 7, {{\"name\":\"a\",\"name\":\"b\"}}"), ""), list(a, "")),
        (list(a, r#","cacheScope":"public""#), list(a, r#","cacheScope":"private""#)),
        (
            r#"{"cacheScope":"public","tools":[{"name":"c"}]}"#.to_owned(),
            r#"{"cacheScope":"private","tools":[]}"#.to_owned(),
        ),
        ("{}".to_owned(), "{}".to_owned()),
        (r#"{"tools":{}}"#.to_owned(), r#"{"tools":{}}"#.to_owned()),
    ];
    for (result, expected) in cases {
        let answer = message(&format!(r#"{{"jsonrpc":"2.0","id":"x","result":{result}}}"#));
        let got = shown(&some, answer);
        assert_eq!(got.result(), Some(expected.as_str()), "{result}");
        // Its spans say what a parser finds.
        assert_eq!(Message::parse(got.body().clone()).unwrap().result(), got.result());
        assert_eq!(got.id(), r#""x""#);
    }
    let refusal = message(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"tools"}}"#);
    assert_eq!(shown(&some, refusal.clone()).body(), refusal.body());
}

#[test]
fn a_batch_passes_whole_or_not_at_all() {
    let some = limit(Some(&["a"]), false);
    let check = |text: &str| check_batch(&some, &Bytes::copy_from_slice(text.as_bytes()));
    let call = |id: u32, tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    assert!(check(&format!("[{},{}]", call(1, "a"), call(2, "a"))).is_ok());
    let (id, denied) = check(&format!("[{},{},7]", call(1, "a"), call(2, "b"))).unwrap_err();
    assert_eq!(id, "2");
    assert!(denied.to_string().contains("\"b\"") && denied.to_string().contains("the tools a"), "{denied}");
    assert!(check("[").is_ok(), "refused elsewhere");
}
