//! Pure. The command line of `cargo xtask peers`.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use super::cell::{Cell, Durability};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
cargo xtask peers path|router|moving [OPTIONS]

ringkv beside programs that do the like, on this machine, in one run. Absolute figures move from
machine to machine: the ratios count.

  path     the whole path: ringkv with 5 servers, and nutcracker (MD5, ketama) before 5 redis-server
           with append-only files; the same durability on both sides
  router   what is in front alone: ringkv's router and nutcracker before the same redis-servers,
           which keep nothing on disk; and one of these servers with nothing before it
  moving   from 3 servers to 4: `ringkv scale 4`, and `redis-cli --cluster reshard` to an empty
           master of a Redis Cluster; without a load, and with one. Ratios are of whole commands,
           goals in MB/s of the time that ringkv itself counts

The commands of redis-benchmark are the same on all sides; rounds alternate, and the order of the
sides is reversed each round. All sides are up all the time, one has load; what the others use
meanwhile is said. Nothing is pinned unless --pin says so. With all cells, path takes about three
quarters of an hour and router half of that and more.

  --rounds N           rounds of each cell [default: 5; of moving 3]
  --seconds S          about how long a round takes; the number of requests follows from a trial on
                       each side [default: 2]
  --quick              a few cells and keys, to see that all of it works
  --cell CELL          this cell instead of all, KIND,CONNECTIONS,PIPELINE,BYTES: set,50,16,256;
                       kinds are set, get and get-beside-set (GETs, while 8 more connections SET);
                       may be repeated
  --durability D       everysec or always instead of both; of moving everysec [default] or always
  --value BYTES        moving: values of this size instead of 100 and of 1024 bytes
  --keys N             keys that are there, and are chosen from [default: 1000000, --quick 50000]
  --servers N          router: how many servers [default: 5]
  --router-threads N   router: threads of ringkv's router, nutcracker has 1 [default: its own]
  --client-threads N   path, router: threads of redis-benchmark [default: 1]. With more than 1 its
                       times are multiples of 250 ms: give long --seconds. Cells in which the
                       client has no time left are listed
  --pin C/P/S          processors of the client, of what is in front, of the servers, each a list
                       for taskset, as in 0/1/0-1
  --program FILE       ringkv [default: the release build, which is made first]
  --csv FILE           every round as a line
  --json FILE          all of it
  --no-install         install no system package

It needs Debian's nutcracker, redis-server, redis-tools and util-linux. Cells that miss a goal are
listed at the end; that is no failure.";

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The whole path.
    Path,
    /// What is in front of the servers.
    Router,
    /// Moving data.
    Moving,
}

impl What {
    /// As on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Router => "router",
            Self::Moving => "moving",
        }
    }

    fn parse(word: &str) -> anyhow::Result<Self> {
        let found = [Self::Path, Self::Router, Self::Moving];
        let found = found.into_iter().find(|what| what.name() == word);
        found.with_context(|| format!("no comparison {word}; there are path, router and moving"))
    }
}

/// Lists of processors, as taskset reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Of the client.
    pub(crate) client: String,
    /// Of what is in front of the servers.
    pub(crate) proxy: String,
    /// Of the servers.
    pub(crate) servers: String,
}

/// Everything that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// What is compared.
    pub(crate) what: What,
    /// ringkv, where it is not the release build.
    pub(crate) program: Option<PathBuf>,
    /// Rounds of each cell.
    pub(crate) rounds: u32,
    /// About how long a round takes.
    pub(crate) seconds: f64,
    /// A few cells only.
    pub(crate) quick: bool,
    /// Cells that were named.
    pub(crate) cells: Vec<Cell>,
    /// Durability that was named.
    pub(crate) durability: Option<Durability>,
    /// The size of values that are moved, where it was named.
    pub(crate) value_bytes: Option<u32>,
    /// How many keys.
    pub(crate) keys: u64,
    /// Servers behind a router.
    pub(crate) servers: u16,
    /// Threads of ringkv's router.
    pub(crate) router_threads: Option<u16>,
    /// Threads of redis-benchmark.
    pub(crate) client_threads: u16,
    /// Processors, where they were named.
    pub(crate) pin: Option<Pin>,
    /// Where every round goes as a line.
    pub(crate) csv: Option<PathBuf>,
    /// Where all of it goes.
    pub(crate) json: Option<PathBuf>,
    /// Install nothing.
    pub(crate) no_install: bool,
}

impl Options {
    /// Reads the words; `None` if they ask for help.
    pub(crate) fn parse(words: &[String]) -> anyhow::Result<Option<Self>> {
        if words.is_empty() || words.iter().any(|word| ["--help", "-h"].contains(&word.as_str())) {
            return Ok(None);
        }
        let mut words = words.iter().map(String::as_str);
        let what = What::parse(words.next().unwrap_or_default())?;
        let mut options = Self::usual(what);
        let (mut keys, mut rounds) = (None, None);
        while let Some(flag) = words.next() {
            let mut value = || words.next().with_context(|| format!("{flag} needs a value"));
            match flag {
                "--rounds" => rounds = Some(within(flag, value()?, 1, 1_000)? as u32),
                "--seconds" => options.seconds = seconds(value()?)?,
                "--quick" => options.quick = true,
                "--cell" => options.cells.push(Cell::parse(value()?)?),
                "--durability" => options.durability = Some(Durability::parse(value()?)?),
                "--value" => options.value_bytes = Some(within(flag, value()?, 1, 1 << 20)? as u32),
                "--keys" => keys = Some(within(flag, value()?, 100, 1_000_000_000)?),
                "--servers" => options.servers = within(flag, value()?, 1, 64)? as u16,
                "--router-threads" => {
                    options.router_threads = Some(within(flag, value()?, 1, 64)? as u16);
                }
                "--client-threads" => {
                    options.client_threads = within(flag, value()?, 1, 64)? as u16;
                }
                "--pin" => options.pin = Some(pin(value()?)?),
                "--program" => options.program = Some(value()?.into()),
                "--csv" => options.csv = Some(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                "--no-install" => options.no_install = true,
                _ => bail!("unknown flag {flag}; see cargo xtask peers --help"),
            }
        }
        let usual_rounds = if options.what == What::Moving { 3 } else { 5 };
        options.rounds = rounds.unwrap_or(usual_rounds);
        options.keys = keys.unwrap_or(if options.quick { 50_000 } else { 1_000_000 });
        options.check()?;
        Ok(Some(options))
    }

    fn usual(what: What) -> Self {
        Self {
            what,
            program: None,
            rounds: 0,
            seconds: 2.0,
            quick: false,
            cells: Vec::new(),
            durability: None,
            value_bytes: None,
            keys: 0,
            servers: 5,
            router_threads: None,
            client_threads: 1,
            pin: None,
            csv: None,
            json: None,
            no_install: false,
        }
    }

    /// What does not go together.
    fn check(&self) -> anyhow::Result<()> {
        let moving = self.what == What::Moving;
        ensure!(self.cells.is_empty() || !moving, "moving has no cells; it has --value");
        ensure!(self.value_bytes.is_none() || moving, "--value is of moving; others have --cell");
        ensure!(
            self.durability.is_none() || self.what != What::Router,
            "the servers of router keep nothing on disk; leave --durability out"
        );
        ensure!(
            self.router_threads.is_none() || self.what == What::Router,
            "--router-threads is of router; ringkv local starts its router itself"
        );
        ensure!(self.client_threads == 1 || !moving, "--client-threads is of path and router");
        ensure!(self.pin.is_none() || !moving, "--pin is of path and router");
        Ok(())
    }
}

fn within(flag: &str, text: &str, min: u64, max: u64) -> anyhow::Result<u64> {
    let number: u64 = text.parse().with_context(|| format!("{flag} {text}"))?;
    ensure!((min..=max).contains(&number), "{flag} {text}: from {min} to {max}");
    Ok(number)
}

fn seconds(text: &str) -> anyhow::Result<f64> {
    let seconds: f64 = text.parse().with_context(|| format!("--seconds {text}"))?;
    ensure!((0.1..=600.0).contains(&seconds), "--seconds {text}: from 0.1 to 600");
    Ok(seconds)
}

fn pin(text: &str) -> anyhow::Result<Pin> {
    let is_list = |list: &&str| {
        !list.is_empty()
            && list.chars().all(|letter| letter.is_ascii_digit() || ",-".contains(letter))
    };
    let lists: Vec<&str> = text.split('/').filter(is_list).collect();
    let [client, proxy, servers] = lists.as_slice() else {
        bail!("--pin {text}: give three lists of processors, as in 0/1/0-1");
    };
    let [client, proxy, servers] = [client, proxy, servers].map(|list| (*list).to_owned());
    Ok(Pin { client, proxy, servers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Option<Options>> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn help_is_what_nothing_asks_for() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("path --help").unwrap(), None);
    }

    #[test]
    fn defaults_depend_on_what_is_compared() {
        let of = |line: &str| {
            let options = parse(line).unwrap().unwrap();
            (options.rounds, options.keys)
        };
        assert_eq!(of("path"), (5, 1_000_000));
        assert_eq!(of("moving"), (3, 1_000_000));
        assert_eq!(of("router --quick"), (5, 50_000));
        assert_eq!(of("path --rounds 7 --keys 100 --quick"), (7, 100));
    }

    #[test]
    fn flags_are_read() {
        let line = "router --cell set,1,1,1 --pin 0/1/0-1 --router-threads 1 --client-threads 2";
        let options = parse(line).unwrap().unwrap();
        assert_eq!(options.cells, [Cell::parse("set,1,1,1").unwrap()]);
        assert_eq!(options.pin.unwrap().servers, "0-1");
        assert_eq!((options.router_threads, options.client_threads), (Some(1), 2));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let lines = [
            "all",
            "path --rounds",
            "path --rounds 0",
            "path --seconds nan",
            "path --pin 0/1",
            "path --pin 0/1/;",
            "path --value 100",
            "path --router-threads 1",
            "path --durability never",
            "path --wat",
            "router --durability always",
            "moving --cell set,1,1,1",
        ];
        for line in lines {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
