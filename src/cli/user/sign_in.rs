//! `berth user link` and `berth user reset-totp`: ways in for who cannot sign in otherwise.

use anyhow::{Result, bail};
use serde_json::json;

use crate::{
    app::Control,
    auth::links as secrets,
    cli::context::{Context, by_operator},
    db::{
        Db, audit,
        links::{self, Purpose},
        totp,
    },
    domain::{names::Email, time::Timestamp},
};

pub(super) fn link(context: &Context, db: &Db, email: &Email) -> Result<()> {
    let user = context.user(db, email)?;
    if user.disabled_at.is_some() {
        bail!("{email} is disabled; `berth user enable {email}` lets them in again");
    }
    let (token, link) = secrets::mint(Purpose::Magic, Some(user.id), Timestamp::now())?;
    let expires_at = link.expires_at;
    db.write_blocking(|conn| {
        links::insert(conn, &link)?;
        let entry = by_operator("auth.link_print", format!("user:{}", user.id), json!({}));
        audit::append(conn, &entry).map(drop)
    })?;
    let url = format!("{}{}", base(context), secrets::path(Purpose::Magic, &token));
    context.output.show(&json!({ "email": email, "url": url, "expires_at": expires_at }), || url.clone())
}

/// How people reach Berth: as the settings say, else as the one that runs here does.
fn base(context: &Context) -> String {
    let server = &context.config.server;
    let here = || Control::find(&context.config.storage.data_dir).map(|control| control.url().to_owned());
    match &server.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => here().unwrap_or_else(|| format!("http://{}", server.listen)),
    }
}

pub(super) fn reset_totp(context: &Context, db: &Db, email: &Email) -> Result<()> {
    let user = context.user(db, email)?;
    let removed = db.write_blocking(|conn| {
        let removed = totp::delete(conn, user.id)?;
        if removed {
            let entry = by_operator("auth.totp_disable", format!("user:{}", user.id), json!({}));
            audit::append(conn, &entry)?;
        }
        Ok(removed)
    })?;
    let said = if removed { "is taken away" } else { "was none" };
    context
        .output
        .show(&json!({ "email": email, "removed": removed }), || format!("the second factor of {email} {said}"))
}
