//! rmcp, the official Rust client, signs in; see story.mjs, whose variables it reads too.

use std::{env, fs::OpenOptions, io::Write, time::Duration};

use anyhow::{Context, Result, ensure};
use rmcp::{
    ServiceExt,
    model::CallToolRequestParams,
    transport::{
        AuthClient, AuthorizationManager, StreamableHttpClientTransport,
        auth::{AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};

const LABEL: &str = "rmcp";

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

/// Opens `url` in the browser, and consents; the URL that it was sent back to.
async fn open(url: &str) -> Result<String> {
    let browser = variable("BERTH_BROWSER")?;
    let body = json!({ "url": url }).to_string();
    let url = format!("{browser}/open");
    let mut answer = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.post(url).send(body)
    })
    .await??;
    let text = answer.body_mut().read_to_string()?;
    let answer: Value = serde_json::from_str(&text)?;
    let query = answer["query"].as_str().with_context(|| format!("the browser: {}", answer["error"]))?;
    Ok(format!("{browser}/callback?{query}"))
}

fn rest(method: &str, path: &str) -> Result<String> {
    let (base, token) = (variable("BERTH_URL")?, variable("BERTH_TOKEN")?);
    let request = ureq::http::Request::builder().method(method).uri(format!("{base}/api/v1{path}"));
    let mut answer = ureq::run(request.header("authorization", format!("Bearer {token}")).body(())?)?;
    Ok(answer.body_mut().read_to_string()?)
}

fn take_back(client: &str) -> Result<()> {
    let grants: Value = serde_json::from_str(&rest("GET", "/grants")?)?;
    let own = grants["items"].as_array().into_iter().flatten().filter(|grant| grant["client_id"] == client);
    let ids: Vec<&str> = own.filter_map(|grant| grant["id"].as_str()).collect();
    ensure!(!ids.is_empty(), "there is no grant of {client} in {grants}");
    ids.iter().try_for_each(|id| rest("DELETE", &format!("/grants/{id}")).map(drop))
}

/// From nothing to a client that the person has let in.
async fn sign_in(by: &str) -> Result<AuthorizationManager> {
    let redirect = format!("{}/callback", variable("BERTH_BROWSER")?);
    let mut request = AuthorizationRequest::new(redirect).with_client_name(format!("{LABEL}-{by}"));
    if by == "document" {
        request = request.with_client_metadata_url(format!("{}/{LABEL}-{by}.json", variable("BERTH_DOCUMENTS")?));
    }
    let mut state = OAuthState::new(variable("BERTH_TARGET")?, None).await?;
    state.start_authorization(request).await?;
    let landed = open(&state.get_authorization_url().await?).await?;
    state.handle_callback_url(&landed).await?;
    state.into_authorization_manager().context("it is not authorized")
}

async fn story(by: &str) -> Result<()> {
    let manager = sign_in(by).await?;
    let (client_id, tokens) = manager.get_credentials().await?;
    ensure!(tokens.is_some(), "there are no tokens");
    let config = StreamableHttpClientTransportConfig::with_uri(variable("BERTH_TARGET")?);
    let http = AuthClient::new(reqwest::Client::default(), manager);
    let client = ().serve(StreamableHttpClientTransport::with_client(http.clone(), config)).await?;
    let call = || async {
        let result = client.call_tool(CallToolRequestParams::new("test_simple_text")).await?;
        let text = json!(result.content)[0]["text"].as_str().unwrap_or_default().to_owned();
        ensure!(text.contains("simple"), "the tool answers {text:?}");
        Ok(())
    };
    say(&format!("{by}: from 401 to a tool call"), call().await)?;
    let before = http.get_access_token().await?;
    tokio::time::sleep(Duration::from_secs(7)).await;
    say(&format!("{by}: past the end of the access token"), call().await)?;
    ensure!(http.get_access_token().await? != before, "the access token is a new one");
    take_back(&client_id)?;
    let answered = call().await;
    let outcome = if answered.is_err() { Ok(()) } else { Err(anyhow::anyhow!("it is still answered")) };
    say(&format!("{by}: until it is taken back"), outcome)
}

fn say(check: &str, outcome: Result<()>) -> Result<()> {
    let problem = outcome.err().map(|error| format!("{error:#}"));
    let line = json!({ "client": LABEL, "check": check, "problem": problem });
    let mut results = OpenOptions::new().append(true).create(true).open(variable("BERTH_RESULTS")?)?;
    writeln!(results, "{line}")?;
    let word = if problem.is_some() { "FAILED" } else { "passed" };
    writeln!(std::io::stdout(), "{word}  {LABEL}  {check}  {}", problem.unwrap_or_default())?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    for by in ["registration", "document"] {
        if let Err(error) = story(by).await {
            say(&format!("{by}: the whole story"), Err(error))?;
        }
    }
    Ok(())
}
