use super::Wish;

fn wish(members: &[&str]) -> Wish {
    Wish { members: members.iter().map(|name| (*name).into()).collect(), ..Wish::default() }
}

#[test]
fn a_new_name_is_above_the_highest_present_one() {
    let added = |mut wish: Wish| wish.add(None, "kv").expect("room for one more").joining;
    assert_eq!(added(wish(&["kv-0", "kv-2"])), ["kv-3"]);
    assert_eq!(added(wish(&["other"])), ["kv-0"]);
    let mut departing = wish(&["kv-0"]);
    departing.departing.insert("kv-4".into());
    assert_eq!(added(departing), ["kv-5"]);
}
