//! `subscriptions/listen`: who hears of what.

use std::cell::RefCell;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    caller::Outgoing,
    resources::WATCHED,
    tools::Change,
    wire::{Failure, Members, notification},
};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

struct Listener {
    id: Value,
    filter: Value,
    out: UnboundedSender<Outgoing>,
}

/// Everybody who listens.
#[derive(Default)]
pub(crate) struct Listeners(RefCell<Vec<Listener>>);

impl Listeners {
    /// Acknowledges what will be told, and tells it from now on.
    pub(crate) fn enter(&self, id: &Value, params: &Members, out: &UnboundedSender<Outgoing>) -> Result<(), Failure> {
        let asked = params.get("notifications").and_then(Value::as_object);
        let asked = asked.ok_or_else(|| Failure::invalid("notifications must be an object"))?;
        let told = ["toolsListChanged", "promptsListChanged", "resourceSubscriptions", "taskIds"];
        let filter: Members = told
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), asked.get(*name)?.clone())))
            .filter(|(_, wanted)| *wanted == Value::Bool(true) || wanted.is_array())
            .collect();
        let listener = Listener { id: id.clone(), filter: filter.into(), out: out.clone() };
        listener.tell("notifications/subscriptions/acknowledged", json!({ "notifications": listener.filter }));
        self.0.borrow_mut().push(listener);
        Ok(())
    }

    pub(crate) fn leave(&self, id: &Value) {
        self.0.borrow_mut().retain(|listener| listener.id != *id);
    }

    pub(crate) fn announce(&self, change: Change) {
        self.tell(change.method(), &change.params(), |filter| match change {
            Change::Tools => filter["toolsListChanged"] == true,
            Change::Prompts => filter["promptsListChanged"] == true,
            Change::Watched => names(&filter["resourceSubscriptions"], WATCHED),
        });
    }

    /// Tells how a task is.
    pub(crate) fn task(&self, id: &str, task: &Value) {
        self.tell("notifications/tasks", task, |filter| names(&filter["taskIds"], id));
    }

    fn tell(&self, method: &str, params: &Value, wanted: impl Fn(&Value) -> bool) {
        self.0.borrow_mut().retain(|listener| {
            if wanted(&listener.filter) { listener.tell(method, params.clone()) } else { !listener.out.is_closed() }
        });
    }
}

impl Listener {
    /// Whether it still listens.
    fn tell(&self, method: &str, mut params: Value) -> bool {
        params["_meta"] = json!({ SUBSCRIPTION: self.id });
        self.out.send(Outgoing::Messages(vec![notification(method, &params)])).is_ok()
    }
}

fn names(list: &Value, name: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|entry| entry == name))
}
