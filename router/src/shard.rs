//! Shell. One data thread: its clients, its connections to the servers, and the table by which it
//! sends. Nothing here is shared with another thread but the counters, which only this one writes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc as Shared;
use std::time::Duration;

use dialect::{Facts, Session, limits_before_password};
use resp::Limits;
use ring::{Arc, Point};
use shell::clock::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client::Client;
use crate::lived::LivedClock;
use crate::metrics::{Counters, Metrics};
use crate::park::Park;
use crate::table::{NodeIndex, Owner, Table};
use crate::upstream::link::Upstream;
use crate::{Config, walk};

/// How long a command may wait for a change of the table while the router ends, so that it gets an
/// answer before the end.
const REFUSAL_WAIT_AT_END: Duration = Duration::from_secs(1);

/// The server of a point.
pub(crate) struct Owned {
    /// Its place in the table.
    pub(crate) node: NodeIndex,
    /// The connection to it.
    pub(crate) upstream: Rc<Upstream>,
    /// The segment around the point.
    pub(crate) arc: Arc,
}

/// One data thread.
pub(crate) struct Shard {
    config: Shared<Config>,
    metrics: Shared<Metrics>,
    counters: Shared<Counters>,
    clock: Shared<dyn Clock>,
    lived: LivedClock,
    resp_port: u16,
    table: RefCell<Shared<Table>>,
    generation: Cell<u64>,
    upstreams: RefCell<Vec<Rc<Upstream>>>,
    /// Connections to servers that are gone or elsewhere, with commands that are not answered yet.
    retired: RefCell<Vec<Rc<Upstream>>>,
    clients: RefCell<BTreeMap<u64, Rc<Client>>>,
    to_flush: RefCell<Vec<Rc<Client>>>,
    random: Cell<u64>,
    next_id: Cell<u64>,
    gone: Notify,
    ending: Cell<bool>,
}

impl Shard {
    /// A thread that knows no server yet. `number` tells it from the others.
    pub(crate) fn new(
        number: usize,
        config: Shared<Config>,
        metrics: Shared<Metrics>,
        clock: Shared<dyn Clock>,
        seed: u64,
        resp_port: u16,
    ) -> Rc<Self> {
        let counters = metrics.counters_of(number);
        Rc::new(Self {
            config,
            metrics,
            counters,
            clock,
            lived: LivedClock::start(),
            resp_port,
            table: RefCell::default(),
            generation: Cell::new(0),
            upstreams: RefCell::default(),
            retired: RefCell::default(),
            clients: RefCell::default(),
            to_flush: RefCell::default(),
            random: Cell::new(seed | 1),
            next_id: Cell::new(0),
            gone: Notify::new(),
            ending: Cell::new(false),
        })
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What is measured of the whole router.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is counted on this thread.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Now, by the clock of all waits of this thread; see [`LivedClock`].
    pub(crate) fn now(&self) -> Instant {
        self.lived.now()
    }

    /// When to wake for an instant of [`Shard::now`].
    pub(crate) fn wake_time(&self, lived: Instant) -> Instant {
        self.lived.to_system(lived)
    }

    /// The number of the table in use; it grows with each one.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Bounds of what clients send.
    pub(crate) fn command_limits(&self) -> Limits {
        Limits { max_bulk_bytes: self.config.value_bytes_max, ..Limits::default() }
    }

    /// Bounds of what servers answer.
    pub(crate) fn reply_limits(&self) -> Limits {
        Limits { max_reply_bytes: self.config.reply_bytes_max, ..Limits::default() }
    }

    /// Bounds of commands about the whole ring.
    pub(crate) fn walk_limits(&self) -> walk::Limits {
        walk::Limits { keys_reply_bytes_max: self.config.keys_reply_bytes_max }
    }

    /// A point to begin a random search at; not fit for secrets.
    pub(crate) fn random_point(&self) -> Point {
        let half = || {
            let mut x = self.random.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            self.random.set(x);
            u128::from(x)
        };
        Point((half() << 64) | half())
    }

    /// The server to send a command on this point to. With `by_table` a range that the table
    /// knows to be held is not tried.
    pub(crate) fn owner(&self, point: Point, by_table: bool) -> Result<Owned, Park> {
        let table = self.table.borrow();
        let segment = table.segment(point);
        match segment.owner {
            Owner::Claimed { frozen: true, .. } if by_table => Err(Park::Frozen),
            Owner::Claimed { node, .. } => match self.upstreams.borrow().get(node as usize) {
                Some(upstream) => {
                    Ok(Owned { node, upstream: Rc::clone(upstream), arc: segment.arc })
                }
                None => Err(Park::Unowned(None)),
            },
            Owner::Unknown { expected } => {
                let expected = expected.and_then(|node| table.node(node));
                let name = expected.map(|node| format!("{} ({})", node.name, node.address));
                Err(Park::Unowned(name))
            }
        }
    }

    /// Goes over to another table. Connections to servers that stay are kept.
    pub(crate) fn install(self: &Rc<Self>, table: Shared<Table>) {
        if self.table.borrow().routes_as(&table) {
            self.table.replace(table);
            return;
        }
        let mut old = self.upstreams.take();
        let same_cluster = self.table.borrow().cluster == table.cluster;
        let mut new = Vec::with_capacity(table.nodes.len());
        for node in &table.nodes {
            let known = old.iter().position(|upstream| same_cluster && upstream.node() == node);
            let upstream = match known {
                Some(place) => old.swap_remove(place),
                None => {
                    let upstream =
                        Rc::new(Upstream::new(node.clone(), table.cluster.clone(), self.now()));
                    tokio::task::spawn_local(Rc::clone(&upstream).run(Rc::clone(self)));
                    upstream
                }
            };
            new.push(upstream);
        }
        self.upstreams.replace(new);
        self.table.replace(table);
        self.generation.set(self.generation.get() + 1);
        for upstream in old {
            upstream.retire(self);
            self.retired.borrow_mut().push(upstream);
        }
        let clients: Vec<Rc<Client>> = self.clients.borrow().values().map(Rc::clone).collect();
        clients.iter().for_each(|client| client.wake_if_stalled());
    }

    /// Lets every connection to a server look after its waiting commands.
    pub(crate) fn tick(&self) {
        let now = self.now();
        self.retired.borrow_mut().retain(|upstream| !upstream.is_finished());
        let upstreams: Vec<Rc<Upstream>> = {
            let (current, retired) = (self.upstreams.borrow(), self.retired.borrow());
            current.iter().chain(retired.iter()).map(Rc::clone).collect()
        };
        for upstream in upstreams {
            upstream.watch_over(self.config.server_wait, now, self);
        }
    }

    /// Has the client's answers written when the answers at hand are all given out.
    pub(crate) fn flush_later(&self, client: Rc<Client>) {
        self.to_flush.borrow_mut().push(client);
    }

    /// Writes the answers that were given out.
    pub(crate) fn flush_clients(&self) {
        let mut clients = self.to_flush.take();
        for client in clients.drain(..) {
            client.flush();
        }
        // Keeps the allocation.
        self.to_flush.replace(clients);
    }

    /// The number of another client.
    pub(crate) fn next_client_id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        // Unlike over all threads, and without a word between them.
        id * self.config.threads as u64 + self.counters.number() as u64 + 1
    }

    /// A client to wake when the table changes, and to end with the router.
    pub(crate) fn client_began(&self, id: u64, client: &Rc<Client>) {
        self.clients.borrow_mut().insert(id, Rc::clone(client));
    }

    /// The client is gone.
    pub(crate) fn client_ended(&self, id: u64) {
        self.clients.borrow_mut().remove(&id);
        self.gone.notify_one();
    }

    /// Waits until no client is left.
    pub(crate) async fn wait_for_clients(&self) {
        while !self.clients.borrow().is_empty() {
            self.gone.notified().await;
        }
    }

    /// How long a command may wait for a change of the table.
    pub(crate) fn refusal_wait(&self) -> Duration {
        let wait = self.config.refusal_wait;
        if self.ending.get() { wait.min(REFUSAL_WAIT_AT_END) } else { wait }
    }

    /// Has every client end as soon as nothing of it is unanswered.
    pub(crate) fn drain_clients(&self) {
        self.ending.set(true);
        self.each_client(Client::drain);
    }

    /// Tells every client that no more commands are taken.
    pub(crate) fn end_clients(&self) {
        self.each_client(Client::end);
    }

    fn each_client(&self, tell: impl Fn(&Client)) {
        let clients: Vec<Rc<Client>> = self.clients.borrow().values().map(Rc::clone).collect();
        clients.iter().for_each(|client| tell(client));
    }

    /// What the decoder takes of this client.
    pub(crate) fn limits_for(&self, session: &Session) -> Limits {
        let limits = self.command_limits();
        if session.is_locked() { limits_before_password(limits) } else { limits }
    }

    /// Whether the router ends.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// The wall clock.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    /// What INFO and TIME tell.
    pub(crate) fn facts(&self) -> Facts {
        let table = self.table.borrow();
        let connected = self.upstreams.borrow().iter().filter(|up| up.is_connected()).count();
        let server = vec![("ringkv_role", "router".to_owned())];
        let cluster = vec![
            ("ringkv_servers", table.nodes.len().to_string()),
            ("ringkv_servers_connected", connected.to_string()),
            ("ringkv_ring_epoch", table.ring_epoch.to_string()),
        ];
        Facts {
            unix_micros: self.unix_ms().saturating_mul(1_000),
            process_id: std::process::id(),
            port: self.resp_port,
            uptime_seconds: self.clock.monotonic().as_secs(),
            connected_clients: self.metrics.clients(),
            max_clients: self.config.clients_max as u64,
            total_connections: self.metrics.clients_total(),
            total_commands: self.metrics.commands_total(),
            max_value_bytes: self.config.value_bytes_max as u64,
            own: vec![("server", server), ("cluster", cluster)],
            ..Facts::default()
        }
    }
}
