//! A router that stood still while a server left: what its clients sent meanwhile is answered, and
//! nothing is in doubt.

use std::time::Duration;

use anyhow::ensure;
use e2e::cluster::{LocalCluster, Options};
use e2e::network::Party;
use e2e::resp::{Client, frame};
use e2e::{http, process, scenario, wait};
use serde_json::json;

/// Enough that every server owns some.
const KEYS: usize = 100;
/// A server waits for its routers before it goes.
const GONE_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_in_doubt_after_a_pause_in_which_a_server_left() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        let mut client = Client::connect(&cluster.resp()).await?;
        append_all(&mut client).await?;
        expect_lengths(&mut client, 1).await?;

        let router = cluster.process_of(&Party::Router)?;
        process::freeze(router)?;
        // Before the server says that it goes: the router looks at what came first, first.
        append_all(&mut client).await?;
        let (coordinator, body) = (cluster.coordinator()?, json!({ "name": "kv-2" }));
        let removed = http::post(&coordinator, "/remove-server", &body).await?;
        ensure!(removed.status == 202, "{}: {}", removed.status, removed.text());
        wait::until("kv-2 has gone", GONE_WITHIN, || {
            let running = cluster.running_servers();
            async move { running.ok().filter(|names| names.len() == 2).ok_or("it runs") }
        })
        .await?;
        process::go_on(router)?;

        expect_lengths(&mut client, 2).await?;
        cluster.stop().await
    })
}

async fn append_all(client: &mut Client) -> anyhow::Result<()> {
    for number in 0..KEYS {
        client.send(&frame(&[b"APPEND", format!("key-{number}").as_bytes(), b"x"])).await?;
    }
    Ok(())
}

async fn expect_lengths(client: &mut Client, length: usize) -> anyhow::Result<()> {
    for number in 0..KEYS {
        let answer = client.answer().await?.text();
        ensure!(answer == length.to_string(), "APPEND to key-{number}: {answer}");
    }
    Ok(())
}
