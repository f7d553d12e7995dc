//! Shell. A server, while it has a disk.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use kvnode::handoff::HandoffLimits;
use kvnode::simulated::Outside;
use kvnode::store::{Durability, StoreConfig};
use kvnode::{Addresses, Config, RingSource};

use super::{HTTP_PORT, PEER_PORT, RESP_PORT, any};
use crate::clock::HostClock;
use crate::stage::{CLUSTER, Stage};

/// Runs until it crashes.
pub(crate) async fn run(stage: Rc<Stage>, name: String) -> turmoil::Result {
    let Some(disk) = stage.disks.borrow().get(&name).cloned() else {
        return std::future::pending().await;
    };
    let addresses = Addresses {
        resp: any(RESP_PORT),
        http: any(HTTP_PORT),
        peer: any(PEER_PORT),
        ring_source: RingSource::Coordinator(super::directory::URL.to_owned()),
    };
    let durability =
        if stage.plan.syncs_always { Durability::Always } else { Durability::EverySec };
    let mut config = Config::new(name.clone(), CLUSTER, disk.dir.clone(), addresses);
    config.store = StoreConfig::small(durability);
    config.handoff = HandoffLimits {
        chunk_bytes: stage.plan.chunk_bytes,
        window_bytes: stage.plan.chunk_bytes as u64 * 4,
        capture_bytes: stage.plan.capture_bytes,
        // A thread that sleeps between deletions would stop the simulation.
        trim_records_per_second: u64::MAX,
        ..HandoffLimits::USUAL
    };
    let host = stage.address(&name).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let probes = Rc::clone(&stage);
    let outside = Outside {
        engine: disk.engine,
        wall: Arc::new(HostClock::new(host)),
        on_start: Box::new({
            let name = name.clone();
            move |probe| drop(probes.probes.borrow_mut().insert(name, probe))
        }),
    };
    stage.say(&format!("{name} starts"));
    kvnode::simulated::run(&config, outside, std::future::pending()).await?;
    Err(format!("{name} has ended by itself").into())
}
