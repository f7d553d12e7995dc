//! A full disk: writes are refused with the remedy, reads and deletions go on, nothing that was
//! acknowledged is lost, and with more room the writes are taken again.

use anyhow::ensure;
use e2e::cluster::{LocalCluster, Options};
use e2e::disk::Disk;
use e2e::resp::Client;
use e2e::scenario;

const VALUE_BYTES: usize = 64 * 1024;
/// More than fits.
const WRITES_MAX: u32 = 16_000;

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing() -> anyhow::Result<()> {
    scenario(async {
        let directory = tempfile::tempdir()?;
        let Some(disk) = Disk::mount(directory.path(), "256M")? else {
            println!("    skipped: a small disk can be mounted by root only");
            return Ok(());
        };
        let mut cluster =
            LocalCluster::prepare(Options { durability: "always", ..Options::nodes(1) })?;
        cluster.set_data(&directory.path().join("data"));
        cluster.launch()?;
        cluster.wait_ready(1).await?;
        let mut client = Client::connect(&cluster.resp()).await?;
        let (written, refusal) = fill(&mut client).await?;
        println!("    after {written} writes of 64 KiB: {refusal}");
        ensure!(refusal.contains("disk full"), "{refusal}");
        require_all(&mut client, written).await?;
        let deleted = client.words("DEL fill:0").await?;
        ensure!(deleted == "1", "DEL on a full disk: {deleted}; {}", cluster.output());
        ensure!(client.words("SET fill:0 small").await?.starts_with("-ERR disk full"));

        cluster.kill_supervisor().await?;
        cluster.launch()?;
        cluster.wait_ready(1).await?;
        let mut client = Client::connect(&cluster.resp()).await?;
        ensure!(client.words("EXISTS fill:0").await? == "0", "a deleted key came back");
        require_all_but_the_first(&mut client, written).await?;

        disk.resize("1G")?;
        e2e::wait::until("writes are taken again", std::time::Duration::from_secs(10), || async {
            let mut client = Client::connect(&cluster.resp()).await.map_err(|e| e.to_string())?;
            match client.words("SET fill:0 again").await {
                Ok(answer) if answer == "OK" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        cluster.stop().await
    })
}

/// Writes until it is refused; how many were acknowledged, and the refusal.
async fn fill(client: &mut Client) -> anyhow::Result<(u32, String)> {
    for number in 0..WRITES_MAX {
        let answer = client.call(&[b"SET", &key(number), &value(number)]).await?.text();
        if answer != "OK" {
            return Ok((number, answer));
        }
    }
    anyhow::bail!("{WRITES_MAX} writes fit on the small disk")
}

async fn require_all(client: &mut Client, written: u32) -> anyhow::Result<()> {
    ensure!(client.call(&[b"GET", &key(0)]).await? == bulk(0), "fill:0 is lost");
    require_all_but_the_first(client, written).await
}

async fn require_all_but_the_first(client: &mut Client, written: u32) -> anyhow::Result<()> {
    for number in 1..written {
        let answer = client.call(&[b"GET", &key(number)]).await?;
        ensure!(answer == bulk(number), "fill:{number} is lost");
    }
    Ok(())
}

fn bulk(number: u32) -> e2e::resp::Answer {
    e2e::resp::Answer::Bulk(Some(value(number)))
}

fn key(number: u32) -> Vec<u8> {
    format!("fill:{number}").into_bytes()
}

/// Bytes that differ from write to write and do not compress to nothing.
fn value(number: u32) -> Vec<u8> {
    let mut state = u64::from(number) + 1;
    let mut bytes = Vec::with_capacity(VALUE_BYTES);
    while bytes.len() < VALUE_BYTES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
