//! `berth service oauth-client`: with which client Berth signs users in at a service's outside service.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    context::Context,
    output,
    remote::{Remote, text},
    user::read_secret,
};
use crate::domain::names::ServiceName;

#[derive(Subcommand)]
pub(super) enum OAuthClient {
    /// Which one it is, and the redirect URI to register at the outside service
    Show {
        /// The service
        name: ServiceName,
    },
    /// Use the one that the outside service has given; its secret comes on standard input
    Set(Set),
    /// Forget it
    Remove {
        /// The service
        name: ServiceName,
    },
}

#[derive(Args)]
pub(super) struct Set {
    /// The service
    name: ServiceName,
    /// Its client id
    #[arg(long)]
    client_id: String,
    /// It has no secret (a public client)
    #[arg(long)]
    public: bool,
}

pub(super) fn run(context: &Context, command: &OAuthClient) -> Result<()> {
    let remote = Remote::require(context)?;
    let path = |name: &ServiceName| format!("/api/v1/services/{name}/oauth-client");
    match command {
        OAuthClient::Show { name } => shown(context, &remote.get(&path(name))?),
        OAuthClient::Set(set) => {
            let mut body = json!({ "client_id": set.client_id });
            if !set.public {
                body["client_secret"] = Value::from(read_secret("client secret")?.expose());
            }
            shown(context, &remote.put(&path(&set.name), &body)?)
        }
        OAuthClient::Remove { name } => {
            remote.delete(&path(name))?;
            output::remark(&format!("users cannot sign in for {name} any more"));
            Ok(())
        }
    }
}

fn shown(context: &Context, view: &Value) -> Result<()> {
    context.output.show(view, || {
        let line = |what: &str, name: &str| format!("{what:14}{}", text(view, name));
        [line("client id", "client_id"), line("secret", "has_secret"), line("redirect URI", "redirect_uri")].join("\n")
    })
}
