//! The extension `io.modelcontextprotocol/tasks`: calls that go on after their answer.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde_json::{Value, json};
use tokio::{sync::Notify, task::AbortHandle};

use super::Server;
use crate::{
    jobs::{self, Job},
    script::{Ask, Inputs, Script},
    wire::{Answer, Failure, Members, text},
};

pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Milliseconds that a task is kept.
const TTL: u32 = 600_000;
/// Milliseconds between two looks at a task.
const POLL: u32 = 100;

/// How a task is.
enum Status {
    Working,
    InputRequired(Vec<Ask>),
    Ended(Answer),
    Cancelled,
}

struct Task {
    created: String,
    updated: String,
    status: Status,
    inputs: Inputs,
    /// Woken when the last input of a round is there.
    fed: Rc<Notify>,
    work: Option<AbortHandle>,
}

/// All tasks, by id.
#[derive(Default)]
pub(crate) struct Tasks(RefCell<HashMap<String, Task>>);

/// The one that `requiredCapabilities` names.
pub(crate) fn required() -> Value {
    json!({ "extensions": { EXTENSION: {} } })
}

/// Makes a task of a job whose script, if any before the task, has been played.
pub(crate) fn create(server: &Rc<Server>, job: Job, played: Option<Answer>) -> Value {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let now = now();
    let task = Task {
        created: now.clone(),
        updated: now,
        status: Status::Working,
        inputs: Inputs::new(),
        fed: Rc::new(Notify::new()),
        work: None,
    };
    server.tasks.0.borrow_mut().insert(id.clone(), task);
    let (worker, name) = (Rc::clone(server), id.clone());
    let work = actix_web::rt::spawn(async move {
        let answer = match (played, job) {
            (Some(answer), _) => answer,
            (None, Job::Asking(script)) => play(&worker, &name, &script).await,
            (None, job) => jobs::run(&job).await,
        };
        worker.tasks.set(&worker, &name, Status::Ended(answer));
    });
    let mut tasks = server.tasks.0.borrow_mut();
    let task = tasks.get_mut(&id).expect("inserted above");
    task.work = Some(work.abort_handle());
    let mut result = task.summary(&id);
    result["resultType"] = json!("task");
    result
}

/// Asks for the inputs of each round by way of the task.
async fn play(server: &Rc<Server>, id: &str, script: &Script) -> Answer {
    for asks in &script.rounds {
        let Some(fed) = server.tasks.0.borrow().get(id).map(|task| Rc::clone(&task.fed)) else { break };
        server.tasks.set(server, id, Status::InputRequired(asks.clone()));
        fed.notified().await;
        server.tasks.set(server, id, Status::Working);
    }
    let inputs = server.tasks.0.borrow().get(id).map(|task| task.inputs.clone()).unwrap_or_default();
    (script.finish)(&inputs)
}

/// `tasks/get`, `tasks/update`, `tasks/cancel`.
pub(crate) fn call(server: &Rc<Server>, method: &str, params: &Members) -> Answer {
    let id = text(params, "taskId")?;
    let mut tasks = server.tasks.0.borrow_mut();
    let task = tasks.get_mut(id).ok_or_else(|| Failure::invalid(format!("no task {id}")))?;
    match method {
        "tasks/get" => return Ok(task.detail(id)),
        "tasks/update" => {
            let responses = params.get("inputResponses").and_then(Value::as_object);
            task.feed(responses.ok_or_else(|| Failure::invalid("inputResponses must be an object"))?);
        }
        _ => task.cancel(),
    }
    let detail = task.detail(id);
    drop(tasks);
    server.listeners.task(id, &detail);
    Ok(json!({}))
}

impl Tasks {
    fn set(&self, server: &Server, id: &str, status: Status) {
        let mut tasks = self.0.borrow_mut();
        let Some(task) = tasks.get_mut(id) else { return };
        task.status = status;
        task.updated = now();
        let detail = task.detail(id);
        drop(tasks);
        server.listeners.task(id, &detail);
    }
}

impl Task {
    fn feed(&mut self, responses: &Members) {
        let Status::InputRequired(pending) = &mut self.status else { return };
        for (key, response) in responses {
            if let Some(at) = pending.iter().position(|ask| ask.key == key && ask.check(response).is_ok()) {
                pending.remove(at);
                self.inputs.insert(key.clone(), response.clone());
            }
        }
        if pending.is_empty() {
            self.fed.notify_one();
        }
    }

    fn cancel(&mut self) {
        if matches!(self.status, Status::Ended(_)) {
            return;
        }
        if let Some(work) = self.work.take() {
            work.abort();
        }
        self.status = Status::Cancelled;
        self.updated = now();
    }

    fn summary(&self, id: &str) -> Value {
        let status = match &self.status {
            Status::Working => "working",
            Status::InputRequired(pending) if pending.is_empty() => "working",
            Status::InputRequired(_) => "input_required",
            Status::Ended(Ok(_)) => "completed",
            Status::Ended(Err(_)) => "failed",
            Status::Cancelled => "cancelled",
        };
        json!({
            "taskId": id,
            "status": status,
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": TTL,
            "pollIntervalMs": POLL,
        })
    }

    fn detail(&self, id: &str) -> Value {
        let mut detail = self.summary(id);
        match &self.status {
            Status::InputRequired(pending) if !pending.is_empty() => {
                let requests: Members = pending.iter().map(|ask| (ask.key.to_owned(), ask.value())).collect();
                detail["inputRequests"] = requests.into();
            }
            Status::Ended(Ok(result)) => detail["result"] = result.clone(),
            Status::Ended(Err(failure)) => detail["error"] = failure.value(),
            _ => {}
        }
        detail
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
