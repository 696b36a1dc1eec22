//! The table's row, and the credential that it means.

use diesel::prelude::*;

use super::{Credential, Previous};
use crate::{
    db::{
        convert::{At, to_json, to_variant},
        schema::credentials,
    },
    domain::{credential::LastTest, time::Timestamp},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = credentials, treat_none_as_default_value = false)]
pub(super) struct CredentialRow {
    id: String,
    user_id: String,
    service: String,
    label: String,
    kind: String,
    hint: String,
    sealed: String,
    key_id: String,
    created_at: i64,
    rotated_at: Option<i64>,
    previous_sealed: Option<String>,
    previous_until: Option<i64>,
    previous_hint: Option<String>,
    previous_rotated_at: Option<i64>,
    tested_at: Option<i64>,
    test_result: Option<String>,
}

impl CredentialRow {
    pub(super) fn of(new: &Credential) -> QueryResult<Self> {
        let (previous, test) = (new.previous.as_ref(), new.last_test.as_ref());
        Ok(Self {
            id: new.id.to_string(),
            user_id: new.user_id.to_string(),
            service: new.service.to_string(),
            label: new.label.clone(),
            kind: to_variant(&new.kind)?,
            hint: new.hint.clone(),
            sealed: new.sealed.clone(),
            key_id: new.key_id.clone(),
            created_at: new.created_at.0,
            rotated_at: new.rotated_at.map(|at| at.0),
            previous_sealed: previous.map(|previous| previous.sealed.clone()),
            previous_until: previous.map(|previous| previous.until.0),
            previous_hint: previous.map(|previous| previous.hint.clone()),
            previous_rotated_at: previous.and_then(|previous| previous.rotated_at).map(|at| at.0),
            tested_at: test.map(|test| test.at.0),
            test_result: test.map(|test| to_json(&test.tried)).transpose()?,
        })
    }

    pub(super) fn read(self) -> QueryResult<Credential> {
        let at = |column| At("credentials", column);
        let previous = self.previous_sealed.zip(self.previous_until).map(|(sealed, until)| Previous {
            sealed,
            hint: self.previous_hint.unwrap_or_default(),
            rotated_at: self.previous_rotated_at.map(Timestamp),
            until: Timestamp(until),
        });
        let tried = at("test_result").json_option(self.test_result.as_deref())?;
        Ok(Credential {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            service: at("service").parse(&self.service)?,
            label: self.label,
            kind: at("kind").variant(&self.kind)?,
            hint: self.hint,
            sealed: self.sealed,
            key_id: self.key_id,
            created_at: Timestamp(self.created_at),
            rotated_at: self.rotated_at.map(Timestamp),
            previous,
            last_test: self.tested_at.zip(tried).map(|(at, tried)| LastTest { at: Timestamp(at), tried }),
        })
    }
}
