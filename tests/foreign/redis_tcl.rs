//! Shell. The test suite of Redis 7.0, in Tcl, against a server that runs already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::scenario;

use crate::expected::{Expected, Results};
use crate::skipped;

/// The units about what ringkv has.
const UNITS: [&str; 10] = [
    "unit/type/string",
    "unit/type/incr",
    "unit/expire",
    "unit/keyspace",
    "unit/scan",
    "unit/protocol",
    "unit/quit",
    "unit/other",
    "unit/introspection",
    "unit/introspection-2",
];
const TAGS: &str = "-needs:debug -needs:repl -slow";
/// How long one unit may take.
const UNIT_SECONDS: &str = "300";
/// What timeout ends with where it had to end the suite.
const TIMED_OUT: i32 = 124;
const SHIM: &str = include_str!("redis_tcl_shim.tcl");
/// Where the sources of Redis are.
const SOURCES: &str = "RINGKV_REDIS_SOURCES";

#[test]
fn redis_tcl_through_the_router() -> anyhow::Result<()> {
    scenario(async {
        let Some(sources) = skipped(SOURCES)? else { return Ok(()) };
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        suite(&sources, &cluster.resp())?;
        cluster.stop().await
    })
}

#[test]
fn redis_tcl_to_a_single_server() -> anyhow::Result<()> {
    scenario(async {
        let Some(sources) = skipped(SOURCES)? else { return Ok(()) };
        let mut cluster = LocalCluster::start(Options::nodes(1)).await?;
        let status = cluster.status().await?;
        let address = status.servers.first().context("no server")?.address.clone();
        suite(&sources, &address)?;
        cluster.stop().await
    })
}

fn suite(sources: &Path, address: &str) -> anyhow::Result<()> {
    let directory = copy(sources)?;
    let (host, port) = address.rsplit_once(':').context("no port")?;
    let mut results = Results::new();
    for unit in UNITS {
        let output = Command::new("timeout")
            .args([UNIT_SECONDS, "tclsh", "tests/test_helper.tcl", "--host", host, "--port", port])
            .args(["--singledb", "--ignore-encoding", "--ignore-digest", "--durable"])
            .args(["--tags", TAGS, "--single", unit])
            .current_dir(directory.path())
            .output()
            .context("cannot start tclsh; on Debian: apt-get install tcl")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Its status says whether all tests passed, which they do not.
        let before = results.len();
        read(unit, &text, &mut results);
        let has_ended = output.status.code() != Some(TIMED_OUT) && results.len() > before;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(has_ended, "{unit} did not run to its end:\n{text}{errors}");
    }
    let passed = results.values().filter(|passed| **passed).count();
    println!("    Redis' Tcl suite: {passed} tests pass, {} do not", results.len() - passed);
    let list = include_str!("redis_tcl_failures.txt");
    Expected::parse("tests/foreign/redis_tcl_failures.txt", list)?.check(&results)
}

/// The suite writes into its directory, and gets the shim.
fn copy(sources: &Path) -> anyhow::Result<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix("ringkv-tcl-").tempdir()?;
    let tests = sources.join("tests");
    let copied = Command::new("cp").arg("-r").arg(tests).arg(directory.path()).status()?;
    ensure!(copied.success(), "cannot copy {}", sources.display());
    let procedures: PathBuf = directory.path().join("tests/support/util.tcl");
    let text = fs::read_to_string(&procedures)?;
    fs::write(&procedures, format!("{text}\n{SHIM}"))?;
    Ok(directory)
}

/// Reads lines such as `[ok]: name (5 ms)` and `[err]: name in tests/unit/x.tcl`, coloured. A name
/// that comes several times has passed if it has passed each time.
fn read(unit: &str, text: &str, results: &mut Results) {
    for line in plain(text).lines() {
        let passed = line.starts_with("[ok]: ");
        let Some((_, rest)) = line
            .split_once("]: ")
            .filter(|(kind, _)| matches!(*kind, "[ok" | "[err" | "[exception"))
        else {
            continue;
        };
        let end = if passed { rest.rfind(" (") } else { rest.rfind(" in tests/") };
        let name = format!("{unit}: {}", &rest[..end.unwrap_or(rest.len())]);
        *results.entry(name).or_insert(true) &= passed;
    }
}

/// Without the colours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

#[test]
fn results_are_read_from_what_the_suite_prints() {
    let mut results = Results::new();
    let printed = "[\u{1b}[0;32mok\u{1b}[0m]: GET (a) (5 ms)\n\
                   [\u{1b}[0;31merr\u{1b}[0m]: SET in tests/unit/a.tcl\nwhy [err]: no\n\
                   [\u{1b}[0;32mok\u{1b}[0m]: SET (1 ms)\n[ignore]: x\n";
    read("unit/a", printed, &mut results);
    let expected = [("unit/a: GET (a)".to_owned(), true), ("unit/a: SET".to_owned(), false)];
    assert_eq!(results, Results::from(expected));
}
