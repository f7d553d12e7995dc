//! Arcs move between whole nodes while clients write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use node_api::{Phase, Secret};

use super::client::Client;
use super::cluster::Cluster;
use crate::store::Durability;

fn fill(client: &mut Client, n_keys: usize) -> BTreeMap<String, String> {
    (0..n_keys)
        .map(|n| {
            let (key, value) = (format!("key-{n}"), format!("value-{n}"));
            client.set(&key, &value);
            (key, value)
        })
        .collect()
}

fn check(client: &mut Client, expected: &BTreeMap<String, String>) {
    for (key, value) in expected {
        assert_eq!(client.get(key).as_ref(), Some(value), "{key}");
    }
}

/// Writes, overwrites, deletes and reads back its own keys until told to stop.
fn write_until(mut client: Client, writer: usize, stop: &AtomicBool) -> BTreeMap<String, String> {
    let mut expected = BTreeMap::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let (key, value) = (format!("writer-{writer}-{}", n % 97), format!("{writer}-{n}"));
        if n % 5 == 4 {
            client.del(&key);
            expected.remove(&key);
        } else {
            client.set(&key, &value);
            expected.insert(key.clone(), value);
        }
        assert_eq!(client.get(&key), expected.get(&key).cloned());
        n += 1;
    }
    expected
}

fn grows_and_shrinks(durability: Durability) {
    let mut cluster = Cluster::of(&["a", "b"], durability);
    let n_keys = if durability == Durability::Always { 300 } else { 2_000 };
    let mut expected = fill(&mut cluster.client(), n_keys);
    cluster.start("c");
    let c = cluster.server("c").incarnation.to_string();
    let stop = AtomicBool::new(false);
    let clients: Vec<Client> = (0..2).map(|_| cluster.client()).collect();
    std::thread::scope(|scope| {
        let stop = &stop;
        let writers: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(n, client)| scope.spawn(move || write_until(client, n, stop)))
            .collect();
        let grown = cluster.document.as_ref().unwrap().with_member_added("c", &c).unwrap();
        cluster.commit(grown);
        cluster.tell_peers();
        cluster.wait_for("c", |state| state.admitted);
        cluster.converge();
        let shrunk = cluster.document.as_ref().unwrap().with_member_removed("a").unwrap();
        cluster.commit(shrunk);
        cluster.converge();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            expected.append(&mut writer.join().unwrap());
        }
    });
    check(&mut cluster.client(), &expected);
    cluster.wait_until_clean(expected.len() as u64);
    assert!(cluster.state("a").owned.is_empty());
    let (n_pauses, [median, _, longest]) = cluster.pauses("a");
    assert_eq!(n_pauses, 3.0, "a gave to c, then to b and c");
    assert!(0.0 < median && median <= longest && longest < 1.0);
    println!("pauses of a: median {median} s, longest {longest} s");
    cluster.retire("a");
    cluster.stop("a");
}

#[test]
fn a_ring_grows_and_shrinks_under_writes_always() {
    grows_and_shrinks(Durability::Always);
}

#[test]
fn a_ring_grows_and_shrinks_under_writes_everysec() {
    grows_and_shrinks(Durability::EverySec);
}

#[test]
fn exactly_what_changes_owner_moves() {
    moves_exactly(&Cluster::of(&["a", "b"], Durability::EverySec));
}

#[test]
fn servers_show_each_other_their_token() {
    let token = Secret::new(b"t0ken").unwrap();
    moves_exactly(&Cluster::guarded(&["a", "b"], Durability::EverySec, Some(token)));
}

fn moves_exactly(cluster: &Cluster) {
    fill(&mut cluster.client(), 1_000);
    let arcs = cluster.state("a").owned.arcs();
    let n_keys = cluster.count("a", &arcs).keys;
    let id = cluster.hand_over("a", "b", &arcs);
    cluster.wait_until_quiet();
    let (given, owned) = (cluster.handoff("a", id).unwrap(), cluster.handoff("b", id).unwrap());
    assert_eq!((given.phase, owned.phase), (Phase::Given, Phase::Owned));
    assert_eq!((given.keys_moved, owned.keys_moved), (n_keys, n_keys));
    cluster.wait_until_clean(1_000);
}

#[test]
fn a_cancelled_handoff_leaves_everything_at_the_source() {
    let cluster = Cluster::of(&["a", "b"], Durability::EverySec);
    let mut client = cluster.client();
    let mut expected = fill(&mut client, 1_000);
    let arcs = cluster.state("a").owned.arcs();
    cluster.tell_peers_but("b");
    let id = cluster.hand_over("a", "b", &arcs);
    for n in 0..100 {
        // Leaves tombstones, as a handoff is open.
        let key = format!("key-{n}");
        client.del(&key);
        expected.remove(&key);
    }
    cluster.cancel("a", id).unwrap();
    cluster.wait_for("a", |state| state.handoffs.iter().any(|h| h.phase == Phase::Dropped));
    cluster.tell_peers();
    cluster.wait_until_quiet();
    assert_eq!(cluster.handoff("b", id).unwrap().phase, Phase::Refused);
    assert_eq!(cluster.state("a").owned.arcs(), arcs);
    check(&mut client, &expected);
    cluster.wait_until_clean(900);

    // The target refuses by itself as well; the source learns it.
    cluster.tell_peers_but("b");
    let id = cluster.hand_over("a", "b", &arcs);
    cluster.cancel("b", id).unwrap();
    cluster.tell_peers();
    cluster.wait_until_quiet();
    assert_eq!(cluster.handoff("a", id).unwrap().phase, Phase::Dropped);

    let id = cluster.hand_over("a", "b", &arcs);
    cluster.wait_until_quiet();
    assert!(cluster.cancel("a", id).is_err(), "it is decided");
    assert!(cluster.state("a").owned.is_empty());
    check(&mut client, &expected);
    cluster.wait_until_clean(900);
}

/// Both sides end without warning, again and again, while arcs move.
#[test]
fn a_handoff_goes_on_after_either_side_ended() {
    let mut cluster = Cluster::of(&["a", "b"], Durability::EverySec);
    let expected = fill(&mut cluster.client(), 3_000);
    // Slow enough to be caught in the middle.
    cluster.max_bytes_per_second = Some(400_000);
    cluster.tell_peers();
    let arcs = cluster.state("a").owned.arcs();
    let n_keys = cluster.count("a", &arcs).keys;
    let id = cluster.hand_over("a", "b", &arcs);
    for name in ["b", "a", "b", "a"] {
        let before = cluster.handoff("b", id).unwrap().keys_moved;
        cluster.wait_for("b", |state| {
            state.handoffs.iter().any(|h| h.id == id && (h.finished || h.keys_moved > before))
        });
        cluster.restart(name);
    }
    cluster.max_bytes_per_second = None;
    cluster.tell_peers();
    cluster.wait_until_quiet();
    assert_eq!(cluster.handoff("b", id).unwrap().keys_moved, n_keys);
    assert!(cluster.state("a").owned.is_empty());
    for name in ["a", "b"] {
        cluster.wait_for(name, |state| state.admitted);
    }
    check(&mut cluster.client(), &expected);
    cluster.wait_until_clean(3_000);
}
