//! rmcp, the official Rust client, against every server in every era: one line of JSON per check.
//!
//! Reads and writes what `../ts/checks.mjs` does: `BERTH_MATRIX` (servers with a `url` alone), `BERTH_ERAS`,
//! `BERTH_TOKEN` and `BERTH_RESULTS`. A server is served from one task; what it is asked, from another.

// Sampling and roots are deprecated in the newer era and served nevertheless.
#![expect(deprecated)]

use std::{
    collections::BTreeMap,
    env,
    fs::OpenOptions,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use futures_util::future::join_all;
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
        ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, GetPromptRequestParams,
        Implementation, ListRootsResult, ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, Root,
        RootsCapabilities, SamplingCapability, SamplingMessage, SubscriptionFilter,
    },
    service::{NotificationContext, RequestContext, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(15);
const CHECKS: [&str; 14] = [
    "connect",
    "tools",
    "echo",
    "add",
    "progress",
    "elicit_accept",
    "elicit_decline",
    "sampling",
    "roots",
    "resource",
    "prompt",
    "tool_error",
    "list_changed",
    "apart",
];
const TOOLS: [&str; 8] = ["add", "ask_model", "ask_user", "change_tools", "echo", "fail", "list_roots", "progress"];

#[derive(Clone, Deserialize)]
struct Target {
    url: Option<String>,
    stateless: bool,
}

/// The client's side of one connection. Its name is in its answers: one that went to another is seen.
struct Side {
    name: String,
    progress: Mutex<Vec<(f64, Option<f64>)>>,
    changed: Notify,
}

impl ClientHandler for Side {
    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let asked = json!(params.messages);
        let content = &asked[0]["content"];
        let text = content["text"].as_str().or(content[0]["text"].as_str()).unwrap_or_default();
        let message = SamplingMessage::assistant_text(text.to_uppercase());
        Ok(CreateMessageResult::new(message, format!("model of {}", self.name)))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///srv/first"), Root::new("file:///srv/second")]))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = params else {
            return Err(ErrorData::invalid_params("not a form", None));
        };
        if message.starts_with("decline") {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        let content = json!({ "answer": format!("{} says yes to {message}", self.name) });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).push((params.progress, params.total));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }

    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::default());
        capabilities.sampling = Some(SamplingCapability::default());
        capabilities.roots = Some(RootsCapabilities::default());
        ClientConfig::new(capabilities, Implementation::new("berth-client-test", "3.0.0"))
    }
}

struct Connection {
    client: RunningService<RoleClient, Arc<Side>>,
    side: Arc<Side>,
}

struct Cell {
    connection: Connection,
    target: Target,
    era: String,
}

fn lifecycle(era: &str) -> ClientLifecycleMode {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    match era {
        "session" => ClientLifecycleMode::Initialize,
        "stateless" => ClientLifecycleMode::Discover { preferred_versions },
        _ => ClientLifecycleMode::Auto { preferred_versions, legacy_version: None },
    }
}

async fn connect(target: &Target, era: &str, name: String) -> Result<Connection> {
    let url = target.url.clone().context("reached over HTTP alone")?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    if let Ok(token) = env::var("BERTH_TOKEN") {
        config = config.auth_header(token);
    }
    let side = Arc::new(Side { name, progress: Mutex::default(), changed: Notify::new() });
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = Arc::clone(&side).serve_with_lifecycle(transport, lifecycle(era)).await?;
    Ok(Connection { client, side })
}

impl Connection {
    fn is_newer(&self) -> Result<bool> {
        let info = self.client.peer_info().context("nothing was agreed on")?;
        Ok(info.protocol_version >= ProtocolVersion::V_2026_07_28)
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value> {
        let mut params = CallToolRequestParams::new(tool);
        params.arguments = arguments.as_object().cloned();
        Ok(json!(self.client.call_tool(params).await?))
    }

    async fn ask_user(&self, question: &str) -> Result<Value> {
        let text = text_of(&self.call("ask_user", json!({ "question": question })).await?);
        serde_json::from_str(&text).with_context(|| text.clone())
    }

    async fn tools(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> =
            self.client.list_all_tools().await?.into_iter().map(|tool| tool.name.into_owned()).collect();
        names.sort();
        Ok(names)
    }
}

fn text_of(result: &Value) -> String {
    let parts = result["content"].as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

fn equal<T: PartialEq + std::fmt::Debug>(actual: &T, wanted: &T) -> Result<()> {
    ensure!(actual == wanted, "{actual:?} is not {wanted:?}");
    Ok(())
}

async fn perform(check: &str, cell: &Cell) -> Result<()> {
    let (connection, name) = (&cell.connection, &cell.connection.side.name);
    let said = |text: String, wanted: &str| equal(&text.as_str(), &wanted);
    match check {
        "connect" => {
            let newer = cell.era == "stateless" || (cell.era == "auto" && cell.target.stateless);
            equal(&connection.is_newer()?, &newer)
        }
        "tools" => {
            let names: Vec<_> = connection.tools().await?.into_iter().filter(|name| name != "extra").collect();
            equal(&names, &TOOLS.map(str::to_owned).to_vec())
        }
        "echo" => said(text_of(&connection.call("echo", json!({ "text": "ünïcode" })).await?), "ünïcode"),
        "add" => {
            let result = connection.call("add", json!({ "a": 19, "b": 23 })).await?;
            equal(&result["structuredContent"], &json!({ "sum": 42 }))?;
            said(text_of(&result), "42")
        }
        "progress" => progress(connection).await,
        "elicit_accept" => {
            let wanted = json!({ "action": "accept", "answer": format!("{name} says yes to tea?") });
            equal(&connection.ask_user("tea?").await?, &wanted)
        }
        "elicit_decline" => {
            equal(&connection.ask_user("decline this").await?, &json!({ "action": "decline", "answer": null }))
        }
        "sampling" => {
            let result = connection.call("ask_model", json!({ "prompt": "shout" })).await?;
            said(text_of(&result), &format!("model of {name}: SHOUT"))
        }
        "roots" => {
            said(text_of(&connection.call("list_roots", json!({})).await?), "file:///srv/first\nfile:///srv/second")
        }
        "resource" => resource(connection).await,
        "prompt" => prompt(connection).await,
        "tool_error" => {
            let result = connection.call("fail", json!({})).await?;
            equal(&result["isError"], &json!(true))?;
            said(text_of(&result), "this tool always fails")
        }
        "list_changed" => list_changed(connection).await,
        "apart" => apart(cell).await,
        unknown => Err(anyhow!("no such check: {unknown}")),
    }
}

async fn progress(connection: &Connection) -> Result<()> {
    let text = text_of(&connection.call("progress", json!({ "steps": 4 })).await?);
    equal(&text.as_str(), &"4 steps done")?;
    // Each notification is handled in a task of its own: the last may come after the result.
    let seen = || connection.side.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    while seen().len() < 4 {
        sleep(Duration::from_millis(10)).await;
    }
    let mut steps = seen();
    steps.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    equal(&steps, &[1.0, 2.0, 3.0, 4.0].map(|step| (step, Some(4.0))).to_vec())
}

async fn resource(connection: &Connection) -> Result<()> {
    let listed = json!(connection.client.list_all_resources().await?);
    equal(&listed[0]["uri"], &json!("test://greeting"))?;
    let read = connection.client.read_resource(ReadResourceRequestParams::new("test://greeting")).await?;
    equal(&json!(read)["contents"][0]["text"], &json!("Good morning."))
}

async fn prompt(connection: &Connection) -> Result<()> {
    let listed = json!(connection.client.list_all_prompts().await?);
    equal(&listed[0]["name"], &json!("summarize"))?;
    let mut params = GetPromptRequestParams::new("summarize");
    params.arguments = json!({ "subject": "tides" }).as_object().cloned();
    let got = json!(connection.client.get_prompt(params).await?);
    equal(&got["messages"][0]["content"]["text"], &json!("Summarize tides."))
}

/// In a session, rmcp opens its GET stream when it likes and does not tell: what changes earlier is not told either,
/// so a change is made until one is told.
async fn list_changed(connection: &Connection) -> Result<()> {
    if connection.is_newer()? {
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        let mut subscription = connection.client.listen(filter).await?;
        for _ in ["offered", "withdrawn"] {
            let before = connection.tools().await?;
            connection.call("change_tools", json!({})).await?;
            subscription.next().await?.context("the subscription ended")?;
            flipped(&before, &connection.tools().await?)?;
        }
        return Ok(subscription.cancel().await?);
    }
    loop {
        let before = connection.tools().await?;
        connection.call("change_tools", json!({})).await?;
        flipped(&before, &connection.tools().await?)?;
        if timeout(Duration::from_millis(500), connection.side.changed.notified()).await.is_ok() {
            return Ok(());
        }
    }
}

fn flipped(before: &[String], after: &[String]) -> Result<()> {
    let has = |names: &[String]| names.iter().any(|name| name == "extra");
    equal(&has(after), &!has(before))
}

/// Two connections that are asked at the same time answer each for itself.
async fn apart(cell: &Cell) -> Result<()> {
    let name = &cell.connection.side.name;
    let other = connect(&cell.target, &cell.era, format!("{name}-second")).await?;
    let (one, two) = tokio::join!(cell.connection.ask_user("one?"), other.ask_user("two?"));
    other.client.cancel().await?;
    equal(&one?["answer"], &json!(format!("{name} says yes to one?")))?;
    equal(&two?["answer"], &json!(format!("{name}-second says yes to two?")))
}

fn report(server: &str, era: &str, check: &str, outcome: &Result<()>) -> Result<()> {
    let mut line = json!({ "client": "rmcp-3", "server": server, "era": era, "check": check, "status": "pass" });
    if let Err(error) = outcome {
        line["status"] = json!("fail");
        line["detail"] = json!(format!("{error:#}"));
    }
    let mut results = OpenOptions::new().append(true).open(env::var("BERTH_RESULTS")?)?;
    Ok(results.write_all(format!("{line}\n").as_bytes())?)
}

async fn patiently<T>(steps: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, steps).await.unwrap_or_else(|_| Err(anyhow!("no answer in {} s", PATIENCE.as_secs())))
}

async fn run_cell(server: &str, target: &Target, era: &str) -> Result<()> {
    let connection = match patiently(connect(target, era, format!("rmcp-{era}-{server}"))).await {
        Ok(connection) => connection,
        Err(error) => return report(server, era, "connect", &Err(error)),
    };
    let cell = Cell { connection, target: target.clone(), era: era.to_owned() };
    for check in CHECKS {
        report(server, era, check, &patiently(Box::pin(perform(check, &cell))).await)?;
    }
    let ended = patiently(async { Ok(cell.connection.client.cancel().await.map(drop)?) }).await;
    report(server, era, "end", &ended)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let targets: BTreeMap<String, Target> = serde_json::from_str(&env::var("BERTH_MATRIX")?)?;
    for era in env::var("BERTH_ERAS")?.split_whitespace() {
        let reachable = targets.iter().filter(|(_, target)| target.url.is_some());
        let spoken = reachable.filter(|(_, target)| era != "stateless" || target.stateless);
        for outcome in join_all(spoken.map(|(server, target)| run_cell(server, target, era))).await {
            outcome?;
        }
    }
    Ok(())
}
