//! Pure. What `ringkv local` says when it serves, and while it does not yet.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rebalance::Status;

use crate::figures;
use crate::options::DEFAULT_URL;

/// The announcement: addresses, and commands to try.
pub(super) fn text(status: &Status, data: &Path, resp: SocketAddr, http: SocketAddr) -> String {
    let servers = status.servers.len();
    let mut text = format!(
        "ringkv is ready: {}, data in {}\n",
        figures::of(servers as u64, "server"),
        data.display()
    );
    let local = |address: SocketAddr| reachable(address).port();
    text.push_str(&format!("  Redis clients  {resp}\n  HTTP clients   {http}\n"));
    for server in &status.servers {
        let address = server.address.as_deref().unwrap_or("-");
        text.push_str(&format!("  {:<13}  {address}\n", server.name));
    }
    text.push_str(&format!(
        "try:\n  redis-cli -p {} set greeting hello\n  curl -X POST {}:{}/add-server\n  \
         ringkv status{}\n",
        local(resp),
        host(http),
        local(http),
        url_option(http),
    ));
    text
}

/// Why the announcement is still to come.
pub(super) fn waiting_text(status: &Status, router_ready: bool) -> String {
    let missing = status.servers.iter().filter(|server| !server.ready);
    let mut waiting: Vec<String> = missing
        .map(|server| match &server.error {
            Some(error) => format!("{} ({error})", server.name),
            None => server.name.clone(),
        })
        .collect();
    if status.servers.is_empty() {
        waiting.push("the servers".into());
    }
    if !router_ready {
        waiting.push("the router".into());
    }
    if waiting.is_empty() {
        waiting.push("the ring".into());
    }
    format!("not ready yet; waiting for {}", waiting.join(", "))
}

/// Where a process on this machine reaches a listener at that address.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Where users reach the cluster's HTTP from this machine.
pub(super) fn url(http: SocketAddr) -> String {
    format!("http://{}:{}", host(http), http.port())
}

/// What tells the other subcommands where this cluster is, unless they find it by themselves.
fn url_option(http: SocketAddr) -> String {
    let url = url(http);
    if url == DEFAULT_URL { String::new() } else { format!(" --url {url}") }
}

/// The host in a URL, in the short form that people type.
fn host(address: SocketAddr) -> String {
    match reachable(address).ip() {
        ip if ip.is_loopback() => "localhost".into(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rebalance::{ServerStatus, Status};

    use super::{reachable, text, waiting_text};

    fn status() -> Status {
        let server = |name: &str, ready, error: Option<&str>| ServerStatus {
            name: name.into(),
            address: Some("127.0.0.1:10001".into()),
            ready,
            error: error.map(Into::into),
            ..ServerStatus::default()
        };
        let servers = vec![server("kv-0", true, None), server("kv-1", false, Some("refused"))];
        Status { servers, ..Status::default() }
    }

    #[test]
    fn the_announcement_has_addresses_and_commands() {
        let address = |text: &str| text.parse().expect("an address");
        let (resp, http) = (address("127.0.0.1:6379"), address("0.0.0.0:5000"));
        assert_eq!(
            text(&status(), Path::new("/data"), resp, http),
            "\
ringkv is ready: 2 servers, data in /data
  Redis clients  127.0.0.1:6379
  HTTP clients   0.0.0.0:5000
  kv-0           127.0.0.1:10001
  kv-1           127.0.0.1:10001
try:
  redis-cli -p 6379 set greeting hello
  curl -X POST localhost:5000/add-server
  ringkv status
"
        );
        let elsewhere = text(&status(), Path::new("/data"), resp, address("10.0.0.1:7500"));
        assert!(elsewhere.ends_with("ringkv status --url http://10.0.0.1:7500\n"), "{elsewhere}");
        assert_eq!(reachable(address("[::]:1")), address("[::1]:1"));
    }

    #[test]
    fn a_start_says_whom_it_waits_for() {
        let waiting = "not ready yet; waiting for kv-1 (refused), the router";
        assert_eq!(waiting_text(&status(), false), waiting);
        let empty = "not ready yet; waiting for the servers, the router";
        assert_eq!(waiting_text(&Status::default(), false), empty);
    }
}
