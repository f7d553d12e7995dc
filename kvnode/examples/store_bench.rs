//! Shell. Measures the store alone:
//! `cargo run --release -p kvnode --example store_bench [records]`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use hdrhistogram::Histogram;
use kvnode::store::{Durability, Record, RecordKey, Store, StoreConfig, Writer};
use ring::Arc;

const VALUE: &[u8] = &[b'v'; 100];
const BATCH: u64 = 32;

fn main() -> Result<()> {
    let n_records = match std::env::args().nth(1) {
        Some(text) => text.parse().context("the number of records")?,
        None => 1_000_000,
    };
    let dir = tempfile::tempdir_in(".")?;
    println!("{n_records} records of {} bytes, batches of {BATCH}", VALUE.len());
    every_sec(&dir.path().join("every-sec"), n_records)?;
    always(&dir.path().join("always"), (n_records / 200).max(100))
}

fn every_sec(dir: &Path, n_records: u64) -> Result<()> {
    let store = Store::open(dir, StoreConfig::small(Durability::EverySec))?;
    let mut writer = store.writer().context("the writer")?;
    println!("empty store: {}", resident());

    let mut stalls = Histogram::<u64>::new(3)?;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    for n in 0..n_records {
        put(&mut writer, n, n);
        if n % BATCH == BATCH - 1 {
            let before = Instant::now();
            writer.seal();
            stalls.record(micros(before.elapsed()))?;
            while writer.pending_bytes() > 8 << 20 {
                std::thread::yield_now();
                writer.get(&RecordKey::new(b""))?;
            }
        }
    }
    writer.seal();
    report("everysec puts", n_records, start);
    println!("  cpu {:.2} cores", (cpu_seconds() - cpu) / start.elapsed().as_secs_f64());
    println!(
        "  seal: p50 {} us, p99 {} us, p99.9 {} us, max {} us",
        stalls.value_at_quantile(0.5),
        stalls.value_at_quantile(0.99),
        stalls.value_at_quantile(0.999),
        stalls.max()
    );
    let before = Instant::now();
    store.sync()?;
    println!("  sync {:?}; {}; {} MiB on disk", before.elapsed(), resident(), mib(&store)?);

    let (start, n_gets, mut seed) = (Instant::now(), (n_records / 4).max(10_000), 1_u64);
    for _ in 0..n_gets {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let found = writer.get(&key((seed >> 20) % n_records))?.0;
        found.context("a record that was written")?;
    }
    report("random gets", n_gets, start);
    let (start, mut n_missing) = (Instant::now(), 0);
    for n in n_records..n_records + n_gets {
        n_missing += u64::from(writer.get(&key(n))?.0.is_none());
    }
    report("gets of absent keys", n_missing, start);
    let start = Instant::now();
    let n_scanned = store.scan(Arc::FULL, None).count();
    report("scanned records", n_scanned as u64, start);
    println!("  {}", resident());
    Ok(())
}

fn always(dir: &Path, n_batches: u64) -> Result<()> {
    let store = Store::open(dir, StoreConfig::small(Durability::Always))?;
    let mut writer = store.writer().context("the writer")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut released = writer.released_watch();
    for (text, n_in_flight) in [("one at a time", 1), ("16 in flight", 16)] {
        let (start, first) = (Instant::now(), writer.open_batch());
        for n in 0..n_batches {
            for put_no in 0..BATCH {
                put(&mut writer, n * BATCH + put_no, n);
            }
            writer.seal();
            let wanted = (first + n + 1).saturating_sub(n_in_flight);
            runtime.block_on(released.wait_for(|released| *released >= wanted))?;
        }
        report(&format!("always, batches, {text}"), n_batches, start);
    }
    Ok(())
}

fn key(n: u64) -> RecordKey {
    RecordKey::new(format!("key:{n:012}").as_bytes())
}

fn put(writer: &mut Writer, n: u64, version: u64) {
    let value = Some(Bytes::from_static(VALUE));
    writer.put(key(n), Record { version, expiry_ms: None, value }.encode(), None);
}

fn report(what: &str, n: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0}/s ({n} in {seconds:.2} s)", n as f64 / seconds);
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn mib(store: &Store) -> Result<u64> {
    Ok(store.disk_bytes()? >> 20)
}

/// The memory that the process has, where the system tells.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or("VmRSS unknown").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The processor time of all threads in seconds, where the system tells.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
