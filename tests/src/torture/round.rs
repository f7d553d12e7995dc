//! Shell. One round: clients at work while things go wrong and the size changes; then everything is
//! well again, the cluster comes to rest, and every key is judged.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ring::{ArcMap, RingDocument};
use serde::Deserialize;
use serde_json::json;

use super::clients::{self, Shared, last_read};
use super::history::{History, Trouble, Violation};
use super::inject::{Done, Injector};
use super::plan::{Change, Choice, Event, Round};
use super::report::Sums;
use crate::client_error::ErrorKind;
use crate::cluster::LocalCluster;
use crate::outage::Outage;
use crate::resp::{Answer, Client, frame};
use crate::{http, inventory, wait};

/// How long the answer to a change of size is waited for while things go wrong.
const CHANGE_WITHIN: Duration = Duration::from_secs(5);
/// How long the last change of a round may take to be accepted, when everything is well again.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(60);
/// How long the cluster may take to come to rest then.
const REST_WITHIN: Duration = Duration::from_secs(180);
/// How long clients may see errors after the end of what explains them: processes that have died
/// often are started again after some seconds.
const RECOVERY: Duration = Duration::from_secs(30);
/// How long all servers may take to serve again, when everything is well; on a busy machine longer
/// than [`RECOVERY`], and then errors are explained until shortly after.
const SERVES_WITHIN: Duration = Duration::from_secs(180);
const AFTER_SERVING: Duration = Duration::from_secs(2);
/// How long a client may take to finish its operation.
const CLIENTS_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether there is another ring document.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Commands in one pipeline.
const PIPELINE: usize = 256;
/// Of so many keys of earlier rounds one is deleted before a round.
const DELETED_OF: usize = 3;
/// How many unexplained errors are shown.
const SHOWN_MAX: usize = 5;

/// What lasts from round to round on one cluster.
#[derive(Default)]
pub(super) struct Settled {
    /// Keys that are there, with their values.
    live: BTreeMap<String, Vec<u8>>,
    /// Keys that are not there any more.
    gone: BTreeSet<String>,
}

/// What a round needs and leaves behind.
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a mut LocalCluster,
    pub(super) injector: &'a mut Injector,
    pub(super) settled: &'a mut Settled,
    /// What happened, line by line, for whoever has to find out why it failed.
    pub(super) story: Story,
    pub(super) sums: Sums,
}

/// What must not be.
pub(super) enum Failure {
    /// Keys whose history cannot be.
    Keys(Vec<Violation>),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Lines with the time since the round began.
#[derive(Clone)]
pub(super) struct Story {
    began: Instant,
    lines: Rc<RefCell<Vec<String>>>,
}

impl Story {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), lines: Rc::default() }
    }

    fn tell(&self, line: &str) {
        let line = format!("{:>7.2} s  {line}", self.began.elapsed().as_secs_f64());
        self.lines.borrow_mut().push(line);
    }

    pub(super) fn text(&self) -> String {
        self.lines.borrow().join("\n")
    }
}

/// Runs a round and judges it.
pub(super) async fn run(
    stage: &mut Stage<'_>,
    choice: &Choice,
    round: &Round,
    clients: u16,
) -> Result<(), Failure> {
    stage.sums.faults = round.faults.iter().map(|fault| fault.nemesis().name()).collect();
    delete_some(stage, round.seed).await.context("deletions before the round")?;

    let shared = Shared::new(round.number, stage.cluster.resp(), choice, clients);
    let shared = Rc::new(shared);
    stage.story = Story::new();
    let rings = Rings::watch(stage.cluster.data());
    let workers = clients::start(&shared, clients, round.seed);
    let mut outages = drive(stage, choice, round, &shared).await?;
    serve_again(stage, &shared, &mut outages).await?;
    let rested = rest(stage, choice, round).await;
    shared.stop.set(true);
    stage.sums.operations = shared.operations.get();
    rested?;

    let mut history = History::default();
    for worker in workers {
        let done = tokio::time::timeout(CLIENTS_WITHIN, worker).await;
        history.merge(done.context("a client does not end")?.context("a client failed")?);
    }
    // What still expires would not be the same when it is read again.
    tokio::time::sleep(clients::LIFE_MAX).await;
    let found = last_read::read_all(&shared, &mut history).await.context("the last read")?;
    let (keys, violations) = history.judge();
    stage.sums.keys = keys as u64;
    if !violations.is_empty() {
        return Err(Failure::Keys(violations));
    }
    explain(stage, &history.troubles, &outages, &rings.stop())?;
    settle(stage, found).await?;
    let keys = stage.settled.live.keys().cloned().collect();
    inventory::require_exact_placement(stage.cluster, keys).await?;
    Ok(())
}

/// Lets everything happen at its time; what clients may have seen of it.
async fn drive(
    stage: &mut Stage<'_>,
    choice: &Choice,
    round: &Round,
    shared: &Shared,
) -> anyhow::Result<Vec<Outage>> {
    let began = tokio::time::Instant::now();
    let accepted = Rc::new(Cell::new(0));
    let mut begun: BTreeMap<usize, (Done, u64)> = BTreeMap::new();
    let mut outages = Vec::new();
    for (at, event) in &round.events {
        tokio::time::sleep_until(began + *at).await;
        match event {
            Event::Begin(number) => {
                let Some(fault) = round.faults.get(*number) else { continue };
                let from_ms = shared.now() / 1_000_000;
                let done = stage.injector.begin(stage.cluster, *number, *fault).await?;
                stage.story.tell(&format!("[{number}] {}", done.text));
                begun.insert(*number, (done, from_ms));
            }
            Event::End(number) => {
                stage.injector.end(*number)?;
                stage.story.tell(&format!("[{number}] is over"));
                let Some((done, from_ms)) = begun.remove(number) else { continue };
                let until_ms = shared.now() / 1_000_000 + as_ms(RECOVERY);
                let outage = |victim| Outage { victim, from_ms, until_ms };
                outages.extend(done.victims.into_iter().map(outage));
            }
            Event::Change(change) => ask(stage, *change, &accepted),
        }
    }
    tokio::time::sleep_until(began + choice.round).await;
    stage.sums.changes = accepted.get();
    Ok(lengthened(outages))
}

/// While one thing is wrong, another one may not get well: a server is not started again while the
/// supervisor stands still.
fn lengthened(mut outages: Vec<Outage>) -> Vec<Outage> {
    outages.sort_by_key(|outage| Reverse(outage.until_ms));
    let all = outages.clone();
    for outage in &mut outages {
        let overlaps =
            |other: &&Outage| other.from_ms <= outage.until_ms && other.until_ms >= outage.from_ms;
        outage.until_ms =
            all.iter().filter(overlaps).map(|other| other.until_ms).max().unwrap_or(0);
    }
    outages
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Asks for a change in the background; while things go wrong it may not be heard.
fn ask(stage: &Stage<'_>, change: Change, accepted: &Rc<Cell<u64>>) {
    let (address, story) = (stage.cluster.http(), stage.story.clone());
    let names = wanted(stage.cluster.data());
    let (path, body) = match change {
        Change::To(servers) => ("/scale", json!({ "servers": servers })),
        Change::Add => ("/add-server", json!({})),
        Change::Remove(number) => {
            let name = names.get(number as usize % names.len().max(1));
            ("/remove-server", json!({ "name": name }))
        }
    };
    let accepted = Rc::clone(accepted);
    tokio::task::spawn_local(async move {
        let answer = tokio::time::timeout(CHANGE_WITHIN, http::post(&address, path, &body)).await;
        let text = match answer {
            Ok(Ok(answer)) if answer.status == 202 => {
                accepted.set(accepted.get() + 1);
                format!("{path} {body}: {}", answer.text().trim())
            }
            Ok(Ok(answer)) => format!("{path} {body}: {} {}", answer.status, answer.text().trim()),
            Ok(Err(error)) => format!("{path} {body}: {error:#}"),
            Err(_) => format!("{path} {body}: no answer in time"),
        };
        story.tell(&text);
    });
}

/// The servers that are wanted, as the cluster keeps it.
fn wanted(data: &Path) -> Vec<String> {
    #[derive(Deserialize)]
    struct ClusterFile {
        wanted: Vec<String>,
    }
    let json = fs::read(data.join("cluster.json")).unwrap_or_default();
    serde_json::from_slice::<ClusterFile>(&json).map(|file| file.wanted).unwrap_or_default()
}

/// Waits until every server serves; what was wrong is seen no longer than until shortly after that.
async fn serve_again(
    stage: &mut Stage<'_>,
    shared: &Shared,
    outages: &mut [Outage],
) -> anyhow::Result<()> {
    stage
        .cluster
        .wait_status("every server serves again", SERVES_WITHIN, |status| {
            !status.servers.is_empty() && status.servers.iter().all(|server| server.ready)
        })
        .await?;
    stage.story.tell("every server serves");
    let served_ms = shared.now() / 1_000_000 + as_ms(AFTER_SERVING);
    for outage in outages {
        outage.until_ms = outage.until_ms.max(served_ms);
    }
    Ok(())
}

/// Asks for the last size, and waits until the cluster is as it was asked to be.
async fn rest(stage: &mut Stage<'_>, choice: &Choice, round: &Round) -> anyhow::Result<()> {
    let cluster = &*stage.cluster;
    let mut names = wanted(cluster.data());
    if choice.scale {
        let body = json!({ "servers": round.servers_at_end });
        let (address, body) = (&cluster.http(), &body);
        let change: serde_json::Value =
            wait::until("the last change is accepted", ACCEPTED_WITHIN, || async move {
                match http::post(address, "/scale", body).await {
                    Ok(answer) if answer.status == 202 => answer.json().map_err(|e| e.to_string()),
                    Ok(answer) => Err(answer.text()),
                    Err(error) => Err(format!("{error:#}")),
                }
            })
            .await?;
        stage.sums.changes += 1;
        names = serde_json::from_value(change["to"].clone())?;
    }
    let names: BTreeSet<String> = names.into_iter().collect();
    stage.story.tell(&format!("everything is well; to rest with {names:?}"));
    cluster
        .wait_status(&format!("rest with {names:?}"), REST_WITHIN, |status| {
            status.is_settled(names.len())
                && status.names().into_iter().collect::<BTreeSet<_>>() == names
        })
        .await?;
    stage.story.tell("at rest");
    Ok(())
}

/// Every error must be of a kind, on a key and at a time that a fault explains.
fn explain(
    stage: &mut Stage<'_>,
    troubles: &[Trouble],
    outages: &[Outage],
    rings: &[ArcMap<String>],
) -> anyhow::Result<()> {
    let mut unexplained = Vec::new();
    for trouble in troubles {
        *stage.sums.errors.entry(trouble.kind).or_default() += 1;
        let keys: Vec<&str> = trouble.keys.iter().map(String::as_str).collect();
        let times = (trouble.called / 1_000_000, trouble.answered / 1_000_000);
        let explains = |outage: &Outage| outage.explains(trouble.kind, &keys, times, rings);
        if trouble.kind == ErrorKind::Answer || !outages.iter().any(explains) {
            unexplained.push(trouble);
        }
    }
    if unexplained.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> =
        unexplained.iter().take(SHOWN_MAX).map(|it| format!("{it:?}")).collect();
    bail!(
        "{} of {} errors are not explained by {outages:?}:\n{}",
        unexplained.len(),
        troubles.len(),
        shown.join("\n")
    )
}

/// Every ring document that there was.
struct Rings {
    stop: Rc<Cell<bool>>,
    found: Rc<RefCell<BTreeMap<u64, ArcMap<String>>>>,
}

impl Rings {
    fn watch(data: &Path) -> Self {
        let (stop, found) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(BTreeMap::new())));
        let path = data.join("ring.json");
        tokio::task::spawn_local({
            let (stop, found) = (Rc::clone(&stop), Rc::clone(&found));
            async move {
                while !stop.get() {
                    let json = fs::read(&path).unwrap_or_default();
                    if let Ok(document) = RingDocument::from_json(&json)
                        && !found.borrow().contains_key(&document.epoch)
                        && let Ok(owners) = inventory::assignment(&document)
                    {
                        found.borrow_mut().insert(document.epoch, owners);
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        });
        Self { stop, found }
    }

    fn stop(&self) -> Vec<ArcMap<String>> {
        self.stop.set(true);
        self.found.borrow().values().cloned().collect()
    }
}

/// Deletes some keys of earlier rounds; each must be there.
async fn delete_some(stage: &mut Stage<'_>, seed: u64) -> anyhow::Result<()> {
    let skip = usize::try_from(seed % DELETED_OF as u64)?;
    let names: Vec<String> =
        stage.settled.live.keys().skip(skip).step_by(DELETED_OF).cloned().collect();
    let mut client = Client::connect(&stage.cluster.resp()).await?;
    for group in names.chunks(PIPELINE) {
        let frames = group.iter().flat_map(|name| frame(&[b"DEL", name.as_bytes()]));
        client.send(&frames.collect::<Vec<u8>>()).await?;
        for name in group {
            let answer = client.answer().await?;
            anyhow::ensure!(answer == Answer::Integer(1), "DEL {name}: {}", answer.text());
            stage.settled.live.remove(name);
            stage.settled.gone.insert(name.clone());
        }
    }
    Ok(())
}

/// Reads what earlier rounds have left, which must not have changed, and adds what this one leaves.
async fn settle(
    stage: &mut Stage<'_>,
    found: BTreeMap<String, Option<Vec<u8>>>,
) -> anyhow::Result<()> {
    for (name, value) in found {
        match value {
            Some(value) => drop(stage.settled.live.insert(name, value)),
            None => drop(stage.settled.gone.insert(name)),
        }
    }
    let live = stage.settled.live.iter().map(|(name, value)| (name, Some(value)));
    let all: Vec<_> = live.chain(stage.settled.gone.iter().map(|name| (name, None))).collect();
    let mut client = Client::connect(&stage.cluster.resp()).await?;
    for group in all.chunks(PIPELINE) {
        let frames = group.iter().flat_map(|(name, _)| frame(&[b"GET", name.as_bytes()]));
        client.send(&frames.collect::<Vec<u8>>()).await?;
        for (name, value) in group {
            let answer = client.answer().await?;
            anyhow::ensure!(
                answer == Answer::Bulk(value.cloned()),
                "after everything was settled, {name} has changed from {} to {}",
                Answer::Bulk(value.cloned()).text(),
                answer.text()
            );
        }
    }
    Ok(())
}
