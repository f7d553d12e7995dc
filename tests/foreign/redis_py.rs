//! Shell. The tests of redis-py, the Redis client for Python, by that client.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::scenario;

use crate::expected::{Expected, Results};
use crate::skipped;

/// The files whose tests need one ordinary Redis.
const FILES: [&str; 5] = [
    "tests/test_commands.py",
    "tests/test_pipeline.py",
    "tests/test_encoding.py",
    "tests/test_connection_pool.py",
    "tests/test_command_parser.py",
];
const MARKS: &str = "not onlycluster and not redismod and not ssl and not experimental";
/// How long one test may take.
const TEST_SECONDS: &str = "30";
/// The directory with the sources of redis-py and a virtual environment for them.
const DIRECTORY: &str = "RINGKV_REDIS_PY";

#[test]
fn redis_py_through_the_router() -> anyhow::Result<()> {
    scenario(async {
        let Some(directory) = skipped(DIRECTORY)? else { return Ok(()) };
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        suite(&directory, &cluster.resp())?;
        cluster.stop().await
    })
}

fn suite(directory: &Path, address: &str) -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign");
    let report = tempfile::NamedTempFile::new()?;
    let output = Command::new(directory.join("venv/bin/python"))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "redis_py_report"])
        .args(["--tb=line", "--timeout", TEST_SECONDS, "-m", MARKS])
        .arg(format!("--redis-url=redis://{address}/0"))
        .args(FILES)
        .env("PYTHONPATH", here)
        .env("RINGKV_REPORT", report.path())
        .current_dir(directory.join("sources"))
        .output()
        .context("cannot start pytest")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let results = read(&fs::read_to_string(report.path())?);
    ensure!(!results.is_empty(), "no test ran:\n{text}");
    let passed = results.values().filter(|passed| **passed).count();
    println!("    redis-py: {passed} tests pass, {} do not", results.len() - passed);
    let list = include_str!("redis_py_failures.txt");
    Expected::parse("tests/foreign/redis_py_failures.txt", list)?.check(&results)
}

/// Lines of an outcome and a name. What the suite skips by itself is not a result.
fn read(report: &str) -> Results {
    let lines = report.lines().filter_map(|line| line.split_once(' '));
    let results = lines.filter(|(outcome, _)| *outcome != "skipped");
    results.map(|(outcome, name)| (name.to_owned(), outcome == "passed")).collect()
}

#[test]
fn results_are_read_from_the_report() {
    let results = read("passed a.py::b\nfailed a.py::c[x y]\nskipped a.py::d\n");
    let expected = [("a.py::b".to_owned(), true), ("a.py::c[x y]".to_owned(), false)];
    assert_eq!(results, Results::from(expected));
}
