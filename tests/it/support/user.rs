//! A user of a Berth, and what they do with their instances.

use serde_json::{Value, json};

use super::{
    http::{Http, Reply},
    mcp::McpClient,
    stateless::StatelessClient,
    wait_for,
};

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) http: Http,
}

/// An instance as it was when it was last looked at.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) view: Value,
}

impl Instance {
    fn of(view: Value) -> Self {
        let text = |key: &str| view[key].as_str().unwrap_or_else(|| panic!("no {key} in {view}")).to_owned();
        Self { id: text("id"), url: text("url"), view }
    }

    /// The URL of something beside the MCP endpoint.
    pub(crate) fn beside(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches("/mcp"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.view["pid"]
            .as_u64()
            .and_then(|pid| pid.try_into().ok())
            .unwrap_or_else(|| panic!("no pid in {}", self.view))
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self.view["port"].as_u64().and_then(|port| port.try_into().ok());
        port.unwrap_or_else(|| panic!("no port in {}", self.view))
    }
}

impl User {
    pub(super) fn new(base: &str, email: String, token: &str) -> Self {
        Self { email, http: Http::new(base, Some(token)) }
    }

    /// Waits until this person has been told something of that kind.
    #[track_caller]
    pub(crate) fn is_told(&self, kind: &str) {
        wait_for(&format!("a notice of {kind}"), || {
            let told = self.http.get("/api/v1/notifications").expect(200).json();
            told["items"].as_array().unwrap().iter().any(|notice| notice["kind"] == kind).then_some(())
        });
    }

    /// The same person with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self::new(self.base(), self.email.clone(), token)
    }

    /// Where its Berth is, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        self.http.base()
    }

    /// The same user on connections of their own.
    pub(crate) fn fresh(&self) -> Self {
        Self { email: self.email.clone(), http: self.http.fresh() }
    }

    /// Asks for an instance.
    #[track_caller]
    pub(crate) fn order(&self, service: &str) -> Instance {
        self.order_with(&json!({ "service": service }))
    }

    #[track_caller]
    pub(crate) fn order_with(&self, body: &Value) -> Instance {
        Instance::of(self.http.post("/api/v1/mcps", body).expect(201).json())
    }

    /// Asks for an instance and waits until it runs.
    #[track_caller]
    pub(crate) fn create(&self, service: &str) -> Instance {
        self.wait(&self.order(service).id, "running")
    }

    #[track_caller]
    pub(crate) fn show(&self, id: &str) -> Instance {
        Instance::of(self.http.get(&format!("/api/v1/mcps/{id}")).expect(200).json())
    }

    /// Waits until the instance is in `state`.
    #[track_caller]
    pub(crate) fn wait(&self, id: &str, state: &str) -> Instance {
        let mut last = Value::Null;
        wait_for(state, || {
            let instance = self.show(id);
            last.clone_from(&instance.view);
            let gave_up = state != "failed" && last["status"] == "failed";
            assert!(!gave_up, "waited for {state}, but {last}");
            (last["status"] == state).then_some(instance)
        })
    }

    /// Waits until the instance runs in another process than `before`.
    #[track_caller]
    pub(crate) fn wait_for_successor(&self, before: &Instance) -> Instance {
        wait_for("another process", || {
            let now = self.show(&before.id);
            let is_new = now.view["pid"].is_u64() && now.view["pid"] != before.view["pid"];
            (is_new && now.view["status"] == "running").then_some(now)
        })
    }

    #[track_caller]
    pub(crate) fn act(&self, id: &str, action: &str) -> Reply {
        self.http.post(&format!("/api/v1/mcps/{id}/{action}"), &json!({})).expect(200)
    }

    #[track_caller]
    pub(crate) fn delete(&self, id: &str) {
        self.http.delete(&format!("/api/v1/mcps/{id}")).expect(204);
    }

    #[track_caller]
    pub(crate) fn list(&self) -> Vec<Instance> {
        let list = self.http.get("/api/v1/mcps").expect(200).json();
        list["items"].as_array().unwrap().iter().cloned().map(Instance::of).collect()
    }

    /// Opens an MCP session.
    #[track_caller]
    pub(crate) fn connect(&self, instance: &Instance) -> McpClient {
        McpClient::open(&self.http, &instance.url)
    }

    /// A client of the stateless era.
    pub(crate) fn stateless(&self, instance: &Instance) -> StatelessClient {
        StatelessClient::new(&self.http, &instance.url)
    }
}
