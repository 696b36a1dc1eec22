//! `--contract`: one process for many instances, as a shared service is. Streamable HTTP of either era on
//! `127.0.0.1:$PORT`, below `/{instance}`, for who knows `$BERTH_GATEWAY_SECRET`.
//!
//! It keeps nothing between two requests. Its tools say whose request they see.

use std::{sync::Arc, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    rt::time::sleep,
    web::{self, Bytes, Data, Path},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::stream;
use serde_json::{Value, json};

use crate::options::Options;

const STATELESS: &str = "2026-07-28";

/// What every request needs of the process.
struct Shared {
    secret: String,
    options: Options,
}

/// Whose request it is.
struct Whose {
    instance: String,
    credential: Option<String>,
    config: Value,
}

/// Serves until killed.
pub(crate) fn serve(options: Options) {
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).expect("PORT holds a port number");
    let secret = std::env::var("BERTH_GATEWAY_SECRET").unwrap_or_default();
    let shared = Data::from(Arc::new(Shared { secret, options }));
    let run = async move {
        HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&shared))
                .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                .route("/health", web::get().to(async || r#"{"status":"ok"}"#))
                .route("/{instance}/mcp", web::post().to(post))
                .route("/{instance}/mcp", web::route().to(async || HttpResponse::MethodNotAllowed()))
                .route("/{instance}/api/{tail:.*}", web::route().to(api))
        })
        .workers(2)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", port))?
        .run()
        .await
    };
    if let Err(error) = actix_web::rt::System::new().block_on(run) {
        eprintln!("fake-mcp: cannot listen on port {port}: {error}");
        std::process::exit(1);
    }
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Whose request it is, for the gateway alone.
fn whose(request: &HttpRequest, path: &str, shared: &Shared) -> Result<Whose, (StatusCode, &'static str)> {
    if shared.options.open {
        return Ok(Whose { instance: path.to_owned(), credential: None, config: Value::Null });
    }
    if shared.secret.is_empty() || header(request, "x-berth-gateway") != Some(shared.secret.as_str()) {
        return Err((StatusCode::FORBIDDEN, "forbidden"));
    }
    if header(request, "x-berth-instance") != Some(path) {
        return Err((StatusCode::BAD_REQUEST, "the instance is not that of the path"));
    }
    let decoded = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(header(request, name)?).expect("base64url without padding");
        Some(String::from_utf8(bytes).expect("UTF-8"))
    };
    let config = decoded("x-berth-config").map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"));
    Ok(Whose { instance: path.to_owned(), credential: decoded("x-berth-credential"), config })
}

fn refused((status, words): (StatusCode, &str)) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": words }))
}

async fn api(request: HttpRequest, path: Path<(String, String)>, shared: Data<Shared>) -> HttpResponse {
    match whose(&request, &path.0, &shared) {
        Err(refusal) => refused(refusal),
        Ok(whose) => HttpResponse::Ok().json(json!({
            "instance": whose.instance, "credential": whose.credential, "tail": path.1,
            "authorization": header(&request, "authorization"),
        })),
    }
}

async fn post(request: HttpRequest, path: Path<String>, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let whose = match whose(&request, &path, &shared) {
        Err(refusal) => return refused(refusal),
        Ok(whose) => whose,
    };
    let Ok(message) = serde_json::from_slice::<Value>(&body) else { return HttpResponse::BadRequest().finish() };
    let (id, method) = (message["id"].clone(), message["method"].as_str().unwrap_or_default());
    if id.is_null() {
        return HttpResponse::Accepted().finish();
    }
    let arguments = message["params"]["arguments"].clone();
    let envelope = move |result: Result<Value, Value>| {
        let answer = match result {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
        };
        answer.to_string()
    };
    if method != "tools/call" {
        let is_new = header(&request, "mcp-protocol-version") == Some(STATELESS) && !shared.options.no_discover;
        return plain(envelope(listed(method, &message, is_new)));
    }
    let name = message["params"]["name"].as_str().unwrap_or_default().to_owned();
    let wait = Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0));
    if arguments["stream"] == true {
        // The head comes at once, and the answer when it is there.
        let answer = async move {
            rest(wait).await;
            Ok::<_, actix_web::Error>(Bytes::from(format!("data: {}\n\n", envelope(called(&name, &whose, &arguments)))))
        };
        return HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(stream::once(answer)));
    }
    if name == "hang" {
        std::future::pending::<()>().await;
    }
    rest(wait).await;
    plain(envelope(called(&name, &whose, &arguments)))
}

/// A timer would take a millisecond at least.
async fn rest(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

fn plain(answer: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(answer)
}

fn listed(method: &str, message: &Value, is_new: bool) -> Result<Value, Value> {
    let capabilities = json!({ "tools": {} });
    let info = json!({ "name": "fake-shared", "version": "1.0.0" });
    let tool = |name: &str, annotations: Value| json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": annotations });
    match method {
        "server/discover" if is_new => Ok(json!({
            "resultType": "complete", "supportedVersions": [STATELESS], "capabilities": capabilities, "serverInfo": info,
        })),
        "initialize" => Ok(json!({
            "protocolVersion": message["params"]["protocolVersion"], "capabilities": capabilities, "serverInfo": info,
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "resultType": "complete", "tools": [
            tool("whoami", json!({ "readOnlyHint": true })),
            tool("act", json!({})),
            tool("echo", json!({ "idempotentHint": true })),
            tool("hang", json!({})),
            tool("crash", json!({})),
        ] })),
        _ => Err(json!({ "code": -32601, "message": "no such method" })),
    }
}

/// What `whoami` and `act` say: whose request it was, and the arguments.
fn called(name: &str, whose: &Whose, arguments: &Value) -> Result<Value, Value> {
    let text = match name {
        "crash" => {
            eprintln!("crashing as told");
            std::process::exit(70);
        }
        "echo" => arguments["text"].clone(),
        "whoami" | "act" => json!({
            "instance": whose.instance, "credential": whose.credential, "config": whose.config,
            "text": arguments["text"], "pid": std::process::id(),
        }),
        _ => return Err(json!({ "code": -32602, "message": "no such tool" })),
    };
    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    let content = json!([{ "type": "text", "text": text }]);
    Ok(json!({ "resultType": "complete", "content": content }))
}
