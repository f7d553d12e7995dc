//! A scripted server: it speaks what nodes speak to routers, keeps its keys in memory, and does as
//! the test says.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc as Shared, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use handoff::{Incarnation, Server};
use node_api::{Claim, NodeView};
use resp::commands::{self, Id};
use resp::{Command, CommandDecoder, Decoded, Limits, encode};
use ring::{Arc, ArcMap, ArcSet, Point};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

mod run;

use run::run;

type RecordKey = (Point, Bytes);

/// What the test does to a server, and sees of it.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) incarnation: Incarnation,
    pub(crate) address: SocketAddr,
    state: Shared<Mutex<State>>,
    changes: watch::Sender<u64>,
    runtime: tokio::runtime::Handle,
}

type Hook = Box<dyn FnOnce() + Send>;

/// How a connection is cut at a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The command is executed and not answered.
    Executed,
    /// It is not executed.
    Unexecuted,
    /// It is not executed, and the router is told that nothing more was taken.
    Bye,
}

#[derive(Default)]
struct State {
    keys: BTreeMap<RecordKey, Bytes>,
    arcs: ArcMap<Claim>,
    view: u64,
    /// Commands executed, as text, without those of the protocol.
    executed: Vec<String>,
    greetings: usize,
    accepted: usize,
    connections: usize,
    /// Routers are told to send nothing more.
    leaving: bool,
    /// What routers have to show.
    token: Option<String>,
    refusals: usize,
    resumes: usize,
    /// The connection is cut instead of answering a command whose text begins so; how.
    cut: VecDeque<(String, Cut)>,
    /// Commands are taken in but neither executed nor answered.
    holding: bool,
    /// Everything is refused so.
    loading: Option<String>,
    /// Run before a command whose text begins so.
    hooks: VecDeque<(String, Hook)>,
}

impl Node {
    /// Serves on the runtime that this is called in.
    pub(crate) async fn start(name: &str, incarnation: Incarnation, arcs: &ArcSet) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(anywhere, name, incarnation, arcs).await
    }

    /// The same at this address.
    pub(crate) async fn start_at(
        address: SocketAddr,
        name: &str,
        incarnation: Incarnation,
        arcs: &ArcSet,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port");
        let address = listener.local_addr().expect("an address");
        let mut state = State { view: 1, ..State::default() };
        for arc in arcs.iter() {
            state.arcs.insert(arc, Claim { epoch: 1, frozen: false });
        }
        let node = Self {
            name: name.to_owned(),
            incarnation,
            address,
            state: Shared::new(Mutex::new(state)),
            changes: watch::Sender::new(1),
            runtime: tokio::runtime::Handle::current(),
        };
        tokio::spawn(node.clone().accept(listener));
        node
    }

    /// Another server with the same name, volume and arcs, and these records.
    pub(crate) fn start_again(&self, keys: BTreeMap<RecordKey, Bytes>) -> Self {
        self.start_again_at(SocketAddr::from(([127, 0, 0, 1], 0)), keys)
    }

    /// The same at this address.
    pub(crate) fn start_again_at(
        &self,
        address: SocketAddr,
        keys: BTreeMap<RecordKey, Bytes>,
    ) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("the port");
        listener.set_nonblocking(true).expect("a setting");
        let address = listener.local_addr().expect("an address");
        let arcs = self.state().arcs.clone();
        let state = State { view: 1, arcs, keys, ..State::default() };
        let state = Shared::new(Mutex::new(state));
        let node = Self { address, state, changes: watch::Sender::new(1), ..self.clone() };
        let accepting = node.clone();
        self.runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            accepting.accept(listener).await;
        });
        node
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(self.clone().serve(stream));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked with the lock")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.view += 1;
        let view = state.view;
        drop(state);
        self.changes.send_replace(view);
    }

    /// Holds, or releases, its part of the arc.
    pub(crate) fn freeze(&self, arc: Arc, frozen: bool) {
        self.change(|state| {
            let held = state.arcs.restrict(&arc.into());
            for (arc, claim) in held.iter() {
                state.arcs.insert(arc, Claim { frozen, ..*claim });
            }
        });
    }

    /// Serves the arc from this epoch on, with these records.
    pub(crate) fn own(&self, arc: Arc, epoch: u64, records: BTreeMap<RecordKey, Bytes>) {
        self.change(|state| {
            state.keys.extend(records);
            state.arcs.insert(arc, Claim { epoch, frozen: false });
        });
    }

    /// Serves the arc no longer; answers its records.
    pub(crate) fn give(&self, arc: Arc) -> BTreeMap<RecordKey, Bytes> {
        let mut given = BTreeMap::new();
        self.change(|state| {
            state.arcs.remove(&arc.into());
            let keys = std::mem::take(&mut state.keys);
            (given, state.keys) = keys.into_iter().partition(|((p, _), _)| arc.contains(*p));
        });
        given
    }

    /// A copy of the records in the arc.
    pub(crate) fn records(&self, arc: Arc) -> BTreeMap<RecordKey, Bytes> {
        let state = self.state();
        let inside = state.keys.iter().filter(|((point, _), _)| arc.contains(*point));
        inside.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Cuts the connection instead of answering the next command that begins so.
    pub(crate) fn cut_at(&self, beginning: &str, cut: Cut) {
        self.state().cut.push_back((beginning.to_owned(), cut));
    }

    /// Takes commands without answering them, from now on or no longer.
    pub(crate) fn hold(&self, holding: bool) {
        self.state().holding = holding;
        self.changes.send_modify(|_| {});
    }

    /// Refuses everything, or no longer.
    pub(crate) fn set_loading(&self, why: Option<&str>) {
        self.state().loading = why.map(str::to_owned);
    }

    /// Tells routers to go, and takes no more connections.
    pub(crate) fn leave(&self) {
        self.state().leaving = true;
        self.changes.send_modify(|_| {});
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// Asks routers for this from now on.
    pub(crate) fn ask_token(&self, token: &str) {
        self.state().token = Some(token.to_owned());
    }

    /// Runs something before the next command that begins so.
    pub(crate) fn hook(&self, beginning: &str, hook: impl FnOnce() + Send + 'static) {
        self.state().hooks.push_back((beginning.to_owned(), Box::new(hook)));
    }

    pub(crate) fn executed(&self) -> Vec<String> {
        self.state().executed.clone()
    }

    /// Connections of routers so far: each has one for the watch and one for each data thread.
    pub(crate) fn greetings(&self) -> usize {
        self.state().greetings
    }

    /// Connections so far, greeted or not.
    pub(crate) fn accepted(&self) -> usize {
        self.state().accepted
    }

    pub(crate) fn refusals(&self) -> usize {
        self.state().refusals
    }

    pub(crate) fn resumes(&self) -> usize {
        self.state().resumes
    }

    async fn serve(self, mut stream: TcpStream) {
        if self.state().leaving {
            return;
        }
        self.state().connections += 1;
        self.state().accepted += 1;
        let node = self.clone();
        let mut connection =
            Connection { node: self, marks: Vec::new(), router: false, told: false };
        let mut decoder = CommandDecoder::new(Limits::default());
        let mut input = BytesMut::new();
        // An error is the end of the connection, whoever ended it.
        let _ = connection.serve(&mut stream, &mut decoder, &mut input).await;
        node.state().connections -= 1;
    }
}

struct Connection {
    node: Node,
    marks: Vec<Arc>,
    router: bool,
    /// Whether the router knows that it leaves.
    told: bool,
}

enum Done {
    Reply,
    Cut,
}

impl Connection {
    async fn serve(
        &mut self,
        stream: &mut TcpStream,
        decoder: &mut CommandDecoder,
        input: &mut BytesMut,
    ) -> io::Result<()> {
        loop {
            let mut output = BytesMut::new();
            while let Some(decoded) = decoder.decode(input).map_err(io::Error::other)? {
                let Decoded::Command(command) = decoded else { continue };
                if command.name_is("RINGKV.WATCH") {
                    self.watch(&command, &mut output).await;
                    continue;
                }
                let mut changes = self.node.changes.subscribe();
                while self.node.state().holding {
                    changes.changed().await.map_err(io::Error::other)?;
                }
                let text = text_of(&command);
                let hook = {
                    let mut state = self.node.state();
                    let first = state.hooks.front().is_some_and(|(at, _)| text.starts_with(at));
                    if first { state.hooks.pop_front() } else { None }
                };
                if let Some((_, hook)) = hook {
                    hook();
                }
                if matches!(self.execute(&command, &text, &mut output), Done::Cut) {
                    stream.write_all(&output).await?;
                    stream.shutdown().await?;
                    while stream.read_buf(input).await? > 0 {}
                    return Ok(());
                }
            }
            stream.write_all(&output).await?;
            let mut changes = self.node.changes.subscribe();
            if self.router && !self.told && self.node.state().leaving {
                self.told = true;
                stream.write_all(b">1\r\n$7\r\nLEAVING\r\n").await?;
            }
            tokio::select! {
                read = stream.read_buf(input) => if read? == 0 {
                    return Ok(());
                },
                _ = changes.changed() => {}
            }
        }
    }

    async fn watch(&self, command: &Command, output: &mut BytesMut) {
        let known: u64 = number(command, 1);
        let mut changes = self.node.changes.subscribe();
        let wait = changes.wait_for(|view| *view != known);
        let _ = tokio::time::timeout(Duration::from_secs(1), wait).await;
        let view = {
            let state = self.node.state();
            NodeView {
                server: Server { name: self.node.name.clone(), incarnation: self.node.incarnation },
                view: state.view,
                ring_epoch: 1,
                admitted: true,
                arcs: state.arcs.clone(),
            }
        };
        encode::bulk(output, &serde_json::to_vec(&view).expect("JSON"));
    }

    fn execute(&mut self, command: &Command, text: &str, output: &mut BytesMut) -> Done {
        let mut state = self.node.state();
        if command.name_is("RINGKV.HELLO") {
            let token = state.token.as_ref().map(String::as_bytes);
            self.router = command.arg_is(4, &self.node.incarnation.to_string())
                && token.is_none_or(|token| command.arg(5) == Some(token));
            if self.router {
                state.greetings += 1;
                encode::ok(output);
            } else {
                encode::error(output, "WRONGNODE another volume");
            }
            return Done::Reply;
        }
        if command.name_is("RINGKV.RESUME") {
            let arc = arc(command);
            self.marks.retain(|mark| !(arc.start() <= mark.start() && mark.last() <= arc.last()));
            state.resumes += 1;
            encode::ok(output);
            return Done::Reply;
        }
        assert!(self.router, "a command before the greeting: {text}");
        if let Some(refusal) = refuse(&state, &mut self.marks, command) {
            state.refusals += 1;
            encode::error(output, &refusal);
            return Done::Reply;
        }
        let cut = state.cut.front().is_some_and(|(at, _)| text.starts_with(at));
        let cut = if cut { state.cut.pop_front() } else { None };
        match cut {
            Some((_, Cut::Bye)) => {
                output.extend_from_slice(b">1\r\n$7\r\nLEAVING\r\n>1\r\n$3\r\nBYE\r\n");
                return Done::Cut;
            }
            Some((_, Cut::Unexecuted)) => return Done::Cut,
            Some((_, Cut::Executed)) | None => {}
        }
        state.executed.push(text.to_owned());
        let before = output.len();
        run(&mut state, command, output);
        if cut.is_none() {
            return Done::Reply;
        }
        output.truncate(before);
        Done::Cut
    }
}

fn refuse(state: &State, marks: &mut Vec<Arc>, command: &Command) -> Option<String> {
    if let Some(why) = &state.loading {
        marks.push(Arc::FULL);
        return Some(format!("LOADING {why}"));
    }
    for (point, last) in points(command) {
        let mark = marks.iter().find(|mark| mark.contains(point)).copied();
        let (arc, reason) = match state.arcs.entry(point) {
            Some((arc, claim)) if claim.frozen => (arc, "FROZEN"),
            Some((arc, _)) if last.is_some_and(|last| !arc.contains(last)) => (arc, "MOVED"),
            Some(_) if mark.is_some() => (mark?, "FROZEN"),
            Some(_) => continue,
            None => (state.arcs.arcs().complement().arc_of(point)?, "MOVED"),
        };
        marks.push(arc);
        let (start, last) = (arc.start(), arc.last());
        let tail = if reason == "MOVED" { " 1 ?" } else { "" };
        return Some(format!("{reason} {start} {last}{tail}"));
    }
    None
}

/// The points that a command touches; for a range its first, with its last.
fn points(command: &Command) -> Vec<(Point, Option<Point>)> {
    let spec = commands::lookup(command.name()).expect("a known command");
    if matches!(spec.id, Id::RingkvScan | Id::RingkvCount | Id::RingkvFlush) {
        let arc = arc(command);
        return vec![(arc.start(), Some(arc.last()))];
    }
    let places = spec.key_places(command.len());
    places.map(|place| (Point::of(command.arg(place).unwrap_or_default()), None)).collect()
}

fn record_key(key: &Bytes) -> RecordKey {
    (Point::of(key), key.clone())
}

fn text_of(command: &Command) -> String {
    let words: Vec<_> = command.args().map(String::from_utf8_lossy).collect();
    words.join(" ")
}

fn number<T: std::str::FromStr>(command: &Command, place: usize) -> T {
    let text = std::str::from_utf8(command.arg(place).expect("a word")).expect("text");
    text.parse().ok().expect("a number")
}

fn arc(command: &Command) -> Arc {
    Arc::new(number(command, 1), number(command, 2)).expect("an arc")
}
