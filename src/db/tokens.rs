//! API tokens: hashes and what they open, never the tokens themselves.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row, to_json},
    schema::{token_instances, tokens, users},
    users::{User, UserRow},
};
use crate::domain::{
    ids::{InstanceId, TokenId, UserId},
    time::Timestamp,
};

/// A token's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its owner.
    pub user_id: UserId,
    /// The owner's name for it.
    pub name: String,
    /// SHA-256 of the token, hex.
    pub hash: String,
    /// The token's last four characters.
    pub hint: String,
    /// The only instances that it opens; all of the owner's when `None`, nothing when empty.
    pub instances: Option<Vec<InstanceId>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to within a minute or so.
    pub last_used_at: Option<Timestamp>,
    /// The only tools that it calls; all when `None`.
    pub tools: Option<BTreeSet<String>>,
    /// Whether it calls no tool.
    pub read_only: bool,
    /// When and why its holder was last refused something, to within a minute or so.
    pub last_refusal: Option<Refusal>,
}

/// Why the holder of a token was refused something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Why, for the token's owner.
    pub reason: String,
}

/// A token to insert.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Its owner.
    pub user_id: UserId,
    /// The owner's name for it.
    pub name: String,
    /// SHA-256 of the token, hex.
    pub hash: String,
    /// The token's last four characters.
    pub hint: String,
    /// The only instances that it opens; all of the owner's when `None`.
    pub instances: Option<Vec<InstanceId>>,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The only tools that it calls; all when `None`.
    pub tools: Option<BTreeSet<String>>,
    /// Whether it calls no tool.
    pub read_only: bool,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tokens, treat_none_as_default_value = false)]
struct TokenRow {
    id: String,
    user_id: String,
    name: String,
    hash: String,
    hint: String,
    scoped: bool,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    tools: Option<String>,
    read_only: bool,
    last_refused_at: Option<i64>,
    last_refusal: Option<String>,
}

impl TokenRow {
    fn read(self, instances: Vec<InstanceId>) -> QueryResult<Token> {
        let at = |column| At("tokens", column);
        Ok(Token {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            name: self.name,
            hash: self.hash,
            hint: self.hint,
            instances: self.scoped.then_some(instances),
            created_at: Timestamp(self.created_at),
            expires_at: self.expires_at.map(Timestamp),
            revoked_at: self.revoked_at.map(Timestamp),
            last_used_at: self.last_used_at.map(Timestamp),
            tools: at("tools").json_option(self.tools.as_deref())?,
            read_only: self.read_only,
            last_refusal: self
                .last_refused_at
                .zip(self.last_refusal)
                .map(|(refused_at, reason)| Refusal { at: Timestamp(refused_at), reason }),
        })
    }
}

/// Inserts a token with its instances.
///
/// # Errors
/// A foreign key error when the owner or an instance does not exist. Whether the instances are the
/// owner's is the caller's to check.
pub fn insert(conn: &mut Connection, new: &NewToken) -> QueryResult<Token> {
    let row = TokenRow {
        id: new.id.to_string(),
        user_id: new.user_id.to_string(),
        name: new.name.clone(),
        hash: new.hash.clone(),
        hint: new.hint.clone(),
        scoped: new.instances.is_some(),
        created_at: new.created_at.0,
        expires_at: new.expires_at.map(|at| at.0),
        revoked_at: None,
        last_used_at: None,
        tools: new.tools.as_ref().map(to_json).transpose()?,
        read_only: new.read_only,
        last_refused_at: None,
        last_refusal: None,
    };
    diesel::insert_into(tokens::table).values(&row).execute(conn)?;
    let mut instances = new.instances.clone().unwrap_or_default();
    instances.sort_unstable();
    instances.dedup();
    for instance in &instances {
        let link = (token_instances::token_id.eq(&row.id), token_instances::instance_id.eq(instance.to_string()));
        diesel::insert_into(token_instances::table).values(link).execute(conn)?;
    }
    row.read(instances)
}

/// The token with this hash and its owner. Whether it still holds (revoked, expired, owner disabled) is
/// for the caller to judge.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_hash(conn: &mut Connection, hash: &str) -> QueryResult<(Token, User)> {
    let (token, user) = tokens::table
        .inner_join(users::table)
        .filter(tokens::hash.eq(hash))
        .select((TokenRow::as_select(), UserRow::as_select()))
        .first::<(TokenRow, UserRow)>(conn)?;
    let instances = instances_of(conn, &token)?;
    Ok((token.read(instances)?, user.read()?))
}

/// The token with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: TokenId) -> QueryResult<Token> {
    let row: TokenRow = tokens::table.find(id.to_string()).select(TokenRow::as_select()).first(conn)?;
    let instances = instances_of(conn, &row)?;
    row.read(instances)
}

fn instances_of(conn: &mut Connection, row: &TokenRow) -> QueryResult<Vec<InstanceId>> {
    if !row.scoped {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = token_instances::table
        .filter(token_instances::token_id.eq(&row.id))
        .order(token_instances::instance_id)
        .select(token_instances::instance_id)
        .load(conn)?;
    ids.iter().map(|id| At("token_instances", "instance_id").parse(id)).collect()
}

/// A user's tokens, newest first, revoked and expired ones included.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<Token>> {
    let rows = tokens::table
        .filter(tokens::user_id.eq(user.to_string()))
        .order((tokens::created_at.desc(), tokens::id.desc()))
        .select(TokenRow::as_select())
        .load(conn)?;
    let links: Vec<(String, String)> = token_instances::table
        .inner_join(tokens::table)
        .filter(tokens::user_id.eq(user.to_string()))
        .order(token_instances::instance_id)
        .select((token_instances::token_id, token_instances::instance_id))
        .load(conn)?;
    let mut instances: BTreeMap<String, Vec<InstanceId>> = BTreeMap::new();
    for (token, instance) in links {
        let instance = At("token_instances", "instance_id").parse(&instance)?;
        instances.entry(token).or_default().push(instance);
    }
    rows.into_iter()
        .map(|row| {
            let own = instances.remove(&row.id).unwrap_or_default();
            row.read(own)
        })
        .collect()
}

/// Revokes the token; the time of the first revocation stays.
///
/// # Errors
/// Not found, or the query fails.
pub fn revoke(conn: &mut Connection, id: TokenId, at: Timestamp) -> QueryResult<()> {
    let open = tokens::table.filter(tokens::id.eq(id.to_string())).filter(tokens::revoked_at.is_null());
    let touched = diesel::update(open).set(tokens::revoked_at.eq(at.0)).execute(conn)?;
    if touched == 0 { by_id(conn, id).map(drop) } else { Ok(()) }
}

/// Writes when tokens were last used; never backwards. Tokens that are gone are passed over.
///
/// # Errors
/// When a query fails.
pub fn touch_many(conn: &mut Connection, used: &[(TokenId, Timestamp)]) -> QueryResult<()> {
    for (id, at) in used {
        let older = tokens::table
            .filter(tokens::id.eq(id.to_string()))
            .filter(tokens::last_used_at.is_null().or(tokens::last_used_at.lt(at.0)));
        diesel::update(older).set(tokens::last_used_at.eq(at.0)).execute(conn)?;
    }
    Ok(())
}

/// Writes why tokens were last refused. Tokens that are gone are passed over.
///
/// # Errors
/// When a query fails.
pub fn note_refusals(conn: &mut Connection, refusals: &[(TokenId, Refusal)]) -> QueryResult<()> {
    for (id, refusal) in refusals {
        diesel::update(tokens::table.find(id.to_string()))
            .set((tokens::last_refused_at.eq(refusal.at.0), tokens::last_refusal.eq(&refusal.reason)))
            .execute(conn)?;
    }
    Ok(())
}

/// Gives the token another name.
///
/// # Errors
/// Not found, or the query fails.
pub fn rename(conn: &mut Connection, id: TokenId, name: &str) -> QueryResult<()> {
    require_row(diesel::update(tokens::table.find(id.to_string())).set(tokens::name.eq(name)).execute(conn)?)
}

/// Deletes the token's record.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: TokenId) -> QueryResult<()> {
    require_row(diesel::delete(tokens::table.find(id.to_string())).execute(conn)?)
}
