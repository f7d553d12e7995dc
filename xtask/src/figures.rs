//! Shell. `cargo xtask figures`: every figure of the report that ringkv began with, measured anew,
//! as tables and charts.

mod plan;
mod spread;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::local_cluster::LocalCluster;
use crate::processes::{Process, output_of};
use crate::{release, root};
use plan::{Figure, KEYS, REPORTED, SERVERS, Servers, Subject, figures, rows};
use spread::keys_of_servers;

const HELP: &str = "\
cargo xtask figures [--only N] [--out DIR] [--program FILE]
  --only N        the figure of this number in the report; 7 is that of a change under load
  --out DIR       where tables and charts go [default: docs/figures]
  --program FILE  a ringkv that is built already";
const CALL_WITHIN: Duration = Duration::from_secs(1_800);
const CHANGE_WITHIN: Duration = Duration::from_secs(120);
/// The load of figure 7: requests a second, for so long, and when the change begins.
const RATE: &str = "4000";
const SECONDS: &str = "15";
const CHANGE_AFTER: Duration = Duration::from_secs(4);

struct Options {
    only: Option<u8>,
    out: PathBuf,
    program: Option<PathBuf>,
}

fn parse(words: &[String]) -> anyhow::Result<Option<Options>> {
    let mut options = Options { only: None, out: root().join("docs/figures"), program: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--help" {
            return Ok(None);
        }
        let value = words.next().with_context(|| format!("{word} needs a value\n{HELP}"))?;
        match word.as_str() {
            "--only" => options.only = Some(value.parse().context("--only needs a number")?),
            "--out" => options.out = value.into(),
            "--program" => options.program = Some(value.into()),
            _ => anyhow::bail!("unknown flag {word}\n{HELP}"),
        }
    }
    Ok(Some(options))
}

/// Measures and draws.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let Some(options) = parse(words)? else {
        println!("{HELP}");
        return Ok(());
    };
    let mut chosen = figures();
    chosen.retain(|figure| options.only.is_none_or(|only| only == figure.number));
    ensure!(!chosen.is_empty(), "there is no such figure; {HELP}");
    fs::create_dir_all(&options.out).with_context(|| options.out.display().to_string())?;
    let program = release::given_or_built(options.program.as_deref())?;
    let directory = tempfile::Builder::new().prefix("ringkv-figures-").tempdir()?;
    for figure in &chosen {
        println!("\n==> figure {}: {}", figure.number, figure.title);
        let data = directory.path().join(figure.name);
        let bench = Bench { program: &program, data: &data, out: &options.out, figure };
        fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
        bench.measure()?;
        bench.draw()?;
    }
    Ok(())
}

/// One figure in the making.
struct Bench<'a> {
    program: &'a Path,
    data: &'a Path,
    out: &'a Path,
    figure: &'a Figure,
}

impl Bench<'_> {
    fn table(&self) -> PathBuf {
        self.out.join(format!("{}.csv", self.figure.name))
    }

    fn measure(&self) -> anyhow::Result<()> {
        match &self.figure.subject {
            Subject::Placements => self.placements(),
            Subject::Removal => self.removal(),
            Subject::Sweep { of, calls } => self.sweep(*of, calls),
            Subject::Growth => self.growth(),
        }
    }

    fn placements(&self) -> anyhow::Result<()> {
        let stores = REPORTED.iter().enumerate();
        let reported: Vec<_> = stores.map(|(n, keys)| (format!("kv-{n}"), *keys)).collect();
        let mut text = rows("report", &reported);
        for placement in ["classic", "balanced"] {
            let cluster = self.start(SERVERS, placement)?;
            self.fill(&cluster, KEYS, "100")?;
            let keys = keys_of_servers(&cluster.api, KEYS)?;
            println!("{placement}: {keys:?}");
            text.push_str(&rows(placement, &keys));
        }
        self.write(&text, "Server n of the report is shown as kv-n. 100 tokens a server.")
    }

    fn removal(&self) -> anyhow::Result<()> {
        let cluster = self.start(SERVERS, "balanced")?;
        self.fill(&cluster, KEYS, "100")?;
        let before = keys_of_servers(&cluster.api, KEYS)?;
        output_of(&mut cluster.api.scale(SERVERS - 1), CHANGE_WITHIN)?;
        let after = keys_of_servers(&cluster.api, KEYS)?;
        println!("before: {before:?}\nafter: {after:?}");
        for (server, keys) in &after {
            let had = before.iter().find(|(name, _)| name == server);
            ensure!(had.is_some_and(|(_, had)| had <= keys), "{server} has lost keys");
        }
        let text = rows("5 servers", &before) + &rows("4 servers", &after);
        self.write(&text, "The keys of the leaver go to all of the others, and no other key moves.")
    }

    fn sweep(&self, of: Servers, calls: &[Vec<String>]) -> anyhow::Result<()> {
        let table = self.table();
        if table.exists() {
            fs::remove_file(&table).with_context(|| table.display().to_string())?;
        }
        let cluster = match of {
            Servers::Started => Some(self.start(SERVERS, "balanced")?),
            Servers::Own => None,
        };
        for words in calls {
            let mut command = self.bench();
            command.args(words).arg("--csv").arg(&table);
            if let Some(cluster) = &cluster {
                command.args(["--target", &target(cluster)]);
            }
            print!("{}", output_of(&mut command, CALL_WITHIN)?);
        }
        Ok(())
    }

    fn growth(&self) -> anyhow::Result<()> {
        let cluster = self.start(3, "balanced")?;
        self.fill(&cluster, 200_000, "256")?;
        let (target, url) = (target(&cluster), cluster.api.url());
        let table = std::path::absolute(self.table())?;
        let words = [
            ["--target", &target],
            ["--keys", "200000"],
            ["--value-size", "256"],
            ["--rate", RATE],
            ["--seconds", SECONDS],
            ["--watch-rebalance", &url],
        ];
        let mut arguments = vec!["bench".to_owned(), "--timeline".to_owned()];
        arguments.push(table.display().to_string());
        arguments.extend(words.concat().into_iter().map(str::to_owned));
        let mut load = Process::start("load", self.data, self.program, &arguments)?;
        std::thread::sleep(CHANGE_AFTER);
        output_of(&mut cluster.api.scale(SERVERS), CHANGE_WITHIN)?;
        load.wait_for_success(CALL_WITHIN)?;
        print!("{}", load.output());
        Ok(())
    }

    fn start(&self, servers: usize, placement: &str) -> anyhow::Result<LocalCluster> {
        let more = ["--durability", "everysec", "--placement", placement];
        LocalCluster::start(self.program, self.data, placement, servers, &more)
    }

    /// Writes every key once.
    fn fill(&self, cluster: &LocalCluster, keys: u64, value_bytes: &str) -> anyhow::Result<()> {
        let (target, keys) = (target(cluster), keys.to_string());
        let mut command = self.bench();
        command.args(["--target", &target, "--keys", &keys, "--value-size", value_bytes]);
        command.args(["--preload", "--mix", "read-only", "--requests", "1000"]);
        output_of(&mut command, CALL_WITHIN).map(drop)
    }

    fn bench(&self) -> Command {
        let mut command = Command::new(self.program);
        command.arg("bench");
        command
    }

    fn write(&self, rows: &str, caption: &str) -> anyhow::Result<()> {
        let text = format!("# {caption}\nseries,server,keys\n{rows}");
        let table = self.table();
        fs::write(&table, text).with_context(|| table.display().to_string())
    }

    fn draw(&self) -> anyhow::Result<()> {
        let chart = self.out.join(format!("{}.svg", self.figure.name));
        let mut command = self.bench();
        command.arg("plot").arg(self.table()).arg("--output").arg(&chart);
        command.args(["--title", self.figure.title]);
        output_of(&mut command, CALL_WITHIN)?;
        println!("{}", chart.display());
        Ok(())
    }
}

/// Where Redis clients connect.
fn target(cluster: &LocalCluster) -> String {
    format!("127.0.0.1:{}", cluster.resp)
}
