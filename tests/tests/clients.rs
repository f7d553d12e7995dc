//! Ordinary Redis clients work against the router and against a single server.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::scenario;

/// Requests of each kind that redis-benchmark sends.
const REQUESTS: &str = "20000";

#[test]
fn redis_clients_against_the_router() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        let address = cluster.resp();
        redis_crate(&address)?;
        redis_cli(&address)?;
        redis_benchmark(&address)?;
        cluster.stop().await
    })
}

#[test]
fn redis_clients_against_a_single_server() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(1)).await?;
        let status = cluster.status().await?;
        let address = &status.servers.first().context("no server")?.address;
        redis_crate(address)?;
        redis_cli(address)?;
        redis_benchmark(address)?;
        cluster.stop().await
    })
}

fn redis_crate(address: &str) -> anyhow::Result<()> {
    let mut connection = redis::Client::open(format!("redis://{address}/"))?.get_connection()?;
    let set: String = redis::cmd("SET").arg("greeting").arg("hello").query(&mut connection)?;
    ensure!(set == "OK");
    let got: Option<String> = redis::cmd("GET").arg("greeting").query(&mut connection)?;
    ensure!(got.as_deref() == Some("hello"));
    let absent: Option<String> = redis::cmd("GET").arg("no such key").query(&mut connection)?;
    ensure!(absent.is_none());

    let names: Vec<String> = (0..100).map(|number| format!("crate:{number}")).collect();
    let mut set = redis::cmd("MSET");
    for (number, name) in names.iter().enumerate() {
        set.arg(name).arg(number);
    }
    set.query::<()>(&mut connection)?;
    let values: Vec<usize> = redis::cmd("MGET").arg(&names).query(&mut connection)?;
    ensure!(values == (0..100).collect::<Vec<_>>());

    let mut pipeline = redis::pipe();
    for name in &names {
        pipeline.cmd("INCRBY").arg(name).arg(1_000);
    }
    let sums: Vec<usize> = pipeline.query(&mut connection)?;
    ensure!(sums == (1_000..1_100).collect::<Vec<_>>());
    let deleted: usize = redis::cmd("DEL").arg(&names).query(&mut connection)?;
    ensure!(deleted == 100);
    let binary: Vec<u8> = (0..=255).collect();
    redis::cmd("SET").arg(&binary).arg(&binary).query::<()>(&mut connection)?;
    let got: Vec<u8> = redis::cmd("GET").arg(&binary).query(&mut connection)?;
    ensure!(got == binary);
    Ok(())
}

fn redis_cli(address: &str) -> anyhow::Result<()> {
    if is_missing("redis-cli")? {
        return Ok(());
    }
    let cases: [(&[&str], &str); 12] = [
        (&["FLUSHALL"], "OK"),
        (&["SET", "name", "value"], "OK"),
        (&["GET", "name"], "value"),
        (&["SET", "short", "lived", "EX", "100"], "OK"),
        (&["TTL", "short"], "100"),
        (&["MSET", "a", "1", "b", "2", "c", "3"], "OK"),
        (&["MGET", "c", "b", "a", "absent"], "3\n2\n1\n"),
        (&["INCRBYFLOAT", "a", "0.5"], "1.5"),
        (&["APPEND", "name", "s"], "6"),
        (&["DBSIZE"], "5"),
        (&["EXISTS", "a", "b", "a", "absent"], "3"),
        (&["TYPE", "name"], "string"),
    ];
    for (arguments, expected) in cases {
        let answer = cli(address, arguments)?;
        ensure!(answer == expected, "redis-cli {arguments:?}: {answer:?}");
    }
    let mut found: Vec<String> =
        cli(address, &["--scan"])?.lines().map(ToOwned::to_owned).collect();
    found.sort();
    ensure!(found == ["a", "b", "c", "name", "short"], "redis-cli --scan: {found:?}");
    let resp3 = cli(address, &["-3", "GET", "name"])?;
    ensure!(resp3 == "values", "redis-cli -3: {resp3:?}");
    Ok(())
}

fn cli(address: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let (_, port) = address.rsplit_once(':').context("no port")?;
    let output = Command::new("redis-cli").args(["-p", port]).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn redis_benchmark(address: &str) -> anyhow::Result<()> {
    if is_missing("redis-benchmark")? {
        return Ok(());
    }
    let (_, port) = address.rsplit_once(':').context("no port")?;
    for pipeline in ["1", "16"] {
        let output = Command::new("redis-benchmark")
            .args(["-p", port, "-t", "set,get,incr,mset", "-P", pipeline])
            .args(["-n", REQUESTS, "-r", "100000", "-q"])
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "redis-benchmark -P {pipeline}: {printed}{errors}");
        ensure!(!format!("{printed}{errors}").contains("Error"), "{printed}{errors}");
        let results: Vec<&str> =
            printed.lines().filter(|line| line.contains("requests per second")).collect();
        ensure!(results.len() == 4, "redis-benchmark -P {pipeline}: {printed}{errors}");
        for result in results {
            println!("    -P {pipeline:<2} {result}");
        }
    }
    Ok(())
}

/// Says plainly that something is left out, or fails where nothing may be.
fn is_missing(tool: &str) -> anyhow::Result<bool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .any(|directory: std::path::PathBuf| Path::new(&directory).join(tool).is_file());
    if !found {
        let required = std::env::var_os("RINGKV_REQUIRE_REDIS_TOOLS").is_some();
        ensure!(!required, "{tool} is not installed; on Debian: apt-get install redis-tools");
        println!("    skipped: {tool} is not installed");
    }
    Ok(!found)
}
