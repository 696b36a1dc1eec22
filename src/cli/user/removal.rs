//! `berth user remove` and `berth user restore`.

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::keep_an_admin;
use crate::{
    actors::Paths,
    cli::{
        context::{Context, by_operator},
        remote::Remote,
    },
    db::{Db, audit, instances, removals, services, users},
    domain::{names::Email, time::Timestamp},
    process::remove_trees,
};

pub(super) fn remove(context: &Context, db: &Db, email: &Email, now: bool) -> Result<()> {
    let user = context.user(db, email)?;
    let undo = context.config.auth.user_undo.filter(|_| !now);
    match (Remote::find(context)?, undo) {
        (Some(remote), _) => remote.delete(&format!("/api/v1/users/{}?now={now}", user.id))?,
        (None, Some(undo)) => {
            keep_an_admin(db, &user)?;
            let at = Timestamp::now();
            db.write_blocking(|conn| {
                let removal = removals::begin(conn, user.id, at, at.after(undo))?;
                let detail = json!({ "email": user.email, "erase_at": removal.erase_at });
                audit::append(conn, &by_operator("user.remove", format!("user:{}", user.id), detail)).map(drop)
            })?;
        }
        (None, None) => remove_here(context, db, &user)?,
    }
    // What became of it is what the database says: another Berth may have another setting.
    let removal = db.read_blocking(|conn| removals::find(conn, user.id))?;
    let erase_at = removal.map(|removal| removal.erase_at);
    let answer = json!({ "email": email, "removed": true, "erase_at": erase_at });
    context.output.show(&answer, || match erase_at {
        None => format!("removed {email} and all that it had"),
        Some(at) => format!("removed {email}; `berth user restore {email}` brings it back until {at}"),
    })
}

pub(super) fn restore(context: &Context, db: &Db, email: &Email) -> Result<()> {
    let user = context.user(db, email)?;
    match Remote::find(context)? {
        Some(remote) => drop(remote.post(&format!("/api/v1/users/{}/restore", user.id), &json!({}))?),
        None => {
            let removal = db.read_blocking(|conn| removals::find(conn, user.id))?;
            if removal.is_none_or(|removal| removal.erase_at <= Timestamp::now()) {
                bail!("{email} is not removed, or its time to be brought back is over");
            }
            db.write_blocking(|conn| {
                let removal = removals::undo(conn, user.id)?;
                let detail = json!({ "instances": removal.running });
                audit::append(conn, &by_operator("user.restore", format!("user:{}", user.id), detail)).map(drop)
            })?;
        }
    }
    context.output.show(&json!({ "email": email, "restored": true }), || format!("restored {email}"))
}

/// Nothing runs: what is left of a user is files and rows.
fn remove_here(context: &Context, db: &Db, user: &users::User) -> Result<()> {
    keep_an_admin(db, user)?;
    let paths = Paths::new(context.config.storage.data_dir.clone());
    for instance in db.read_blocking(|conn| instances::list_for_user(conn, user.id))? {
        let dirs = paths.of(&instance);
        dirs.remove().with_context(|| format!("cannot remove the files of instance {}", instance.id))?;
        db.write_blocking(|conn| instances::delete(conn, instance.id))?;
    }
    db.write_blocking(|conn| {
        for service in services::list(conn)?.iter().filter(|service| service.owner_id == Some(user.id)) {
            services::delete(conn, &service.manifest.name)?;
        }
        users::delete(conn, user.id)?;
        let entry = by_operator("user.remove", format!("user:{}", user.id), json!({ "email": user.email }));
        audit::append(conn, &entry).map(drop)
    })?;
    let logs = [paths.user_logs(user.number), paths.user_archives(user.number)];
    remove_trees(logs).context("cannot remove the user's logs")
}
