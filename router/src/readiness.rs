//! Shell. Whether clients can be sent to this router.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shell::drain::DrainToken;

use crate::table::{Owner, Table};

/// How long a new router waits for the servers that it has not heard of. Then it serves the parts
/// of the ring that it knows: a server that is away must not keep all routers away.
const PARTIAL_AFTER: Duration = Duration::from_secs(10);

/// What the router has been so far.
pub(crate) struct Readiness {
    since: Instant,
    was_ready: AtomicBool,
    leaving: DrainToken,
}

impl Readiness {
    /// Of a router that begins now.
    pub(crate) fn new(leaving: DrainToken) -> Self {
        Self { since: Instant::now(), was_ready: AtomicBool::new(false), leaving }
    }

    /// Whether it is ready by this table; if not, why.
    pub(crate) fn check(&self, table: &Table) -> Result<(), String> {
        if self.leaving.is_draining() {
            return Err("the router is leaving; it takes no new clients soon".to_owned());
        }
        let was_ready = self.was_ready.load(Relaxed);
        decide(table, was_ready, self.since.elapsed())?;
        self.was_ready.store(true, Relaxed);
        Ok(())
    }
}

/// A router that has been ready stays so: what it cannot reach fails for each key of its own.
fn decide(table: &Table, was_ready: bool, age: Duration) -> Result<(), String> {
    let knows_some =
        || table.segments().iter().any(|one| matches!(one.owner, Owner::Claimed { .. }));
    if was_ready || table.is_complete() || (age >= PARTIAL_AFTER && knows_some()) {
        return Ok(());
    }
    let unknown = |owner: &Owner| match owner {
        Owner::Unknown { expected } => Some(*expected),
        Owner::Claimed { .. } => None,
    };
    let mut missing: Vec<String> = (table.segments().iter())
        .filter_map(|segment| unknown(&segment.owner))
        .filter_map(|expected| table.node(expected?))
        .map(|node| format!("{} ({})", node.name, node.address))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    Err(if missing.is_empty() {
        "the servers of the ring are not known yet".to_owned()
    } else {
        format!("some keys have no known server; by the ring they belong to {}", missing.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use ring::{Arc, Point};

    use super::*;
    use crate::table::{Node, Segment};

    fn table(owners: [Owner; 2]) -> Table {
        let node = |name: &str| Node {
            name: name.into(),
            address: "10.0.0.1:6400".into(),
            incarnation: None,
        };
        let half = Point(u128::MAX / 2);
        let arcs = [Arc::new(Point::MIN, half), half.next().and_then(|p| Arc::new(p, Point::MAX))];
        let segments = arcs.into_iter().zip(owners);
        let segments =
            segments.map(|(arc, owner)| Segment { arc: arc.expect("an arc"), owner }).collect();
        Table::from_segments("c".into(), 1, vec![node("kv-0"), node("kv-1")], segments)
    }

    #[test]
    fn a_new_router_waits_for_every_server_for_a_while() {
        let owner = Owner::Claimed { node: 0, epoch: 1, frozen: false };
        let unknown = Owner::Unknown { expected: Some(1) };
        let (young, old) = (PARTIAL_AFTER - Duration::from_millis(1), PARTIAL_AFTER);
        assert_eq!(decide(&table([owner, owner]), false, Duration::ZERO), Ok(()));
        let error = decide(&table([owner, unknown]), false, young).expect_err("incomplete");
        assert!(error.ends_with("they belong to kv-1 (10.0.0.1:6400)"), "{error}");
        assert_eq!(decide(&table([owner, unknown]), false, old), Ok(()));
        assert!(decide(&table([unknown, unknown]), false, old).is_err());
        let error = decide(&Table::default(), false, old).expect_err("nothing is known");
        assert!(error.ends_with("not known yet"), "{error}");
        assert_eq!(decide(&table([unknown, unknown]), true, young), Ok(()));
    }

    #[test]
    fn a_router_that_leaves_is_not_ready() {
        let (drain, leaving) = shell::drain::channel();
        let readiness = Readiness::new(leaving);
        let owner = Owner::Claimed { node: 0, epoch: 1, frozen: false };
        assert_eq!(readiness.check(&table([owner, owner])), Ok(()));
        drain.start();
        let error = readiness.check(&table([owner, owner])).expect_err("leaving");
        assert!(error.contains("leaving"), "{error}");
    }
}
