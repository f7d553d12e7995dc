//! Shell. Two servers under load lose their process or their power again and again, some of them in
//! the middle of a handoff; after each time everything is held against what clients were told.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::Outcome;
use super::book::{Found, Loss, State};
use super::disk::Disk;
use super::pair::Pair;
use super::progress::Progress;
use super::writer::{Done, Shared, Writer, read_all};
use crate::random::Random;

/// How many clients write, and how many keys each of them has.
const WRITERS: u32 = 6;
const KEYS_A_WRITER: u32 = 48;
/// After so many crashes both servers come to rest, and every disk is counted.
const REST_EVERY: u32 = 10;
/// With `everysec` a power loss may take this much: a second, and the time that an
/// fsync takes on a busy machine.
pub const LOSS_WINDOW: Duration = Duration::from_millis(2_000);
/// Of so many power losses with `everysec` one comes after a longer time than the window.
const LONG_EVERY: u32 = 4;

/// What is taken from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// Its process: SIGKILL.
    Kill,
    /// The power of its disk, and its process.
    PowerLoss,
}

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often.
    pub count: u32,
    /// Where the choices begin.
    pub seed: u64,
    /// `always` or `everysec`.
    pub durability: &'static str,
    /// What happens to the servers.
    pub blow: Blow,
}

/// What happened and what was found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Crashes of a server.
    pub crashes: u32,
    /// Of these, crashes of both at once.
    pub of_both: u32,
    /// Handoffs that were begun.
    pub handoffs: u32,
    /// Which sides of a handoff crashed servers were, and how often.
    pub sides: BTreeMap<String, u32>,
    /// What the clients did.
    pub done: Done,
    /// What was found of it.
    pub found: Found,
    /// The oldest acknowledged write that was lost, and was allowed to be, at the time of its loss.
    pub oldest_lost: Duration,
    /// Looks at every key, and how long all of it took.
    pub checks: u32,
    /// See [`Summary::checks`].
    pub took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { kept, lost, applied, not_applied, .. } = self.found;
        let sides = self.sides.iter().map(|(side, n)| format!("{side} {n}"));
        write!(
            f,
            "{} crashes ({} of both at once), {} handoffs; crashed as: {}. {} writes acknowledged, \
             {} refused, {} unanswered ({applied} applied, {not_applied} not), {} reads. After \
             {} checks: {kept} acknowledged writes there, {lost} lost within the window",
            self.crashes,
            self.of_both,
            self.handoffs,
            sides.collect::<Vec<_>>().join(", "),
            self.done.acknowledged,
            self.done.refused,
            self.done.unanswered,
            self.done.reads,
            self.checks,
        )?;
        if lost > 0 {
            write!(f, " (the oldest {} ms old)", self.oldest_lost.as_millis())?;
        }
        write!(f, "; {:.1} s", self.took.as_secs_f64())
    }
}

/// Runs a campaign in a directory.
///
/// # Errors
/// What was lost, doubled or forgotten, with the seed.
pub async fn run(
    plan: Plan,
    directory: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Outcome<Summary>> {
    let disks = match plan.blow {
        Blow::Kill => None,
        Blow::PowerLoss => match (Disk::make(directory, "0")?, Disk::make(directory, "1")?) {
            (Ok(one), Ok(two)) => Some([one, two]),
            (Err(why), _) | (_, Err(why)) => return Ok(Outcome::Skipped(why)),
        },
    };
    let mut campaign = Campaign {
        plan,
        pair: Pair::start(directory, plan.durability, disks).await?,
        writers: (0..WRITERS).map(|n| Writer::new(n, KEYS_A_WRITER, plan.seed)).collect(),
        random: Random::new(plan.seed),
        began: Instant::now(),
        summary: Summary::default(),
    };
    for number in 1..=plan.count {
        campaign
            .cycle(number)
            .await
            .with_context(|| format!("crash {number} of {plan:?}\n{}", campaign.pair.outputs()))?;
        progress.tell(|| format!("{:?} {}: {}", plan.blow, plan.durability, campaign.summary));
    }
    campaign.rest().await?;
    campaign.pair.stop().await?;
    campaign.summary.took = campaign.began.elapsed();
    Ok(Outcome::Done(campaign.summary))
}

struct Campaign {
    plan: Plan,
    pair: Pair,
    writers: Vec<Writer>,
    random: Random,
    began: Instant,
    summary: Summary,
}

impl Campaign {
    async fn cycle(&mut self, number: u32) -> anyhow::Result<()> {
        let shared = Shared {
            addresses: self.pair.addresses(),
            began: self.began,
            stop: Rc::new(Cell::new(false)),
        };
        let clients: Vec<_> = std::mem::take(&mut self.writers)
            .into_iter()
            .map(|mut writer| {
                let shared = shared.clone();
                tokio::task::spawn_local(async move {
                    let done = writer.run(shared).await;
                    (writer, done)
                })
            })
            .collect();
        let crashed = self.crash().await;
        shared.stop.set(true);
        let (victims, losses) = crashed?;
        self.pair.restart(&victims).await?;
        for client in clients {
            let (writer, done) = client.await?;
            self.writers.push(writer);
            self.summary.done.add(done?);
        }
        self.check(&losses).await?;
        if self.plan.blow == Blow::PowerLoss {
            // A decision brings to disk all that was found.
            self.pair.next_ring().await?;
        }
        if number.is_multiple_of(REST_EVERY) {
            self.rest().await?;
        }
        Ok(())
    }

    /// Lets the clients work, begins a handoff perhaps, and strikes; who was struck, and what they
    /// may have lost.
    async fn crash(&mut self) -> anyhow::Result<(Vec<usize>, Vec<Loss>)> {
        let is_long = self.plan.blow == Blow::PowerLoss
            && self.plan.durability == "everysec"
            && self.random.below(LONG_EVERY) == 0;
        let (least, most) = if is_long { (2_100, 700) } else { (2, 40) };
        self.sleep(least, most).await;
        let [one, two] = self.pair.states().await?;
        let is_free = one.handoffs.iter().chain(&two.handoffs).all(|handoff| handoff.finished);
        let source = self.random.below(2) as usize;
        if is_free && self.random.below(4) > 0 {
            let rate = (self.random.below(4) > 0).then(|| 1 << (19 + self.random.below(4)));
            let begun = self.pair.begin_handoff(source, rate, &mut self.random).await?;
            self.summary.handoffs += u32::from(begun);
        }
        self.sleep(0, 60).await;
        let victims = match self.random.below(5) {
            0 | 1 => vec![0],
            2 | 3 => vec![1],
            _ => vec![0, 1],
        };
        for victim in &victims {
            self.pair.take_down(*victim).await?;
        }
        self.sleep(0, 8).await;
        let losses = self.strike(&victims)?;
        // The other one goes on alone for a while.
        self.sleep(0, 8).await;
        Ok((victims, losses))
    }

    fn strike(&mut self, victims: &[usize]) -> anyhow::Result<Vec<Loss>> {
        let mut losses = Vec::new();
        self.summary.crashes += u32::try_from(victims.len())?;
        self.summary.of_both += u32::from(victims.len() == 2);
        for victim in victims {
            let before = u64::try_from(self.began.elapsed().as_nanos())?;
            let machine = self.pair.machine(*victim)?;
            if let Some(disk) = &mut machine.disk {
                // Without power nothing goes on. And a call of fsync that is under way while the
                // file system is shut down may say that all is well though nothing was written.
                machine.server.freeze()?;
                disk.cut_power()?;
                machine.server.kill()?;
                disk.reboot()?;
                if self.plan.durability == "everysec" {
                    let window = u64::try_from(LOSS_WINDOW.as_nanos())?;
                    let kept_until = before.saturating_sub(window);
                    losses.push(Loss { server: *victim, kept_until });
                }
            } else {
                machine.server.kill()?;
            }
            for side in self.pair.autopsy(*victim)?.sides {
                *self.summary.sides.entry(side).or_default() += 1;
            }
        }
        Ok(losses)
    }

    /// Holds every key against what its client was told.
    async fn check(&mut self, losses: &[Loss]) -> anyhow::Result<()> {
        self.pair.require_one_owner().await?;
        let keys = self.writers.iter().flat_map(|writer| writer.book.keys());
        let mut seen: BTreeMap<String, State> = read_all(keys, &self.pair.addresses()).await?;
        for writer in &mut self.writers {
            let own = writer.book.keys().map(ToOwned::to_owned).collect::<Vec<_>>();
            let own = own.into_iter().filter_map(|key| seen.remove_entry(&key)).collect();
            let found = writer.book.check(&own, losses).map_err(|error| anyhow!(error))?;
            self.summary.found.add(found);
            if let Some(at) = found.oldest_lost {
                let window = u64::try_from(LOSS_WINDOW.as_nanos())?;
                let cut = losses.iter().map(|loss| loss.kept_until + window).max();
                let age = Duration::from_nanos(cut.unwrap_or_default().saturating_sub(at));
                self.summary.oldest_lost = self.summary.oldest_lost.max(age);
            }
        }
        self.summary.checks += 1;
        Ok(())
    }

    /// Comes to rest: one owner everywhere, and on both disks together exactly the keys that are.
    async fn rest(&mut self) -> anyhow::Result<()> {
        self.pair.wait_settled().await?;
        let n_present: usize = self.writers.iter().map(|writer| writer.book.n_present()).sum();
        self.pair.wait_keys(u64::try_from(n_present)?).await
    }

    /// Some time from `least` on, in milliseconds: the moment of a crash is no condition.
    async fn sleep(&mut self, least: u32, most_more: u32) {
        let micros = least * 1_000 + self.random.below(most_more * 1_000);
        tokio::time::sleep(Duration::from_micros(micros.into())).await;
    }
}
