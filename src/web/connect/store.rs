//! Tokens become a credential: a new one, or another value for one that is there.

use actix_web::web::Data;
use serde_json::json;

use super::Journey;
use crate::{
    catalog::Service,
    db::{
        Connection, QueryResult,
        credentials::{self, Credential, NewSecret},
        instances, outside_grants,
    },
    domain::{credential::LastTest, ids::CredentialId, instance::credential_owner, time::Timestamp},
    outside::Tokens,
    web::{
        api::{
            audit,
            credentials::{rotation::refresh, trying::not_refused},
            to_the_end,
        },
        error::ApiError,
        state::AppState,
    },
};

/// Keeps the tokens; the credential's id. What is answered is written.
pub(super) async fn keep(
    state: &Data<AppState>,
    journey: &Journey,
    service: &Service,
    tokens: Tokens,
) -> Result<CredentialId, ApiError> {
    let manifest = &service.manifest;
    let last_test = not_refused(state, manifest, &tokens.access).await?;
    let row = row(state, journey, service, &tokens, last_test)?;
    let grant = state.outside.record(manifest, row.id, &tokens).await.map_err(ApiError::internal)?;
    drop(tokens);
    let (id, is_new, state) = (row.id, journey.credential.is_none(), state.clone());
    to_the_end(async move {
        let change = move |conn: &mut Connection| {
            let detail = json!({ "service": row.service, "scope": grant.scope, "checked": row.last_test.is_some() });
            audit(conn, Some(row.user_id), "credential.connect", format!("credential:{id}"), detail)?;
            if is_new {
                credentials::insert(conn, &row)?;
            } else {
                replace(conn, row)?;
            }
            outside_grants::put(conn, &grant)?;
            Ok(instances::using_credential(conn, id)?.into_iter().map(|instance| instance.id).collect())
        };
        let using = state.db.write(change).await?;
        state.outside.wake();
        refresh(&state, using).await;
        Ok(id)
    })
    .await
}

/// The credential that holds the access token.
fn row(
    state: &AppState,
    journey: &Journey,
    service: &Service,
    tokens: &Tokens,
    last_test: Option<LastTest>,
) -> Result<Credential, ApiError> {
    let id = journey.credential.unwrap_or_else(CredentialId::generate);
    Ok(Credential {
        id,
        user_id: journey.user,
        service: service.manifest.name.clone(),
        label: journey.label.clone(),
        kind: service.manifest.credential.kind,
        hint: tokens.access.hint(),
        sealed: state.vault.seal(&credential_owner(journey.user, id), &tokens.access)?,
        key_id: state.vault.key_id().to_owned(),
        created_at: Timestamp::now(),
        rotated_at: None,
        previous: None,
        last_test,
    })
}

/// The value of a credential that is there; nothing is kept of the one before.
fn replace(conn: &mut Connection, row: Credential) -> QueryResult<()> {
    let Credential { id, sealed, key_id, hint, created_at, last_test, .. } = row;
    let new = NewSecret { sealed, key_id, hint, at: created_at, previous_until: None, last_test };
    credentials::rotate(conn, id, &new)
}
