//! Random handoffs, cancels and ends of nodes under writes. Nothing that was acknowledged is lost,
//! and in the end every key is in one place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use handoff::HandoffId;
use node_api::{NodeState, Phase, Role};
use ring::{Arc, ArcSet, Point};
use shell::rng::{OsRng, Rng as _};

use super::client::Client;
use super::cluster::Cluster;
use crate::store::Durability;

const NAMES: [&str; 3] = ["a", "b", "c"];
const N_KEYS: u64 = 60;

/// What a writer knows of its key: the last value that was acknowledged, and the last tried.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    acknowledged: u64,
    tried: u64,
}

impl Known {
    fn check(&self, key: &str, found: Option<u64>) {
        let found = found.unwrap_or(0);
        let fits = (self.acknowledged..=self.tried).contains(&found);
        assert!(fits, "{key} is {found}, should be {self:?}");
    }
}

/// Writes rising numbers to its own keys and reads them back, through every fault.
fn write(
    mut client: Client,
    addresses: &Mutex<BTreeMap<String, SocketAddr>>,
    stop: &AtomicBool,
) -> BTreeMap<String, Known> {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let key = format!("key-{}", n % N_KEYS);
        client.move_to(addresses.lock().unwrap().clone());
        let state = known.entry(key.clone()).or_default();
        let value = n.to_string();
        let tried = state.tried;
        state.tried = n;
        match client.try_on_key(&key, &["SET", &key, &value]) {
            Ok(Some(_)) => state.acknowledged = n,
            Ok(None) => state.tried = tried,
            Err(_) => {}
        }
        if let Ok(Some(reply)) = client.try_on_key(&key, &["GET", &key]) {
            let value = reply.as_bytes().map(|text| String::from_utf8(text.to_vec()).unwrap());
            state.check(&key, value.map(|text| text.parse().unwrap()));
        }
    }
    known
}

struct Chaos {
    cluster: Cluster,
    dice: Vec<u64>,
}

impl Chaos {
    fn below(&mut self, bound: usize) -> usize {
        let drawn = self.dice.pop().unwrap_or(0);
        usize::try_from(drawn % bound as u64).unwrap()
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len())]
    }

    fn begin(&mut self) {
        let (source, target) = (self.name(), self.name());
        let owned = self.cluster.state(source).owned.arcs();
        let low = Point(u128::from(OsRng.next_u64()) << 64);
        let half: ArcSet = Arc::new(low, Point::MAX).into_iter().collect();
        let arcs = owned.intersection(&half);
        if source == target || arcs.is_empty() {
            return;
        }
        let states = NAMES.map(|name| self.cluster.state(name));
        let epoch = states.iter().map(|state| state.highest_epoch).max().unwrap() + 1;
        let id = HandoffId(OsRng.next_u128());
        let server = |name: &str| self.cluster.server(name);
        if self.cluster.receive(target, id, server(source), &arcs, epoch).is_ok() {
            // Refused where some of it is on its way already; then the target is left behind.
            let _ = self.cluster.give(source, id, server(target), &arcs, epoch);
        }
    }

    fn cancel(&mut self) {
        let name = self.name();
        let state = self.cluster.state(name);
        let open = state.handoffs.iter().find(|handoff| !handoff.finished);
        if let Some(handoff) = open {
            let _ = self.cluster.cancel(name, handoff.id);
        }
    }

    /// Ends what nobody will ever go on with, as a planner does, and waits for the rest.
    fn settle(&self) {
        let is_lost = |states: &[NodeState], state: &NodeState, id: HandoffId| {
            let given = states.iter().any(|other| {
                other.server != state.server && other.handoffs.iter().any(|one| one.id == id)
            });
            !given
        };
        loop {
            let states = NAMES.map(|name| self.cluster.state(name));
            let mut is_quiet = true;
            for state in &states {
                for open in state.handoffs.iter().filter(|handoff| !handoff.finished) {
                    is_quiet = false;
                    let waits = open.role == Role::Target && open.phase == Phase::Receiving;
                    if waits && is_lost(&states, state, open.id) {
                        let _ = self.cluster.cancel(&state.server.name, open.id);
                    }
                }
            }
            if is_quiet {
                return;
            }
            std::thread::yield_now();
        }
    }
}

fn survives(durability: Durability, n_steps: usize) {
    let cluster = Cluster::of(&NAMES, durability);
    let addresses = Mutex::new(cluster.resp_addresses());
    let stop = AtomicBool::new(false);
    let client = cluster.client();
    let dice = (0..n_steps * 4).map(|_| OsRng.next_u64()).collect();
    println!("dice: {dice:?}");
    let mut chaos = Chaos { cluster, dice };
    let known = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(client, &addresses, &stop));
        for _ in 0..n_steps {
            match chaos.below(8) {
                0..4 => chaos.begin(),
                4 => chaos.cancel(),
                5 => {
                    let name = chaos.name();
                    chaos.cluster.restart(name);
                    *addresses.lock().unwrap() = chaos.cluster.resp_addresses();
                }
                _ => {
                    let name = chaos.name();
                    chaos.cluster.wait_for(name, |state| state.admitted);
                }
            }
        }
        chaos.settle();
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let cluster = chaos.cluster;
    for name in NAMES {
        cluster.wait_for(name, |state| state.admitted);
    }
    let mut client = cluster.client();
    let mut n_live = 0;
    for (key, known) in &known {
        let value = client.get(key).map(|text| text.parse().unwrap());
        n_live += u64::from(value.is_some());
        known.check(key, value);
    }
    cluster.wait_until_clean(n_live);
}

#[test]
fn nothing_is_lost_in_chaos_always() {
    survives(Durability::Always, 150);
}

#[test]
fn nothing_is_lost_in_chaos_everysec() {
    survives(Durability::EverySec, 150);
}
