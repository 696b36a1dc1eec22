//! Whose account somebody from a provider has: theirs by the provider's own name of them; else the one with
//! their address, where the provider has verified it; else a new one, where the operator allows that.

use serde_json::json;

use super::Refusal;
use crate::{
    auth::oidc::Person,
    config::OidcProvider,
    db::{
        Connection, OptionalExtension, QueryResult, identities,
        users::{self, NewUser, Role, User},
    },
    domain::{ids::UserId, names::Email, time::Timestamp},
    web::{api::audit, error::ErrorCode, state::AppState},
};

enum Found {
    Account(User),
    Nobody(&'static str),
}

/// The account of `person`, found, linked or made.
pub(super) async fn account(state: &AppState, provider: &OidcProvider, person: Person) -> Result<User, Refusal> {
    let provider = provider.clone();
    match state.db.write(move |conn| resolve(conn, &provider, &person)).await? {
        Found::Account(user) => Ok(user),
        Found::Nobody(why) => Err(Refusal::new(ErrorCode::Forbidden, why)),
    }
}

fn resolve(conn: &mut Connection, provider: &OidcProvider, person: &Person) -> QueryResult<Found> {
    let key = (provider.name.as_str(), person.subject.as_str());
    if let Some(user) = identities::user_of(conn, key.0, key.1).optional()? {
        return Ok(Found::Account(user));
    }
    // Anybody can type any address at some providers: one that is not verified says nothing.
    let Some(email) = &person.verified_email else {
        return Ok(Found::Nobody("the sign-in provider has not verified your e-mail address"));
    };
    if !is_allowed(provider, email) {
        return Ok(Found::Nobody("addresses of your domain may not sign in here with this provider"));
    }
    let user = match users::by_email(conn, email).optional()? {
        // Shut out by an administrator: nothing is linked to it.
        Some(user) if user.disabled_at.is_some() => return Ok(Found::Account(user)),
        Some(user) => user,
        None if !provider.allow_sign_up => {
            return Ok(Found::Nobody("you have no account here; ask an administrator for one"));
        }
        // Whoever is first becomes the administrator by the link on the console, and not by being quick.
        None if users::count(conn)? == 0 => return Ok(Found::Nobody("Berth is not set up yet")),
        None => make(conn, provider, email)?,
    };
    identities::insert(conn, key, user.id, Timestamp::now())?;
    let target = format!("user:{}", user.id);
    audit(conn, Some(user.id), "auth.identity_link", target, json!({ "provider": provider.name }))?;
    Ok(Found::Account(user))
}

fn is_allowed(provider: &OidcProvider, email: &Email) -> bool {
    let domain = email.as_str().rsplit('@').next().unwrap_or_default();
    provider.allowed_domains.is_empty() || provider.allowed_domains.iter().any(|allowed| allowed == domain)
}

fn make(conn: &mut Connection, provider: &OidcProvider, email: &Email) -> QueryResult<User> {
    let new = NewUser {
        id: UserId::generate(),
        email: email.clone(),
        password_hash: None,
        role: Role::User,
        instance_quota: None,
        created_at: Timestamp::now(),
    };
    let user = users::insert(conn, &new)?;
    let detail = json!({ "email": user.email, "role": user.role.as_str(), "how": format!("oidc:{}", provider.name) });
    audit(conn, Some(user.id), "user.create", format!("user:{}", user.id), detail)?;
    Ok(user)
}
