//! `berth client`.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    context::{Context, by_operator},
    output,
    remote::Remote,
};
use crate::{
    auth::{
        oauth::grants::Ended,
        oauth_clients::{
            GrantType,
            metadata::{self, Method},
            records,
        },
    },
    db::{
        Db, OptionalExtension, audit,
        oauth_clients::{self, ClientRecord, FIXED},
        oauth_grants,
    },
    domain::{names::Email, time::Timestamp},
};

#[derive(Subcommand)]
pub(super) enum Client {
    /// Make a client and print its id, and its secret if it has one, which cannot be shown again
    Add(Add),
    /// Clients that somebody has made
    List,
    /// Delete a client; everything that users have allowed it ends
    Remove {
        /// Its id, as `berth client list` shows it
        id: String,
    },
}

/// In which way the client gets tokens.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Way {
    /// A browser asks the user, and comes back
    Browser,
    /// The user types a code that a device shows
    Device,
    /// It acts for its owner, and asks nobody
    Machine,
}

#[derive(Args)]
pub(super) struct Add {
    /// What users are shown
    name: String,
    /// Where answers may be sent; may be repeated
    #[arg(long = "redirect", value_name = "URI")]
    redirects: Vec<String>,
    /// In which way it gets tokens; may be repeated
    #[arg(long = "by", value_name = "WAY", default_value = "browser")]
    ways: Vec<Way>,
    /// It has no secret: a program on the user's own machine
    #[arg(long)]
    public: bool,
    /// For whom a machine acts
    #[arg(long)]
    owner: Option<Email>,
}

pub(super) fn run(context: &Context, command: &Client) -> Result<()> {
    let db = context.database()?;
    match command {
        Client::Add(add) => self::add(context, &db, add),
        Client::List => list(context, &db),
        Client::Remove { id } => remove(context, &db, id),
    }
}

fn add(context: &Context, db: &Db, add: &Add) -> Result<()> {
    let mut record = records::blank(FIXED, Timestamp::now());
    let owner = add.owner.as_ref().map(|email| context.user(db, email)).transpose()?;
    record.owner = owner.map(|user| user.id);
    record.name = metadata::check_name(&add.name)?;
    record.redirect_uris = metadata::check_redirects(add.redirects.clone())?;
    record.grant_types = grant_types(add)?;
    let secret = if add.public {
        None
    } else {
        record.authentication = Method::Basic.as_str().to_owned();
        Some(records::renew_secret(&mut record).context("no randomness for a secret")?)
    };
    db.write_blocking(|conn| {
        oauth_clients::insert(conn, &record)?;
        let detail = json!({ "client_name": record.name, "owner": record.owner, "grant_types": record.grant_types });
        audit::append(conn, &by_operator("oauth.client_register", format!("client:{}", record.id), detail)).map(drop)
    })?;
    let secret = secret.as_ref().map(crate::domain::secret::Secret::expose);
    let answer = json!({ "id": record.id, "client_secret": secret, "grant_types": record.grant_types });
    context.output.show(&answer, || match secret {
        Some(secret) => format!("{}\n{secret}", record.id),
        None => record.id.clone(),
    })
}

fn grant_types(add: &Add) -> Result<Vec<String>> {
    let has = |wanted: fn(&Way) -> bool| add.ways.iter().any(wanted);
    let (browser, machine) = (has(|way| matches!(way, Way::Browser)), has(|way| matches!(way, Way::Machine)));
    let device = has(|way| matches!(way, Way::Device));
    ensure!(browser != add.redirects.is_empty(), "`--redirect URI` goes with `--by browser`, and the other way around");
    ensure!(!machine || (add.owner.is_some() && !add.public), "`--by machine` needs `--owner EMAIL`, and a secret");
    let kinds = [
        (browser, GrantType::AuthorizationCode),
        (device, GrantType::DeviceCode),
        (browser || device, GrantType::RefreshToken),
        (machine, GrantType::ClientCredentials),
    ];
    Ok(kinds.into_iter().filter(|(wanted, _)| *wanted).map(|(_, grant)| records::name_of(grant)).collect())
}

fn list(context: &Context, db: &Db) -> Result<()> {
    let clients = db.read_blocking(|conn| oauth_clients::list_fixed(conn, None))?;
    let view = |client: &ClientRecord| {
        json!({
            "id": client.id, "name": client.name, "redirect_uris": client.redirect_uris,
            "grant_types": client.grant_types, "authentication": client.authentication, "owner": client.owner,
            "created_at": client.created_at, "last_used_at": client.last_used_at,
        })
    };
    let items: Vec<_> = clients.iter().map(view).collect();
    context.output.show(&json!({ "items": items, "next": null }), || {
        let row = |client: &ClientRecord| {
            let used = client.last_used_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let places = client.redirect_uris.join(" ");
            vec![client.id.clone(), client.name.clone(), client.authentication.clone(), places, used]
        };
        let rows: Vec<_> = clients.iter().map(row).collect();
        output::table(&["ID", "NAME", "PROVES ITSELF BY", "RETURNS TO", "LAST USED"], &rows)
    })
}

fn remove(context: &Context, db: &Db, id: &str) -> Result<()> {
    match Remote::find(context)? {
        // It remembers access tokens, so it must hear of this.
        Some(remote) => remote.delete(&format!("/api/v1/oauth/clients/{id}"))?,
        None => db
            .write_blocking(|conn| {
                oauth_clients::delete(conn, id)?;
                oauth_grants::revoke_for_client(conn, id, Ended::ClientRemoved.as_str(), Timestamp::now())?;
                audit::append(conn, &by_operator("oauth.client_delete", format!("client:{id}"), json!({}))).map(drop)
            })
            .optional()?
            .with_context(|| format!("there is no client {id}; `berth client list` shows those there are"))?,
    }
    context.output.show(&json!({ "id": id, "removed": true }), || format!("removed {id}"))
}
