//! `berth user`.

pub(super) mod quota;
mod removal;
mod sign_in;

use std::io::Read;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    context::{Context, by_operator},
    output,
    remote::Remote,
};
use crate::{
    auth::passwords,
    db::{
        Db, DbError, audit, logins, removals,
        users::{self, NewUser, Role},
    },
    domain::{ids::UserId, names::Email, secret::Secret, time::Timestamp},
};

#[derive(Subcommand)]
pub(super) enum User {
    /// Add an account. Without a password its owner can use tokens, but not sign in
    Add {
        /// What its owner signs in with
        email: Email,
        /// An administrator
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// All accounts
    List,
    /// Shut an account out: its sign-ins end, its tokens are refused
    Disable {
        /// Whose
        email: Email,
    },
    /// Let a disabled account in again
    Enable {
        /// Whose
        email: Email,
    },
    /// Print a link that signs in to an account, once, within 15 minutes
    Link {
        /// Whose
        email: Email,
    },
    /// Take the second factor of an account away: its owner has lost it
    ResetTotp {
        /// Whose
        email: Email,
    },
    /// What an account may use apart from everybody; changes what is named
    Quota {
        /// Whose
        email: Email,
        #[command(flatten)]
        figures: quota::Figures,
    },
    /// Remove an account. It can be restored for a time; then its instances, their files and logs, its tokens
    /// and credentials are erased
    Remove {
        /// Whose
        email: Email,
        /// Erase all of it at once
        #[arg(long)]
        now: bool,
    },
    /// Bring a removed account back as it was
    Restore {
        /// Whose
        email: Email,
    },
}

pub(super) fn run(context: &Context, command: &User) -> Result<()> {
    let db = context.database()?;
    match command {
        User::Add { email, admin, password_stdin } => add(context, &db, email, *admin, *password_stdin),
        User::List => list(context, &db),
        User::Disable { email } => set_disabled(context, &db, email, true),
        User::Enable { email } => set_disabled(context, &db, email, false),
        User::Quota { email, figures } => quota::run(context, &db, email, figures),
        User::Link { email } => sign_in::link(context, &db, email),
        User::ResetTotp { email } => sign_in::reset_totp(context, &db, email),
        User::Remove { email, now } => removal::remove(context, &db, email, *now),
        User::Restore { email } => removal::restore(context, &db, email),
    }
}

fn add(context: &Context, db: &Db, email: &Email, admin: bool, password_stdin: bool) -> Result<()> {
    let password_hash = if password_stdin { Some(hash(&read_secret("password")?)?) } else { None };
    let role = if admin { Role::Admin } else { Role::User };
    let new = NewUser {
        id: UserId::generate(),
        email: email.clone(),
        password_hash,
        role,
        instance_quota: None,
        created_at: Timestamp::now(),
    };
    let added = db.write_blocking(|conn| {
        let user = users::insert(conn, &new)?;
        let detail = json!({ "email": user.email, "role": role.as_str() });
        audit::append(conn, &by_operator("user.create", format!("user:{}", user.id), detail))?;
        Ok(user)
    });
    let user = added.map_err(|error| match error {
        DbError::UniqueViolation { .. } => anyhow::anyhow!(
            "there is a user {email} already; if it is a removed one, `berth user restore {email}` brings it back"
        ),
        other => other.into(),
    })?;
    context.output.show(&view(&user), || format!("added {role} {email} (number {})", user.number))
}

fn hash(password: &Secret) -> Result<String> {
    passwords::check(password)?;
    Ok(passwords::hash(password)?)
}

/// Standard input as a secret; the newline that `echo` and Enter add is not part of it.
pub(super) fn read_secret(what: &str) -> Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the {what} from standard input"))?;
    let trimmed = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if trimmed.is_empty() {
        bail!("no {what} came on standard input");
    }
    Ok(Secret::new(trimmed.to_owned()))
}

fn view(user: &users::User) -> Value {
    json!({
        "id": user.id,
        "number": user.number,
        "email": user.email,
        "role": user.role,
        "disabled": user.disabled_at.is_some(),
        "instance_quota": user.instance_quota,
        "created_at": user.created_at,
    })
}

fn list(context: &Context, db: &Db) -> Result<()> {
    let (users, removals) = db.read_blocking(|conn| Ok((users::list(conn)?, removals::list(conn)?)))?;
    let items: Vec<Value> = users.iter().map(view).collect();
    context.output.show(&json!({ "items": items, "next": null }), || {
        let row = |user: &users::User| {
            let is_removed = removals.iter().any(|removal| removal.user_id == user.id);
            let state = match user.disabled_at {
                _ if is_removed => "removed",
                Some(_) => "disabled",
                None => "active",
            };
            vec![
                user.number.to_string(),
                user.email.to_string(),
                user.role.to_string(),
                state.to_owned(),
                user.id.to_string(),
            ]
        };
        output::table(&["NUMBER", "EMAIL", "ROLE", "STATE", "ID"], &users.iter().map(row).collect::<Vec<_>>())
    })
}

fn set_disabled(context: &Context, db: &Db, email: &Email, disabled: bool) -> Result<()> {
    let user = context.user(db, email)?;
    let word = if disabled { "disabled" } else { "enabled" };
    match Remote::find(context)? {
        // It remembers tokens, so it must hear of this.
        Some(remote) => {
            remote.patch(&format!("/api/v1/users/{}", user.id), &json!({ "disabled": disabled }))?;
        }
        None => {
            if disabled {
                keep_an_admin(db, &user)?;
            } else if db.read_blocking(|conn| removals::find(conn, user.id))?.is_some() {
                bail!("{email} is removed; bring it back with `berth user restore {email}`");
            }
            db.write_blocking(|conn| {
                users::set_disabled(conn, user.id, disabled.then(Timestamp::now))?;
                if disabled {
                    logins::delete_for_user(conn, user.id, None)?;
                }
                let entry = by_operator("user.change", format!("user:{}", user.id), json!({ "disabled": disabled }));
                audit::append(conn, &entry).map(drop)
            })?;
        }
    }
    context.output.show(&json!({ "email": email, "disabled": disabled }), || format!("{word} {email}"))
}

fn keep_an_admin(db: &Db, user: &users::User) -> Result<()> {
    let is_active_admin = |user: &users::User| user.role == Role::Admin && user.disabled_at.is_none();
    let users = db.read_blocking(users::list)?;
    if is_active_admin(user) && !users.iter().any(|other| other.id != user.id && is_active_admin(other)) {
        bail!("{} is the last administrator; make another one first", user.email);
    }
    Ok(())
}
