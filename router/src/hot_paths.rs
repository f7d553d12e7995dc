//! Shell. A data thread without sockets, whose whole way from a client's command to its answer can
//! be measured: `crates/hot-paths` does that.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc as Shared;

use bytes::{Bytes, BytesMut};
use node_api::{Claim, Membership, NodeView, ServerAddresses};
use resp::{Command, CommandDecoder, Decoded, Limits, Protocol, ReplyDecoder, Value};
use ring::{ArcMap, Point, Ring, RingDocument};
use shell::clock::SystemClock;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::metrics::Metrics;
use crate::route::{Route, route};
use crate::shard::Shard;
use crate::table::Table;
use crate::upstream::link::Upstream;
use crate::{Config, Source};

/// Room for the next read.
const READ_BYTES: usize = 64 * 1024;

/// A data thread, one client of it, and its connections to servers.
pub struct Relay {
    shard: Rc<Shard>,
    client: Rc<Client>,
    servers: Vec<Server>,
    now: Instant,
    /// Keeps what would connect from running.
    _tasks: LocalSet,
}

struct Server {
    upstream: Rc<Upstream>,
    decoder: ReplyDecoder,
    input: BytesMut,
}

/// What a client sends at once, and what the servers answer to it.
pub struct Round {
    commands: Bytes,
    /// By server.
    replies: Vec<Bytes>,
}

impl Relay {
    /// To the servers of this ring, each of which serves what it should.
    ///
    /// # Panics
    /// The document describes no ring.
    #[must_use]
    pub fn new(document: &RingDocument) -> Self {
        let address = ([127, 0, 0, 1], 0).into();
        let source = Source::Coordinator("http://127.0.0.1:1".to_owned());
        let config = Config { threads: 1, ..Config::new(address, address, source) };
        let metrics = Metrics::new(1).expect("one thread is not too many");
        let clock = Shared::new(SystemClock::new());
        let shard = Shard::new(0, Shared::new(config), Shared::new(metrics), clock, 1, 0);
        let tasks = LocalSet::new();
        let table = table(document);
        let starts: Vec<Point> = table.segments().iter().map(|part| part.arc.start()).collect();
        let inside = tasks.enter();
        shard.install(Shared::new(table));
        drop(inside);
        let owned = starts.iter().filter_map(|start| shard.owner(*start, false).ok());
        let upstreams: BTreeMap<_, _> = owned.map(|owned| (owned.node, owned.upstream)).collect();
        let servers = upstreams.into_values().map(|upstream| Server {
            upstream,
            decoder: ReplyDecoder::new(shard.reply_limits()),
            input: BytesMut::new(),
        });
        let servers = servers.collect();
        let client = Client::unconnected(&shard);
        Self { shard, client, servers, now: Instant::now(), _tasks: tasks }
    }

    /// Which server a command with one key goes to.
    #[must_use]
    pub fn server_of(&self, command: &Command) -> Option<u32> {
        let random = || self.shard.random_point();
        match route(command, random, self.shard.walk_limits()) {
            Route::One { point, .. } => self.shard.owner(point, true).ok().map(|owned| owned.node),
            _ => None,
        }
    }

    /// Sends the commands once, and keeps what the servers say to them.
    pub fn rehearse(
        &mut self,
        commands: impl Into<Bytes>,
        answer: impl Fn(&Command) -> Value,
    ) -> Round {
        let commands = commands.into();
        Client::receive(&self.client, &commands, &self.shard, self.now);
        let mut replies = Vec::new();
        for server in &self.servers {
            let mut sent = BytesMut::new();
            server.upstream.write(self.now, |bytes| sent.extend_from_slice(bytes));
            let mut decoder = CommandDecoder::new(Limits::default());
            let mut out = BytesMut::new();
            while let Ok(Some(Decoded::Command(command))) = decoder.decode(&mut sent) {
                answer(&command).encode(&mut out, Protocol::Resp2);
            }
            replies.push(out.freeze());
        }
        self.answer(&replies);
        Round { commands, replies }
    }

    /// Takes the commands, sends them on, takes the replies, and writes the answers; whether
    /// nothing is left unanswered.
    pub fn run(&mut self, round: &Round) -> bool {
        Client::receive(&self.client, &round.commands, &self.shard, self.now);
        for server in &self.servers {
            server.upstream.write(self.now, |bytes| {
                std::hint::black_box(bytes);
            });
        }
        self.answer(&round.replies);
        self.client.is_idle()
    }

    fn answer(&mut self, replies: &[Bytes]) {
        for (server, reply) in self.servers.iter_mut().zip(replies) {
            if reply.is_empty() {
                continue;
            }
            let Server { upstream, decoder, input } = server;
            input.reserve(READ_BYTES);
            input.extend_from_slice(reply);
            let taken = upstream.take_replies(decoder, input, &self.shard);
            assert!(taken.is_ok(), "the replies are to what was sent");
        }
        self.shard.flush_clients();
    }
}

/// Every server serves what the document gives it.
fn table(document: &RingDocument) -> Table {
    let ring = Ring::from_document(document).expect("the document describes a ring");
    let mut servers = BTreeMap::new();
    let mut views = BTreeMap::new();
    for member in &document.members {
        let address = || format!("{}:1", member.name);
        let addresses = ServerAddresses { resp: address(), http: address(), peer: address() };
        servers.insert(member.name.clone(), addresses);
        let mut arcs = ArcMap::default();
        for arc in ring.arcs_of(&member.name).iter() {
            arcs.insert(arc, Claim { epoch: document.epoch, frozen: false });
        }
        let incarnation = member.incarnation.parse().expect("a valid document has incarnations");
        let server = handoff::Server { name: member.name.clone(), incarnation };
        let ring_epoch = document.epoch;
        let view = NodeView { server, view: 1, ring_epoch, admitted: true, arcs };
        views.insert(member.name.clone(), view);
    }
    let membership = Membership { generation: 1, document: document.clone(), servers };
    Table::build(&membership, &views)
}
