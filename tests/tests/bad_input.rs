//! What no client should send: each gets an error that says what to do, the connection goes on
//! where the protocol allows it, and nobody else notices.

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::http;
use e2e::resp::{Client, frame};
use e2e::scenario;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// The documented limit of a value.
const VALUE_BYTES_MAX: usize = 16 * MIB;
/// The documented limit of a key.
const KEY_BYTES_MAX: usize = 65_519;

#[test]
fn bad_input_gets_clear_errors_and_harms_nobody() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(2)).await?;
        let processes = cluster.process_ids()?;
        let status = cluster.status().await?;
        let node = &status.servers.first().context("no server")?.address;
        for address in [&cluster.resp(), node] {
            sizes(address).await.with_context(|| format!("sizes at {address}"))?;
            hostile(address).await.with_context(|| format!("hostile input at {address}"))?;
        }
        http_requests(&cluster.http()).await?;
        ensure!(cluster.process_ids()? == processes, "a process ended");
        cluster.stop().await
    })
}

/// The longest key and value are taken, one byte more is refused, and the connection goes on.
async fn sizes(address: &str) -> anyhow::Result<()> {
    let mut client = Client::connect(address).await?;
    let longest = vec![b'k'; KEY_BYTES_MAX];
    if is_owned(&mut client, &longest).await? {
        ensure!(client.call(&[b"SET", &longest, b"v"]).await?.text() == "OK");
        ensure!(client.call(&[b"GET", &longest]).await?.text() == "v");
        ensure!(client.call(&[b"DEL", &longest]).await?.text() == "1");
    }
    for length in [KEY_BYTES_MAX + 1, 64 * KIB + 1, MIB] {
        let answer = client.call(&[b"SET", &vec![b'k'; length], b"v"]).await?.text();
        ensure!(answer.starts_with("-ERR") && answer.contains("65519"), "{length}: {answer}");
    }
    let key = owned_key(&mut client).await?;
    let largest = vec![b'v'; VALUE_BYTES_MAX];
    ensure!(client.call(&[b"SET", &key, &largest]).await?.text() == "OK");
    ensure!(client.call(&[b"STRLEN", &key]).await?.text() == VALUE_BYTES_MAX.to_string());
    let answer = client.call(&[b"SET", &key, &vec![b'v'; VALUE_BYTES_MAX + 1]]).await?.text();
    ensure!(answer.starts_with("-ERR") && answer.contains("16777216"), "value: {answer}");
    let answer = client.call(&[b"APPEND", &key, b"v"]).await?.text();
    ensure!(answer.starts_with("-ERR"), "APPEND past the limit: {answer}");
    let answer = client.call(&[b"SETRANGE", &key, b"536870911", b"v"]).await?.text();
    ensure!(answer.starts_with("-ERR"), "SETRANGE past the limit: {answer}");
    ensure!(client.call(&[b"STRLEN", &key]).await?.text() == VALUE_BYTES_MAX.to_string());
    ensure!(client.call(&[b"DEL", &key]).await?.text() == "1");
    for wrong in ["NOSUCHCOMMAND", "GET", "SET KEY b EX 0", "SET KEY b NX XX", "EXPIRE KEY soon"] {
        let answer = client.words(&wrong.replace("KEY", std::str::from_utf8(&key)?)).await?;
        ensure!(answer.starts_with("-ERR"), "{wrong}: {answer}");
    }
    ensure!(client.words("PING").await? == "PONG");
    Ok(())
}

/// Whether the key may be written at this address: a single server owns only a part of them.
async fn is_owned(client: &mut Client, key: &[u8]) -> anyhow::Result<bool> {
    Ok(!client.call(&[b"EXISTS", key]).await?.text().starts_with("-MOVED"))
}

async fn owned_key(client: &mut Client) -> anyhow::Result<Vec<u8>> {
    for number in 0..1_000 {
        let key = format!("limit:{number}").into_bytes();
        if is_owned(client, &key).await? {
            return Ok(key);
        }
    }
    anyhow::bail!("it owns none of 1,000 keys")
}

/// Broken and malicious frames end at most their own connection.
async fn hostile(address: &str) -> anyhow::Result<()> {
    let cases: [&[u8]; 10] = [
        b"*2147483648\r\n$1\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n:5\r\n",
        b"*x\r\n",
        b"*1\r\n$1x\r\na\r\n",
        b"*1\r\n$3\r\nabcdef\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n$4\r\nPING\r\n",
        b"\"unbalanced\r\n",
        b"*3\r\n$3\r\nSET\r\n$-1\r\n$1\r\nv\r\n",
    ];
    let mut bystander = Client::connect(address).await?;
    for bytes in cases {
        let mut client = Client::connect(address).await?;
        client.send(bytes).await?;
        let answer = client.answer().await.with_context(|| text(bytes))?.text();
        ensure!(answer.starts_with("-ERR"), "{}: {answer}", text(bytes));
        ensure!(bystander.words("PING").await? == "PONG");
    }
    // Empty arrays are passed over, as Redis does.
    bystander.send(b"*-2\r\n*0\r\n\r\n").await?;
    ensure!(bystander.words("PING").await? == "PONG");
    // What is announced is not believed before it comes: nothing is set aside for it.
    let mut announcer = Client::connect(address).await?;
    announcer.send(b"*1000000000\r\n$536870912\r\n").await?;
    ensure!(bystander.words("PING").await? == "PONG");
    // A line without an end must not be gathered for ever.
    let mut client = Client::connect(address).await?;
    let endless = vec![b'a'; MIB];
    // The other side may close before it has taken everything.
    let _ = client.send(&endless).await;
    let ended = client.answer().await;
    ensure!(ended.is_err() || ended?.text().starts_with("-ERR"));
    // A command that is cut off, with the connection closed behind it, was never given.
    let key = owned_key(&mut bystander).await?;
    let whole = frame(&[b"SET", &key, b"cut off"]);
    for length in 1..whole.len() {
        let mut client = Client::connect(address).await?;
        client.send(&whole[..length]).await?;
    }
    let garbage: Vec<u8> = (0..64 * KIB).map(|index| (index * 7 % 251) as u8).collect();
    let mut client = Client::connect(address).await?;
    let _ = client.send(&garbage).await;
    ensure!(bystander.call(&[b"EXISTS", &key]).await?.text() == "0");
    ensure!(bystander.words("PING").await? == "PONG");
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

/// Method, path, body, expected status, and a part of the answer that names the trouble.
type HttpCase = (&'static str, &'static str, &'static str, u16, &'static str);

async fn http_requests(address: &str) -> anyhow::Result<()> {
    let cases: [HttpCase; 11] = [
        ("POST", "/remove-server", "{", 400, "JSON"),
        ("POST", "/remove-server", "[1, 2]", 400, ""),
        ("POST", "/remove-server", r#"{"name": 5}"#, 400, "name"),
        ("POST", "/remove-server", r#"{"nmae": "kv-1"}"#, 400, "nmae"),
        ("POST", "/remove-server", r#"{"name": "kv-77"}"#, 404, "kv-77"),
        ("POST", "/remove-server", r#"{"count": 2}"#, 409, "last"),
        ("POST", "/add-server", "not json", 400, "JSON"),
        ("GET", "/plan?replicas=many", "", 400, "replicas"),
        ("GET", "/plan?replicas=0", "", 400, ""),
        ("GET", "/no/such/path", "", 404, ""),
        ("DELETE", "/status", "", 405, ""),
    ];
    for (method, path, body, status, names) in cases {
        let headers = "content-type: application/json\r\n";
        let answer = http::request(address, method, path, headers, body.as_bytes()).await?;
        let seen = format!("{method} {path} {body}: {} {}", answer.status, answer.text());
        ensure!(answer.status == status, "expected {status} of {seen}");
        ensure!(answer.text().contains(names), "expected {names:?} in {seen}");
        let kind = answer.header("content-type").unwrap_or_default();
        ensure!(kind.starts_with("application/problem+json"), "{kind} of {seen}");
    }
    let too_large = vec![b'v'; VALUE_BYTES_MAX + 1];
    let answer = http::request(address, "PUT", "/kv/large", "", &too_large).await?;
    ensure!(answer.status == 413, "{} {}", answer.status, answer.text());
    ensure!(http::request(address, "GET", "/kv/large", "", b"").await?.status == 404);

    let put = http::request(address, "PUT", "/kv/name", "", b"value").await?;
    ensure!(put.status < 300, "{} {}", put.status, put.text());
    let tag = put.header("etag").context("no ETag")?.to_owned();
    let got = http::request(address, "GET", "/kv/name", "", b"").await?;
    ensure!(got.body == b"value" && got.header("etag") == Some(&tag));
    let condition = format!("if-match: {tag}\r\n");
    let changed = http::request(address, "PUT", "/kv/name", &condition, b"other").await?;
    ensure!(changed.status < 300);
    let refused = http::request(address, "PUT", "/kv/name", &condition, b"third").await?;
    ensure!(refused.status == 412, "{} {}", refused.status, refused.text());
    let got = http::request(address, "GET", "/kv/name", "", b"").await?;
    ensure!(got.body == b"other");
    ensure!(http::request(address, "DELETE", "/kv/name", "", b"").await?.status < 300);
    ensure!(http::request(address, "GET", "/kv/name", "", b"").await?.status == 404);
    Ok(())
}
