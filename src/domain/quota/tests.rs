//! Tables of what follows from what was given.

use serde_json::json;

use super::*;

fn quota(instances: Option<u32>, running: Option<u32>, calls: Option<u64>) -> Quota {
    Quota { instances, running, calls_per_day: calls, ..Quota::default() }
}

fn names(list: &[&str]) -> BTreeSet<ServiceName> {
    list.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn own_before_groups_before_the_installation() {
    let base = quota(Some(10), Some(0), Some(100));
    let none = Quota::default();
    // Own, groups; instances, running, calls per day.
    type Case<'a> = (Quota, &'a [Quota], (u32, Option<u32>, Option<u64>));
    let table: [Case<'_>; 9] = [
        (none, &[], (10, None, Some(100))),
        (quota(Some(3), None, None), &[], (3, None, Some(100))),
        (quota(Some(0), None, Some(0)), &[], (0, None, None)),
        (none, &[quota(Some(5), Some(2), None)], (5, Some(2), Some(100))),
        (none, &[quota(Some(5), Some(2), None), quota(Some(20), Some(1), Some(7))], (20, Some(2), Some(7))),
        (none, &[quota(None, Some(4), None), quota(None, Some(0), None)], (10, None, Some(100))),
        (none, &[quota(Some(0), None, None), none], (0, None, Some(100))),
        (quota(None, Some(1), None), &[quota(Some(50), Some(9), Some(0))], (50, Some(1), None)),
        (quota(Some(1), Some(0), Some(5)), &[quota(Some(2), Some(3), Some(4))], (1, None, Some(5))),
    ];
    for (own, groups, expected) in table {
        let group = |quota: &Quota| Grant { quota: *quota, services: None };
        let grants = Grants { own: Grant { quota: own, services: None }, groups: groups.iter().map(group).collect() };
        let got = grants.entitlement(base);
        assert_eq!((got.instances, got.running, got.calls_per_day), expected, "{own:?} {groups:?}");
    }
}

#[test]
fn lists_of_services() {
    let list = |names_of: Option<&[&str]>| Grant { services: names_of.map(names), ..Grant::default() };
    type List<'a> = Option<&'a [&'a str]>;
    let table: [(List<'_>, &[List<'_>], List<'_>); 7] = [
        (None, &[], None),
        (None, &[None, None], None),
        (None, &[Some(&["a"]), None], Some(&["a"])),
        (None, &[Some(&["a"]), Some(&["b", "a"])], Some(&["a", "b"])),
        (Some(&["c"]), &[Some(&["a"])], Some(&["c"])),
        (Some(&[]), &[None], Some(&[])),
        (None, &[Some(&[])], Some(&[])),
    ];
    for (own, groups, expected) in table {
        let grants = Grants { own: list(own), groups: groups.iter().map(|group| list(*group)).collect() };
        let got = grants.entitlement(Quota::default()).services;
        assert_eq!(got, expected.map_or(AllowList::All, |list| AllowList::Only(names(list))), "{own:?} {groups:?}");
    }
    let some = AllowList::Only(names(&["a"]));
    let (a, b): (ServiceName, ServiceName) = ("a".parse().unwrap(), "b".parse().unwrap());
    assert_eq!((some.allows(&a), some.allows(&b), AllowList::All.allows(&b)), (true, false, true));
}

#[test]
fn a_patch_changes_what_it_names() {
    let before = quota(Some(3), Some(2), None);
    let patch = |patch: Value| before.patched(patch.as_object().unwrap());
    assert_eq!(patch(json!({})).unwrap(), before);
    let after = patch(json!({ "running": null, "calls_per_day": 7 })).unwrap();
    assert_eq!(after, quota(Some(3), None, Some(7)));
    for wrong in [json!({ "runing": 1 }), json!({ "running": -1 }), json!({ "running": "2" })] {
        assert!(patch(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn a_start_counts_what_it_adds() {
    let limits = Entitlement { running: Some(2), memory_bytes: Some(100), ..Entitlement::unlimited() };
    let there = |processes, memory_bytes| Occupied { processes, memory_bytes };
    let running = |used| Err(StartRefusal::Running { used, allowed: 2 });
    let memory = |used, wanted| Err(StartRefusal::Memory { used, wanted, allowed: 100 });
    let table = [
        (there(0, 0), there(1, 100), Ok(())),
        (there(1, 50), there(1, 50), Ok(())),
        (there(2, 0), there(1, 0), running(2)),
        (there(1, 50), there(1, 51), memory(50, 51)),
        // The quota was lowered: what runs goes on, and nothing more is held against a second process of it.
        (there(1, 500), there(1, 0), Ok(())),
        (there(5, 0), there(1, 0), running(5)),
    ];
    for (there, more, expected) in table {
        assert_eq!(limits.check_start(there, more), expected, "{there:?} {more:?}");
        assert_eq!(Entitlement::unlimited().check_start(there, more), Ok(()));
    }
}
