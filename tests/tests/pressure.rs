//! Clients that write as fast as they can onto what moves: the handoffs end all the same, because
//! the servers slow the writers, and the writers see no error.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use e2e::cluster::{LocalCluster, Options};
use e2e::scenario;
use e2e::workload::{Plan, press};

const WRITERS: u64 = 4;

#[test]
fn handoffs_end_however_fast_clients_write() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(2)).await?;
        let stop = Rc::new(Cell::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let plan = Plan { keys: 20_000, clients: 1, value_bytes: 500, seed: number + 1 };
                let (address, stop) = (cluster.resp(), Rc::clone(&stop));
                tokio::task::spawn_local(async move { press(plan, &address, &stop).await })
            })
            .collect();
        let began = Instant::now();
        cluster.change_by(2).await?;
        cluster.wait_settled(4).await?;
        cluster.change_by(-1).await?;
        cluster.wait_settled(3).await?;
        let took = began.elapsed();
        stop.set(true);
        let mut writes = 0;
        for writer in writers {
            writes += writer.await??;
        }
        println!("    2 -> 4 -> 3 servers in {took:.1?}, with {writes} writes meanwhile");
        cluster.stop().await
    })
}
