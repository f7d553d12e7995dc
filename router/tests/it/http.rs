use std::io::{Read, Write};
use std::net::TcpStream;

use crate::world::{World, key_in, part};

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl World {
    /// One request on a connection of its own.
    pub(crate) fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut stream = TcpStream::connect(self.router.http_address()).expect("a connection");
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: router\r\nConnection: close\r\n");
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).expect("the head is read");
        // The router may answer before it has read a body that is too long.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Response { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }
}

#[test]
fn values_are_put_read_and_deleted() {
    let world = World::start(3);
    let put = world.http("PUT", "/kv/a%2Fb%00c", &[("Ringkv-Ttl", "100")], b"value");
    assert_eq!((put.status, put.header("etag")), (204, Some("\"5\"")), "{}", put.body);
    let owner = world.nodes.iter().find(|node| !node.executed().is_empty()).expect("an owner");
    assert_eq!(owner.executed(), ["RINGKV.PUT a/b\0c value PX 100000"]);

    let got = world.http("GET", "/kv/a/b%00c", &[], b"");
    assert_eq!((got.status, &*got.body), (200, "value"));
    assert_eq!((got.header("etag"), got.header("ringkv-ttl")), (Some("\"5\""), Some("2")));
    let known = world.http("GET", "/kv/a/b%00c", &[("If-None-Match", "\"5\"")], b"");
    assert_eq!((known.status, &*known.body), (304, ""));

    let other = world.http("PUT", "/kv/a/b%00c", &[("If-Match", "\"4\"")], b"other");
    assert_eq!((other.status, other.header("etag")), (412, Some("\"5\"")));
    let present = world.http("PUT", "/kv/a/b%00c", &[("If-None-Match", "*")], b"other");
    assert_eq!(present.status, 412);
    let right = world.http("PUT", "/kv/a/b%00c", &[("If-Match", "\"5\"")], b"longer");
    assert_eq!((right.status, right.header("etag")), (204, Some("\"6\"")));

    assert_eq!(world.http("DELETE", "/kv/a/b%00c", &[("If-Match", "\"5\"")], b"").status, 412);
    assert_eq!(world.http("DELETE", "/kv/a/b%00c", &[], b"").status, 204);
    assert_eq!(world.http("DELETE", "/kv/a/b%00c", &[], b"").status, 404);
    assert_eq!(world.http("PUT", "/kv/%ff%FE", &[], b"bytes").status, 204);
    assert_eq!(world.http("GET", "/kv/%FF%fe", &[], b"").body, "bytes");
    assert_eq!(world.http("HEAD", "/kv/%FF%fe", &[], b"").body, "");
    let gone = world.http("GET", "/kv/a/b%00c", &[], b"");
    assert_eq!(gone.status, 404);
    assert_eq!(gone.header("content-type"), Some("application/problem+json"));
}

#[test]
fn wrong_requests_get_a_problem_that_says_why() {
    let world = World::start_with(1, |config| config.value_bytes_max = 1_000);
    let long = vec![b'x'; 1_001];
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);
    let cases: [Case<'_>; 8] = [
        ("PUT", "/kv/a", &[], &long, 413, "at most 1000 bytes"),
        ("PUT", "/kv/a", &[("Ringkv-Ttl", "0")], b"x", 400, "seconds"),
        ("PUT", "/kv/a", &[("If-Match", "x")], b"x", 400, "If-Match"),
        ("PUT", "/kv/a%2", &[], b"x", 400, "hexadecimal"),
        ("POST", "/kv/a", &[], b"x", 405, "method"),
        ("GET", "/nowhere", &[], b"", 404, "nothing"),
        ("POST", "/status", &[], b"", 405, "method"),
        ("POST", "/remove-server", &[], b"", 404, ""),
    ];
    for (method, path, headers, body, status, cause) in cases {
        let answer = world.http(method, path, headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains(cause), "{method} {path}: {}", answer.body);
    }
    assert_eq!(world.http("PUT", "/kv/a", &[], &long[..1_000]).status, 204);
}

#[test]
fn administration_goes_to_the_coordinator() {
    let world = World::start(1);
    let status = world.http("GET", "/status", &[], b"");
    let json: serde_json::Value = serde_json::from_str(&status.body).expect("JSON");
    assert_eq!(json["epoch"], 1);
    assert_eq!(json["router"]["write_pause"]["count"], 0);
    let added = world.http("POST", "/add-server", &[], b"{}");
    assert_eq!((added.status, &*added.body), (202, "{}"));
}

#[test]
fn without_a_coordinator_values_are_served_and_administration_says_why_not() {
    let world = World::start(1);
    let metrics = world.http("GET", "/metrics", &[], b"");
    assert!(metrics.body.contains("ringkv_router_table_complete 1"), "{}", metrics.body);
    assert!(metrics.body.contains("ringkv_router_write_pause_seconds_bucket"), "{}", metrics.body);
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let alone =
        router::Config::new(local, local, router::Source::Coordinator("http://127.0.0.1:1".into()));
    let alone = router::Router::start(alone).expect("a router needs no coordinator to start");
    let world = World { router: alone, ..world };
    assert_eq!(world.http("GET", "/healthz", &[], b"").status, 200);
    let ready = world.http("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("not known yet"), "{}", ready.body);
    let status = world.http("GET", "/status", &[], b"");
    assert_eq!(status.status, 502);
    assert!(status.body.contains("cannot reach the coordinator"), "{}", status.body);
}

#[test]
fn a_key_of_an_unreachable_server_is_a_503() {
    let world = World::start_with(2, |config| {
        config.server_wait = std::time::Duration::from_millis(200);
    });
    world.nodes[1].hold(true);
    let key = key_in(part(1, 2));
    let put = world.http("PUT", &format!("/kv/{key}"), &[], b"x");
    assert_eq!(put.status, 502, "{}", put.body);
    assert!(put.body.contains("may or may not have been applied"), "{}", put.body);
    let other = key_in(part(0, 2));
    assert_eq!(world.http("PUT", &format!("/kv/{other}"), &[], b"x").status, 204);
}
