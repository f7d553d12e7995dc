use super::*;

fn wish(members: &[&str]) -> Wish {
    let members = members.iter().map(|name| (*name).to_owned()).collect();
    Wish { members, ..Wish::default() }
}

fn check(wish: &Wish, members: &[&str], leavers: &[&str]) {
    assert_eq!((&*wish.members, &*wish.leavers), (&*names(members), &*names(leavers)));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_newest_leaves_and_comes_back_first() {
    let mut wish = wish(&["kv-0", "kv-1", "kv-2"]);
    wish.remove(None).unwrap();
    wish.remove(Some("kv-0")).unwrap();
    check(&wish, &["kv-1"], &["kv-2", "kv-0"]);
    let change = wish.scale(3, "kv").unwrap();
    check(&wish, &["kv-1", "kv-0", "kv-2"], &[]);
    assert_eq!(change.joining, ["kv-0", "kv-2"]);
    wish.add(None, "kv").unwrap();
    check(&wish, &["kv-1", "kv-0", "kv-2", "kv-3"], &[]);
}

#[test]
fn a_server_that_is_being_removed_keeps_its_name_until_it_is_gone() {
    let mut wish = wish(&["kv-0"]);
    wish.departing.insert("kv-1".to_owned());
    assert_eq!(wish.add(Some("kv-1"), "kv"), Err(ChangeError::BeingRemoved("kv-1".to_owned())));
    wish.add(None, "kv").unwrap();
    check(&wish, &["kv-0", "kv-2"], &[]);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let before = wish(&["kv-0", "kv-1"]);
    let mut wish = before.clone();
    assert!(matches!(wish.remove(Some("x")), Err(ChangeError::UnknownServer { .. })));
    assert!(matches!(wish.add(Some("kv-1"), "kv"), Err(ChangeError::AlreadyMember(_))));
    assert!(matches!(wish.add(Some("a b"), "kv"), Err(ChangeError::Document(_))));
    assert!(matches!(wish.scale(0, "kv"), Err(ChangeError::Replicas(0))));
    let too_many = MAX_MEMBERS + 1;
    assert_eq!(wish.scale(too_many, "kv"), Err(ChangeError::Replicas(too_many)));
    assert_eq!(wish, before);
    wish.scale(1, "kv").unwrap();
    assert_eq!(wish.remove(None), Err(ChangeError::LastServer));
    wish.scale(MAX_MEMBERS, "kv").unwrap();
    assert_eq!(wish.add(None, "kv"), Err(ChangeError::Replicas(too_many)));
}

#[test]
fn a_new_name_is_above_the_highest_present_one() {
    let added = |mut wish: Wish| wish.add(None, "kv").unwrap().joining;
    assert_eq!(added(wish(&["kv-0", "kv-2"])), ["kv-3"]);
    assert_eq!(added(wish(&["other"])), ["kv-0"]);
    let mut departing = wish(&["kv-0"]);
    departing.departing.insert("kv-4".to_owned());
    assert_eq!(added(departing), ["kv-5"]);
}

#[test]
fn exactly_these_servers() {
    let mut wish = wish(&["kv-0", "kv-2", "kv-1"]);
    wish.leavers.push("kv-3".to_owned());
    wish.departing.insert("kv-4".to_owned());
    let change = wish.set(&names(&["kv-0", "kv-1", "kv-3", "kv-4"])).unwrap();
    check(&wish, &["kv-0", "kv-1", "kv-3"], &["kv-2"]);
    assert_eq!((change.joining, change.leaving), (names(&["kv-3"]), names(&["kv-2"])));

    let before = wish.clone();
    assert_eq!(wish.set(&names(&["kv-0", "kv-1", "kv-3"])).unwrap().joining, names(&[]));
    assert_eq!(wish.set(&[]), Err(ChangeError::Replicas(0)));
    assert_eq!(wish, before);
}
