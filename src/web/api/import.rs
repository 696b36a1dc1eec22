//! `POST /api/v1/services/import`: servers as other programs describe them become services, and instances where that is
//! wanted.
//!
//! Each server of a document is taken by itself: one that cannot be taken harms no other. With `preview` nothing is
//! changed. Secrets that the document holds go to the vault with the instance; no answer, no log and no audit row has
//! them, only their names.

mod bundle;
mod taking;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    http::header::CONTENT_TYPE,
    web::{Data, Json, Payload, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use self::taking::{Outcome, Taking};
use super::{actor, audit, services::may_add, to_the_end};
use crate::{
    catalog::import::{self, Found},
    domain::{names::Email, secret::Secret},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// `?preview=true&create=true&user=EMAIL&sha256=…`: for bundles, which have no place for words; for documents, the same
/// as in the body.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only say what would happen.
    preview: bool,
    /// Make an instance of each service, too.
    create: bool,
    /// For whom; administrators only, and the operator must say.
    #[param(value_type = Option<String>, format = Email)]
    user: Option<Email>,
    /// What the bundle's SHA-256 must be.
    sha256: Option<String>,
}

/// A document, and what is wanted of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// The document, as it is or as text, which may have comments: a `server.json`, an answer of a registry, or a
    /// configuration with `mcpServers` or `servers`.
    #[schema(value_type = Object)]
    source: Value,
    /// Only say what would happen.
    #[serde(default)]
    preview: bool,
    /// Make an instance of each service, too.
    #[serde(default)]
    create: bool,
    /// Only these servers of the document, by their names there.
    #[serde(default)]
    only: Option<Vec<String>>,
    /// What instances need beyond what the document gives, by the names of the servers there.
    #[serde(default)]
    #[schema(inline)]
    values: BTreeMap<String, Values>,
    /// For whom; administrators only, and the operator must say.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Email)]
    user: Option<Email>,
}

/// What somebody adds to what the document gives.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Values {
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    credential: Option<Secret>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// What is wanted of a document or bundle.
#[derive(Clone)]
struct Wish {
    preview: bool,
    create: bool,
    user: Option<Email>,
    values: BTreeMap<String, Values>,
    is_admin: bool,
}

/// What became of each server.
#[derive(Serialize)]
struct Answer {
    preview: bool,
    items: Vec<Outcome>,
}

/// Imports a document, or a bundle.
pub async fn import(
    caller: Caller,
    state: Data<AppState>,
    query: Query<ImportQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let is_admin = may_add(&caller, &state)?;
    let query = query.into_inner();
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (found, wish) = if bundle::is_bundle(kind) {
        let bytes = bundle::receive(payload, state.config.runtime.import_max_bytes).await?;
        let bundle = bundle::look_at(bytes, query.sha256.clone()).await?;
        let wish =
            Wish { preview: query.preview, create: query.create, user: query.user, values: BTreeMap::new(), is_admin };
        (vec![(bundle.0, Some(bundle.1))], wish)
    } else {
        let body = Json::<ImportBody>::from_request(&request, &mut payload.into_inner()).await?.into_inner();
        let wish = Wish {
            preview: body.preview || query.preview,
            create: body.create || query.create,
            user: body.user.or(query.user),
            values: body.values,
            is_admin,
        };
        let found = read(&body.source, body.only.as_deref(), &wish.values)?;
        (found.into_iter().map(|found| (found, None)).collect(), wish)
    };
    let answer = to_the_end(take_all(caller, state, found, wish)).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// The servers of a document, or those of them that are wanted.
fn read(source: &Value, only: Option<&[String]>, values: &BTreeMap<String, Values>) -> Result<Vec<Found>, ApiError> {
    let invalid = |reason: String| ApiError::invalid(format!("`source`: {reason}"));
    let mut found = match source {
        Value::String(text) => import::read(text),
        object => import::read(&object.to_string()),
    }
    .map_err(invalid)?;
    let has = |name: &String| found.iter().any(|found| found.source == *name);
    if let Some(missing) = only.into_iter().flatten().chain(values.keys()).find(|name| !has(name)) {
        return Err(ApiError::invalid(format!("`only` or `values`: the document has no server {missing:?}")));
    }
    if let Some(only) = only {
        found.retain(|found| only.contains(&found.source));
    }
    Ok(found)
}

type Taken = (Found, Option<bundle::Packed>);

async fn take_all(caller: Caller, state: Data<AppState>, found: Vec<Taken>, wish: Wish) -> Result<Answer, ApiError> {
    let mut items = Vec::with_capacity(found.len());
    let taking = Taking { caller: &caller, state: &state, wish: &wish };
    for (found, packed) in found {
        items.push(taking.take(found, packed).await);
    }
    if !wish.preview {
        let added: Vec<_> = items.iter().filter(|item| item.is_new()).map(|item| &item.service).collect();
        let instances: Vec<_> = items.iter().filter_map(Outcome::instance).collect();
        let detail = json!({ "servers": items.len(), "added": added, "instances": instances });
        let by = actor(&caller.0);
        state.db.write(move |conn| audit(conn, by, "service.import", "services".to_owned(), detail)).await?;
    }
    Ok(Answer { preview: wish.preview, items })
}

/// A refusal of a bundle as a problem.
fn refused(error: &import::BundleError) -> ApiError {
    match error {
        import::BundleError::Disk(_) => ApiError::internal(std::io::Error::other(error.to_string())),
        _ => ApiError::new(ErrorCode::ValidationFailed, format!("the bundle: {error}")),
    }
}
