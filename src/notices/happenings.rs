//! What happens to instances, as notices to their owners; and what is about to happen.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Notices;
use crate::{
    db::{
        Connection, DbError, OptionalExtension, QueryResult,
        credentials::{self, Credential},
        instances, notifications, service_updates, services,
        users::{self, Role},
    },
    domain::{
        ids::{InstanceId, UserId},
        instance::Instance,
        manifest::Launch,
        names::ServiceName,
        notice::{Happening, Notice, NoticeKind},
        time::Timestamp,
    },
};

const DAY_MS: i64 = 86_400_000;
/// The age at which a credential is spoken of first, and how often after.
const AGING_DAYS: (i64, i64) = (90, 30);
/// So long after a change of its version a service that fails is thought to fail by it.
const LATELY_DAYS: i64 = 7;
/// Longest part of a reason in a title.
const MAX_REASON: usize = 200;

pub(super) async fn run(notices: Notices, mut happenings: mpsc::Receiver<Happening>) {
    while let Some(happening) = happenings.recv().await {
        let Some(kind) = kind_of(happening.kind) else { continue };
        let id = happening.instance;
        match notices.means.db.read(move |conn| found(conn, id)).await {
            Ok(Some((instance, updated))) => {
                let mut notice = of(kind, &instance, &happening.detail);
                if let Some(updated) = updated.filter(|_| kind == NoticeKind::InstanceFailed) {
                    notice.title.push_str(&updated.hint());
                    // Who can go back may be somebody else.
                    for user in updated.owners.into_iter().filter(|user| *user != instance.user_id) {
                        notices.tell(user, notice.clone());
                    }
                }
                notices.tell(instance.user_id, notice);
            }
            // Gone meanwhile.
            Ok(None) => {}
            Err(error) => log::warn!("nobody was told that {id} {}: {error}", happening.kind),
        }
    }
}

/// A service whose version was changed lately.
struct Updated {
    name: ServiceName,
    from: String,
    to: String,
    /// Who may change it.
    owners: Vec<UserId>,
}

impl Updated {
    fn hint(&self) -> String {
        let Self { name, from, to, .. } = self;
        format!("; {name} was updated from {from} to {to}: `berth service rollback {name}` goes back")
    }
}

/// The instance, and its service, where that was given another version lately.
fn found(conn: &mut Connection, id: InstanceId) -> QueryResult<Option<(Instance, Option<Updated>)>> {
    let Some(instance) = instances::by_id(conn, id).optional()? else { return Ok(None) };
    let updated = updated(conn, &instance.service, Timestamp::now())?;
    Ok(Some((instance, updated)))
}

fn updated(conn: &mut Connection, name: &ServiceName, now: Timestamp) -> QueryResult<Option<Updated>> {
    let known = service_updates::of(conn, name)?;
    let is_late = |at: Timestamp| now.0 - at.0 < LATELY_DAYS * DAY_MS;
    let (Some(from), true) = (known.previous, known.changed_at.is_some_and(is_late)) else { return Ok(None) };
    let Some(service) = services::by_name(conn, name).optional()? else { return Ok(None) };
    let (Launch::Npm { version, .. } | Launch::Pypi { version, .. }) = service.manifest.launch else {
        return Ok(None);
    };
    let owners = match service.owner_id {
        Some(owner) => vec![owner],
        None => users::list(conn)?.into_iter().filter(|user| user.role == Role::Admin).map(|user| user.id).collect(),
    };
    Ok(Some(Updated { name: name.clone(), from, to: version, owners }))
}

fn kind_of(event: &str) -> Option<NoticeKind> {
    match event {
        "expired" => Some(NoticeKind::Expired),
        "failed" => Some(NoticeKind::InstanceFailed),
        "limit_hit" | "out_of_memory" => Some(NoticeKind::LimitHit),
        _ => None,
    }
}

fn of(kind: NoticeKind, instance: &Instance, detail: &Value) -> Notice {
    let name = name_of(instance);
    let reason = detail.get("reason").and_then(Value::as_str).unwrap_or("it ran out of memory");
    let reason: String = reason.chars().take(MAX_REASON).collect();
    let title = match kind {
        NoticeKind::Expired => format!("{name} has expired"),
        NoticeKind::InstanceFailed => format!("{name} has failed: {reason}"),
        _ => format!("{name} has met a limit: {reason}"),
    };
    let subject = match (kind, instance.expires_at) {
        // Also when Berth finds it so at its next start.
        (NoticeKind::Expired, Some(at)) => format!("instance:{}:{}", instance.id, at.0),
        _ => format!("instance:{}", instance.id),
    };
    Notice { kind, subject, title, detail: about(instance, detail) }
}

/// `gmail 2`, or `gmail 2 (work)`.
fn name_of(instance: &Instance) -> String {
    let label = if instance.label.is_empty() { String::new() } else { format!(" ({})", instance.label) };
    format!("{} {}{label}", instance.service, instance.number)
}

fn about(instance: &Instance, more: &Value) -> Value {
    json!({
        "instance": instance.id, "service": instance.service, "number": instance.number, "label": instance.label,
        "expires_at": instance.expires_at, "more": more,
    })
}

impl Notices {
    /// Tells the owners of instances that expire soon.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tell_of_expiry(&self, now: Timestamp) -> Result<(), DbError> {
        let ahead = i64::try_from(self.means.config.expiry_ahead.as_millis()).unwrap_or(i64::MAX);
        let near = move |instance: Instance| {
            let at = instance.expires_at.filter(|at| is_near(instance.created_at, *at, now, ahead))?;
            Some((instance.user_id, expiry_near(&instance, at)))
        };
        let all = move |conn: &mut Connection| Ok(instances::list_all(conn)?.into_iter().filter_map(near).collect());
        self.tell_new(now, all).await
    }

    /// Tells the owners of credentials that were not rotated for long.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tell_of_age(&self, now: Timestamp) -> Result<(), DbError> {
        let old = move |row: &Credential| Some((row.user_id, aging(row, now)?));
        let all = move |conn: &mut Connection| Ok(credentials::all(conn)?.iter().filter_map(old).collect());
        self.tell_new(now, all).await
    }

    /// Tells what was not told before: the sweeps find the same again and again, and that costs one look.
    async fn tell_new<F>(&self, now: Timestamp, find: F) -> Result<(), DbError>
    where
        F: FnOnce(&mut Connection) -> QueryResult<Vec<(UserId, Notice)>> + Send + 'static,
    {
        let new = self.means.db.read(move |conn| {
            let mut new = Vec::new();
            for (user, notice) in find(conn)? {
                let window = i64::try_from(notice.kind.window().as_millis()).unwrap_or(i64::MAX);
                if !notifications::was_told(conn, user, &notice, Timestamp(now.0 - window))? {
                    new.push((user, notice));
                }
            }
            Ok(new)
        });
        new.await?.into_iter().for_each(|(user, notice)| self.tell(user, notice));
        Ok(())
    }
}

/// `None` while it is young.
fn aging(row: &Credential, now: Timestamp) -> Option<Notice> {
    let since = row.since();
    let days = (now.0 - since.0) / DAY_MS;
    let round = (days >= AGING_DAYS.0).then(|| (days - AGING_DAYS.0) / AGING_DAYS.1)?;
    let label = if row.label.is_empty() { String::new() } else { format!(" ({})", row.label) };
    Some(Notice {
        kind: NoticeKind::CredentialAging,
        subject: format!("credential:{}:{}:{round}", row.id, since.0),
        title: format!("A credential for {}{label} is {days} days old; rotate it", row.service),
        detail: json!({ "credential": row.id, "service": row.service, "days": days }),
    })
}

/// Within `ahead` of the end, and within the second half of the instance's life: who asks for an hour is not told
/// at once that it ends.
const fn is_near(created: Timestamp, expires: Timestamp, now: Timestamp, ahead: i64) -> bool {
    let (left, life) = (expires.0 - now.0, expires.0 - created.0);
    left > 0 && left <= ahead && left <= life / 2
}

fn expiry_near(instance: &Instance, at: Timestamp) -> Notice {
    Notice {
        kind: NoticeKind::ExpiryNear,
        // Another expiry is another thing to tell.
        subject: format!("instance:{}:{}", instance.id, at.0),
        title: format!("{} expires at {at}; renew it to keep it", name_of(instance)),
        detail: about(instance, &Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_spoken_of_at_90_days_and_every_30_after() {
        let row = |rotated_at| Credential {
            id: crate::domain::ids::CredentialId::generate(),
            user_id: UserId::generate(),
            service: "hub".parse().unwrap(),
            label: String::new(),
            kind: crate::domain::manifest::CredentialKind::ApiKey,
            hint: String::new(),
            sealed: String::new(),
            key_id: String::new(),
            created_at: Timestamp(0),
            rotated_at,
            previous: None,
            last_test: None,
        };
        let old = row(None);
        let subject = |row: &Credential, day: i64| aging(row, Timestamp(day * DAY_MS)).map(|notice| notice.subject);
        assert_eq!(subject(&old, 89), None);
        let first = subject(&old, 90);
        assert!(first.is_some());
        // The same subject is told once.
        assert_eq!(subject(&old, 119), first);
        let second = subject(&old, 120);
        assert!(second.is_some() && second != first);
        assert_eq!(subject(&old, 149), second);
        assert_ne!(subject(&old, 150), second);
        // A rotation makes it young.
        let rotated = row(Some(Timestamp(100 * DAY_MS)));
        assert_eq!((subject(&rotated, 189), subject(&rotated, 190).is_some()), (None, true));
    }

    #[test]
    fn the_end_is_near_in_the_second_half_of_a_life() {
        // Created, expires, now, how long ahead.
        let cases = [
            ((0, 100, 0, 1000), false),
            ((0, 100, 50, 1000), true),
            ((0, 100, 99, 10), true),
            ((0, 100, 89, 10), false),
            ((0, 100, 90, 10), true),
            ((0, 100, 100, 10), false),
        ];
        for ((created, expires, now, ahead), near) in cases {
            let at = Timestamp;
            assert_eq!(is_near(at(created), at(expires), at(now), ahead), near, "{created} {expires} {now} {ahead}");
        }
    }
}
