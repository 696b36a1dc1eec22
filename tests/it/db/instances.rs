//! Instances: numbers, quota, changes.

use std::{collections::BTreeMap, sync::Arc};

use berth::{
    db::{
        DbError, credentials,
        instances::{self, CreateLimits, CreateRefusal, InstanceChanges, NewInstance, StateChange},
    },
    domain::{
        crash::{CrashCard, ExitReason},
        ids::{CredentialId, InstanceId, UserId},
        instance::{Desired, Instance, Mode},
        lifecycle::State,
        limits::Limits,
        time::Timestamp,
    },
};

use super::{TestDb, records::credential, unique};

pub(super) fn new_instance(user: UserId, service: &str) -> NewInstance {
    let id = InstanceId::generate();
    NewInstance {
        id,
        user_id: user,
        service: service.parse().unwrap(),
        slug: format!("a-{id}"),
        label: String::new(),
        mode: Mode::Dedicated,
        desired: Desired::Running,
        config: BTreeMap::from([("zone".to_owned(), "Europe/Zürich".to_owned())]),
        env_sealed: Some("v1.x.y".to_owned()),
        credential_id: None,
        limits: Limits { memory_bytes: Some(1 << 33), ..Limits::default() },
        idle_seconds: None,
        created_at: Timestamp(1),
        expires_at: Some(Timestamp(60_000)),
    }
}

impl TestDb {
    pub(super) fn create(&self, new: &NewInstance, quota: u32) -> Result<Instance, CreateRefusal> {
        self.write(|c| instances::create(c, new, CreateLimits { instances: quota, per_hour: None }))
    }
}

#[test]
fn instances_are_made_and_found() {
    for test in TestDb::each() {
        let (ann, bob) = (test.user("a@b.c"), test.user("b@b.c"));
        let new = new_instance(bob.id, "gmail");
        let made = test.create(&new, 10).unwrap();
        assert_eq!((made.number, made.user_number, made.state), (1, 2, State::Pending));
        assert_eq!((&made.config, made.limits, made.expires_at), (&new.config, new.limits, new.expires_at));
        assert_eq!(test.read(|c| instances::by_id(c, made.id)), made);
        assert_eq!(test.read(|c| instances::by_slug(c, &made.slug)), made);
        let other = test.create(&new_instance(ann.id, "gmail"), 10).unwrap();
        assert_eq!(other.number, 1);
        assert_eq!(test.read(instances::list_all), [made.clone(), other]);
        assert_eq!(test.read(|c| instances::list_for_user(c, bob.id)), [made]);
        let missing = test.db.read_blocking(|c| instances::by_slug(c, "none"));
        assert!(matches!(missing, Err(DbError::NotFound)));
    }
}

#[test]
fn the_lowest_free_number_is_taken() {
    for test in TestDb::each() {
        let user = test.user("a@b.c").id;
        let made: Vec<_> = (0..3).map(|_| test.create(&new_instance(user, "gmail"), 10).unwrap()).collect();
        assert_eq!(made.iter().map(|i| i.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(test.create(&new_instance(user, "slack"), 10).unwrap().number, 1);
        test.write(|c| instances::delete(c, made[1].id));
        assert_eq!(test.create(&new_instance(user, "gmail"), 10).unwrap().number, 2);
        assert_eq!(test.create(&new_instance(user, "gmail"), 10).unwrap().number, 4);
    }
}

#[test]
fn creation_is_refused_for_a_reason() {
    for test in TestDb::each() {
        let (ann, bob) = (test.user("a@b.c").id, test.user("b@b.c").id);
        let first = test.create(&new_instance(ann, "gmail"), 1).unwrap();
        let refused = |new: NewInstance, quota| test.create(&new, quota).unwrap_err();
        assert_eq!(refused(new_instance(ann, "slack"), 1), CreateRefusal::QuotaReached { limit: 1 });
        assert_eq!(refused(new_instance(bob, "gmail"), 0), CreateRefusal::QuotaReached { limit: 0 });
        let same_slug = NewInstance { slug: first.slug.clone(), ..new_instance(bob, "gmail") };
        assert_eq!(refused(same_slug, 10), CreateRefusal::SlugTaken);
        assert_eq!(refused(new_instance(UserId::generate(), "gmail"), 10), CreateRefusal::OwnerMissing);
        let hers = credential(ann, "gmail");
        test.write(|c| credentials::insert(c, &hers));
        let with = |user, service| NewInstance { credential_id: Some(hers.id), ..new_instance(user, service) };
        assert_eq!(refused(with(bob, "gmail"), 10), CreateRefusal::CredentialMissing);
        assert_eq!(refused(with(ann, "slack"), 10), CreateRefusal::CredentialMissing);
        assert_eq!(test.create(&with(ann, "gmail"), 10).unwrap().credential_id, Some(hers.id));
    }
}

#[test]
fn of_many_at_once_only_as_many_as_the_quota_win() {
    for test in TestDb::each() {
        let user = test.user("a@b.c").id;
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (db, barrier) = (test.db.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    barrier.wait();
                    let limits = CreateLimits { instances: 3, per_hour: None };
                    db.write_blocking(|c| instances::create(c, &new_instance(user, "gmail"), limits)).unwrap()
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut numbers: Vec<_> = results.iter().flatten().map(|instance| instance.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
        let refusals = results.iter().filter(|r| **r == Err(CreateRefusal::QuotaReached { limit: 3 })).count();
        assert_eq!(refusals, 5);
        assert_eq!(test.read(|c| instances::count_for_user(c, user)), 3);
    }
}

fn crash() -> CrashCard {
    CrashCard {
        at: Timestamp(4),
        reason: ExitReason::Signal { signal: 9 },
        memory_limit: Some(1 << 29),
        out_of_memory: true,
        stderr_tail: vec!["killed".to_owned()],
        changed: Vec::new(),
        restarts: 1,
    }
}

#[test]
fn state_changes_touch_only_what_they_name() {
    for test in TestDb::each() {
        let made = test.create(&new_instance(test.user("a@b.c").id, "gmail"), 10).unwrap();
        let up = StateChange {
            state: Some(State::Running),
            port: Some(Some(65_535)),
            started_at: Some(Some(Timestamp(5))),
            restarts: Some(2),
            last_error: Some(Some(crash())),
            last_good: Some(Some(BTreeMap::from([("config".to_owned(), "ab12".to_owned())]).into())),
        };
        test.write(|c| instances::set_state(c, made.id, &up));
        let now = test.read(|c| instances::by_id(c, made.id));
        assert_eq!((now.state, now.port, now.restarts), (State::Running, Some(65_535), 2));
        assert_eq!(now.last_error, Some(crash()));
        assert_eq!((now.started_at, now.config.clone()), (Some(Timestamp(5)), made.config.clone()));
        let down = StateChange { state: Some(State::Stopped), port: Some(None), ..StateChange::default() };
        test.write(|c| instances::set_state(c, made.id, &down));
        let then = test.read(|c| instances::by_id(c, made.id));
        assert_eq!(then, Instance { state: State::Stopped, port: None, ..now });
        test.write(|c| instances::set_state(c, made.id, &StateChange::default()));
        test.write(|c| instances::set_desired(c, made.id, Desired::Stopped));
        test.write(|c| instances::set_expiry(c, made.id, None));
        let last = test.read(|c| instances::by_id(c, made.id));
        assert_eq!((last.desired, last.expires_at), (Desired::Stopped, None));
    }
}

#[test]
fn owners_change_their_instances() {
    for test in TestDb::each() {
        let user = test.user("a@b.c").id;
        let (one, two) = (
            test.create(&new_instance(user, "gmail"), 9).unwrap(),
            test.create(&new_instance(user, "gmail"), 9).unwrap(),
        );
        let own = credential(user, "gmail");
        test.write(|c| credentials::insert(c, &own));
        let changes = InstanceChanges {
            label: Some("work".to_owned()),
            slug: Some("new-slug".to_owned()),
            mode: Some(Mode::Session),
            config: Some(BTreeMap::new()),
            env_sealed: Some(None),
            credential_id: Some(Some(own.id)),
            limits: Some(Limits::default()),
            idle_seconds: Some(Some(7)),
        };
        let changed = test.write(|c| instances::update(c, one.id, &changes));
        let expected = Instance {
            label: "work".to_owned(),
            slug: "new-slug".to_owned(),
            mode: Mode::Session,
            config: BTreeMap::new(),
            env_sealed: None,
            credential_id: Some(own.id),
            limits: Limits::default(),
            idle_seconds: Some(7),
            ..one.clone()
        };
        assert_eq!(changed, expected);
        assert_eq!(test.write(|c| instances::update(c, one.id, &InstanceChanges::default())), expected);
        let taken = InstanceChanges { slug: Some("new-slug".to_owned()), ..InstanceChanges::default() };
        assert_eq!(unique(&test.write_error(|c| instances::update(c, two.id, &taken).map(drop))), "instances_slug");
        let no_such = InstanceChanges { credential_id: Some(Some(CredentialId::generate())), ..Default::default() };
        let error = test.write_error(|c| instances::update(c, two.id, &no_such).map(drop));
        assert!(matches!(error, DbError::ForeignKey), "{error:?}");
        test.write(|c| credentials::delete(c, own.id));
        assert_eq!(test.read(|c| instances::by_id(c, one.id)).credential_id, None);
    }
}

#[test]
fn what_is_gone_is_not_found() {
    for test in TestDb::each() {
        let made = test.create(&new_instance(test.user("a@b.c").id, "gmail"), 10).unwrap();
        test.write(|c| instances::delete(c, made.id));
        let id = made.id;
        let errors = [
            test.write_error(|c| instances::delete(c, id)),
            test.write_error(|c| instances::set_desired(c, id, Desired::Running)),
            test.write_error(|c| instances::set_expiry(c, id, None)),
            test.write_error(|c| instances::set_state(c, id, &StateChange::default())),
            test.write_error(|c| instances::set_state(c, id, &StateChange { restarts: Some(1), ..Default::default() })),
            test.write_error(|c| instances::update(c, id, &InstanceChanges::default()).map(drop)),
        ];
        for error in errors {
            assert!(matches!(error, DbError::NotFound), "{error:?}");
        }
    }
}
