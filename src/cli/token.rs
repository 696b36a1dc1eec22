//! `berth token`.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    context::{Context, by_operator},
    output,
    remote::Remote,
};
use crate::{
    auth::tokens::{self as secrets, TokenHash},
    db::{
        Db, OptionalExtension, audit, instances,
        tokens::{self, NewToken},
        users::User,
    },
    domain::{
        ids::{InstanceId, TokenId},
        names::Email,
        time::Timestamp,
        tools::check_names,
    },
};

#[derive(Subcommand)]
pub(super) enum Token {
    /// Make a token and print it, alone; it cannot be shown again
    Create(Create),
    /// A user's tokens
    List {
        /// Whose
        #[arg(long)]
        user: Email,
    },
    /// Take a token back; the next request with it is refused
    Revoke {
        /// Its id, as `berth token list` shows it
        id: TokenId,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// Whose
    #[arg(long)]
    user: Email,
    /// An instance that it is limited to; may be repeated. All of the user's when there is none
    #[arg(long = "instance", value_name = "ID")]
    instances: Vec<InstanceId>,
    /// A tool that it may call; may be repeated. Every tool when there is none
    #[arg(long = "tool", value_name = "NAME")]
    tools: Vec<String>,
    /// Lists and reads, and calls no tool
    #[arg(long)]
    read_only: bool,
    /// Days until it ends. Never when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires_days: Option<u32>,
    /// What its owner calls it
    #[arg(long, default_value = "")]
    name: String,
}

pub(super) fn run(context: &Context, command: &Token) -> Result<()> {
    let db = context.database()?;
    match command {
        Token::Create(create) => self::create(context, &db, create),
        Token::List { user } => list(context, &db, user),
        Token::Revoke { id } => revoke(context, &db, *id),
    }
}

fn create(context: &Context, db: &Db, create: &Create) -> Result<()> {
    let user = context.user(db, &create.user)?;
    let tools: Option<BTreeSet<String>> = (!create.tools.is_empty()).then(|| create.tools.iter().cloned().collect());
    tools.as_ref().map_or(Ok(()), check_names).map_err(|reason| anyhow!("--tool: {reason}"))?;
    let secret = secrets::mint().context("no randomness for a token")?;
    let now = Timestamp::now();
    let lifetime = |days: u32| Duration::from_secs(86_400 * u64::from(days));
    let new = NewToken {
        id: TokenId::generate(),
        user_id: user.id,
        name: create.name.clone(),
        hash: TokenHash::of(secret.expose()).to_hex(),
        hint: secret.hint(),
        instances: (!create.instances.is_empty()).then(|| create.instances.clone()),
        created_at: now,
        expires_at: create.expires_days.map(|days| now.after(lifetime(days))),
        tools,
        read_only: create.read_only,
    };
    require_own(db, &user, &create.instances)?;
    db.write_blocking(|conn| {
        let token = tokens::insert(conn, &new)?;
        let detail = json!({
            "owner": user.id, "instances": token.instances, "tools": token.tools, "read_only": token.read_only,
            "expires_at": token.expires_at,
        });
        audit::append(conn, &by_operator("token.create", format!("token:{}", token.id), detail)).map(drop)
    })?;
    let answer = json!({
        "id": new.id, "token": secret.expose(), "expires_at": new.expires_at, "instances": new.instances,
        "tools": new.tools, "read_only": new.read_only,
    });
    context.output.show(&answer, || secret.expose().to_owned())
}

fn require_own(db: &Db, user: &User, wanted: &[InstanceId]) -> Result<()> {
    let own = db.read_blocking(|conn| instances::list_for_user(conn, user.id))?;
    match wanted.iter().find(|id| !own.iter().any(|instance| instance.id == **id)) {
        Some(id) => bail!("{} has no instance {id}", user.email),
        None => Ok(()),
    }
}

fn list(context: &Context, db: &Db, email: &Email) -> Result<()> {
    let user = context.user(db, email)?;
    let tokens = db.read_blocking(|conn| tokens::list_for_user(conn, user.id))?;
    let items: Vec<Value> = tokens.iter().map(view).collect();
    context.output.show(&json!({ "items": items, "next": null }), || {
        let or_dash = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let row = |token: &tokens::Token| {
            let reach =
                token.instances.as_ref().map_or_else(|| "all".to_owned(), |ids| format!("{} instances", ids.len()));
            let hint = format!("…{}", token.hint);
            vec![
                token.id.to_string(),
                token.name.clone(),
                hint,
                reach,
                calls(token),
                state(token),
                or_dash(token.expires_at),
                or_dash(token.last_used_at),
                token.last_refusal.as_ref().map_or_else(|| "-".to_owned(), |refusal| refusal.reason.clone()),
            ]
        };
        let rows: Vec<_> = tokens.iter().map(row).collect();
        output::table(
            &["ID", "NAME", "TOKEN", "REACHES", "CALLS", "STATE", "EXPIRES", "LAST USED", "LAST REFUSAL"],
            &rows,
        )
    })
}

fn calls(token: &tokens::Token) -> String {
    match &token.tools {
        _ if token.read_only => "nothing".to_owned(),
        Some(tools) => tools.iter().cloned().collect::<Vec<_>>().join(","),
        None => "all".to_owned(),
    }
}

fn state(token: &tokens::Token) -> String {
    let is_over = token.expires_at.is_some_and(|at| at <= Timestamp::now());
    let state = if token.revoked_at.is_some() {
        "revoked"
    } else if is_over {
        "expired"
    } else {
        "valid"
    };
    state.to_owned()
}

fn view(token: &tokens::Token) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "hint": token.hint,
        "instances": token.instances,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
        "tools": token.tools,
        "read_only": token.read_only,
        "last_refusal": token.last_refusal.as_ref().map(|last| json!({ "at": last.at, "reason": last.reason })),
    })
}

fn revoke(context: &Context, db: &Db, id: TokenId) -> Result<()> {
    match Remote::find(context)? {
        // It remembers tokens, so it must hear of this.
        Some(remote) => remote.delete(&format!("/api/v1/tokens/{id}"))?,
        None => db
            .write_blocking(|conn| {
                tokens::revoke(conn, id, Timestamp::now())?;
                audit::append(conn, &by_operator("token.revoke", format!("token:{id}"), json!({}))).map(drop)
            })
            .optional()?
            .with_context(|| format!("there is no token {id}; `berth token list --user EMAIL` shows a user's"))?,
    }
    context.output.show(&json!({ "id": id, "revoked": true }), || format!("revoked {id}"))
}
