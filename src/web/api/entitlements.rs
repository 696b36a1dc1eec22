//! What is given to users and groups, as the API takes and shows it.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::users::UserView;
use crate::{
    db::{Connection, QueryResult, entitlements, removals, users::User},
    domain::{
        names::ServiceName,
        quota::{Grant, Quota},
    },
    web::{error::ApiError, state::AppState},
};

/// Changes of a grant; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EntitlementChange {
    /// A JSON merge patch of the figures; `null` takes all away.
    #[serde(deserialize_with = "present")]
    pub(super) quota: Option<Option<Map<String, Value>>>,
    /// The services that may be used; `null` says nothing about them.
    #[serde(deserialize_with = "present")]
    pub(super) services: Option<Option<BTreeSet<ServiceName>>>,
}

/// Tells `null` from absent.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl EntitlementChange {
    pub(super) const fn is_empty(&self) -> bool {
        self.quota.is_none() && self.services.is_none()
    }

    /// Refuses what cannot be a figure, and services that the catalog does not have.
    pub(super) fn check(&self, state: &AppState) -> Result<(), ApiError> {
        if let Some(Some(patch)) = &self.quota {
            Quota::default().patched(patch).map_err(|error| ApiError::invalid(format!("`quota`: {error}")))?;
        }
        let names = self.services.iter().flatten().flatten();
        match names.into_iter().find(|name| state.catalog.get(name).is_none()) {
            Some(unknown) => Err(ApiError::invalid(format!("`services`: there is no service {unknown}"))),
            None => Ok(()),
        }
    }

    /// The grant after the change.
    pub(super) fn apply(&self, mut grant: Grant) -> Result<Grant, serde_json::Error> {
        match &self.quota {
            None => {}
            Some(None) => grant.quota = Quota::default(),
            Some(Some(patch)) => grant.quota = grant.quota.patched(patch)?,
        }
        if let Some(services) = &self.services {
            grant.services.clone_from(services);
        }
        Ok(grant)
    }

    /// What of it belongs into the record.
    pub(super) fn detail(&self) -> Value {
        json!({ "quota": self.quota, "services": self.services })
    }
}

/// A view with what was given added to it.
pub(super) fn shown(mut view: Value, grant: &Grant) -> Value {
    view["quota"] = json!(grant.quota);
    view["services"] = json!(grant.services);
    view
}

/// An account with what it was given.
pub(super) fn given(conn: &mut Connection, user: &User) -> QueryResult<Value> {
    let names = entitlements::group_names_of(conn, user.id)?;
    let removal = removals::find(conn, user.id)?;
    let view = UserView::of(user).removed(removal.as_ref());
    Ok(with_grant(&view, &entitlements::own(conn, user.id)?, &names))
}

/// The same, where all of it is at hand.
pub(super) fn with_grant(view: &UserView, grant: &Grant, groups: &[String]) -> Value {
    let mut view = shown(json!(view), grant);
    view["groups"] = json!(groups);
    view
}
