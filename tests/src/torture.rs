//! Shell. Torture of real processes: clusters live, clients work, things go wrong, sizes change,
//! and after each round every key is judged. See `ringkv-torture --help`.

mod clients;
mod history;
mod inject;
mod plan;
mod report;
mod round;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::cluster::{self, LocalCluster};
use crate::disk::Disk;
use crate::network::{Network, REACHED_AT};
use inject::Injector;
use report::Sums;
use round::{Failure, Settled, Stage, Story};

pub use plan::{Choice, Kind, Nemesis, ROUNDS_A_LIFE};
pub use report::Summary;

/// How many bad keys of a round are written down with their history.
const KEYS_KEPT_MAX: usize = 20;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// What may be chosen.
    pub choice: Choice,
    /// No round begins after so long.
    pub time: Duration,
    /// The most rounds.
    pub rounds: u32,
    /// The first cluster, by its number.
    pub first_life: u32,
    /// Clients at work.
    pub clients: u16,
    /// Where the histories of failures go.
    pub failures: PathBuf,
    /// libfaketime, where the clock is to be set.
    pub faketime: Option<PathBuf>,
    /// The command that does the same again, but for the number of the life and the rounds.
    pub command: String,
}

/// Runs a campaign to its end.
///
/// # Errors
/// It could not be run; violations are in the summary.
pub async fn run(options: &Options) -> anyhow::Result<Summary> {
    let mut campaign = Campaign {
        options,
        began: Instant::now(),
        summary: Summary { seed: options.choice.seed, ..Summary::default() },
    };
    let mut number = options.first_life;
    while !campaign.is_over() {
        campaign.life(number).await?;
        number += 1;
    }
    campaign.summary.seconds = campaign.began.elapsed().as_secs();
    Ok(campaign.summary)
}

struct Campaign<'a> {
    options: &'a Options,
    began: Instant,
    summary: Summary,
}

impl Campaign<'_> {
    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.options.time || self.summary.rounds >= self.options.rounds
    }

    /// Makes a cluster and tortures it, until its rounds are over or something must not be.
    async fn life(&mut self, number: u32) -> anyhow::Result<()> {
        let choice = &self.options.choice;
        let life = choice.life(number);
        self.summary.lives += 1;
        println!(
            "cluster {number}: {} servers, {}, {} bytes a second",
            life.servers, life.durability, life.bytes_per_second
        );
        let home = tempfile::Builder::new().prefix("ringkv-torture-").tempdir()?;
        let (mut cluster, mut injector) = self.start(life, home.path()).await?;
        let mut settled = Settled::default();
        for index in 0..ROUNDS_A_LIFE {
            if self.is_over() {
                break;
            }
            let round = choice.round(number * ROUNDS_A_LIFE + index);
            let mut stage = Stage {
                cluster: &mut cluster,
                injector: &mut injector,
                settled: &mut settled,
                story: Story::new(),
                sums: Sums::default(),
            };
            let result = round::run(&mut stage, choice, &round, self.options.clients).await;
            let (story, sums) = (stage.story.clone(), stage.sums.clone());
            self.summary.add(&sums);
            self.summary.seconds = self.began.elapsed().as_secs();
            self.summary.connections = injector.network.connections();
            let verdict = if result.is_ok() { "ok" } else { "VIOLATION" };
            println!("round {} {verdict} {:?}; {}", round.number, sums.faults, self.summary);
            if let Err(failure) = result {
                return self.keep(number, index, &story, failure, &cluster);
            }
        }
        if let Err(error) = cluster.stop().await {
            self.summary.violations.push(format!("cluster {number} does not end well: {error:#}"));
        }
        Ok(())
    }

    async fn start(
        &self,
        life: plan::Life,
        home: &std::path::Path,
    ) -> anyhow::Result<(LocalCluster, Injector)> {
        let nemeses = &self.options.choice.nemeses;
        let mut options = cluster::Options {
            durability: life.durability,
            ..cluster::Options::nodes(life.servers)
        }
        .bytes_per_second(life.bytes_per_second);
        options.more.push(format!("--reached-at={REACHED_AT}"));
        let mut clock = None;
        if nemeses.contains(&Nemesis::Clock) {
            let library = self.options.faketime.as_ref().context("--faketime is missing")?;
            let file = home.join("clock");
            inject::set_clock(&file, 0)?;
            options.environment = faketime(library, &file);
            clock = Some(file);
        }
        let mut disk = None;
        if nemeses.contains(&Nemesis::FullDisk) {
            let place = home.join("disk");
            fs::create_dir(&place)?;
            disk = Disk::mount(&place, inject::DISK_SIZE)?;
            ensure!(disk.is_some(), "only root can mount a small disk; leave full-disk out");
        }
        let mut cluster = LocalCluster::prepare(options)?;
        if disk.is_some() {
            cluster.set_data(&home.join("disk/data"));
        }
        let injector = Injector::new(Network::start(cluster.data())?, disk, clock);
        injector.launch(&mut cluster)?;
        cluster.wait_ready(usize::from(life.servers)).await?;
        Ok((cluster, injector))
    }

    /// Writes down all that is known about a failure.
    fn keep(
        &mut self,
        life: u32,
        index: u32,
        story: &Story,
        failure: Failure,
        cluster: &LocalCluster,
    ) -> anyhow::Result<()> {
        let seed = self.options.choice.seed;
        let directory =
            self.options.failures.join(format!("seed-{seed}-cluster-{life}-round-{index}"));
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let repeat = format!("{} --first-life {life} --rounds {}", self.options.command, index + 1);
        let mut text = format!("{repeat}\n\n{}\n", story.text());
        let what = match failure {
            // What is wrong comes before all that was printed.
            Failure::Other(error) => format!("{}\n{error:#}", error.root_cause()),
            Failure::Keys(violations) => {
                for violation in violations.iter().take(KEYS_KEPT_MAX) {
                    text.push_str(&format!("\n{violation}\n  "));
                    text.push_str(&violation.history.join("\n  "));
                    text.push('\n');
                }
                let shown: Vec<String> =
                    violations.iter().take(3).map(ToString::to_string).collect();
                format!("{} keys, such as {}", violations.len(), shown.join("; "))
            }
        };
        text.push_str(&format!("\n{what}\n\n{}\n", cluster.whole_output()));
        fs::write(directory.join("story.txt"), text)?;
        copy_logs(cluster, &directory);
        println!("{what}\n  kept in {}\n  again: {repeat}", directory.display());
        let first = what.lines().next().unwrap_or_default();
        self.summary.violations.push(format!("cluster {life}, round {index}: {first} ({repeat})"));
        Ok(())
    }
}

/// Copies what the processes have logged, and what the cluster keeps about itself.
fn copy_logs(cluster: &LocalCluster, to: &std::path::Path) {
    let logs = cluster.data().join("logs");
    let files = fs::read_dir(logs).into_iter().flatten().flatten().map(|entry| entry.path());
    let own = ["cluster.json", "ring.json"].map(|name| cluster.data().join(name));
    for file in files.chain(own) {
        if let Some(name) = file.file_name() {
            // What is not there, or cannot be read, is missing.
            let _ = fs::copy(&file, to.join(name));
        }
    }
}

/// The environment in which a process takes its wall clock from a file.
fn faketime(library: &std::path::Path, clock: &std::path::Path) -> Vec<(String, String)> {
    let settings = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
