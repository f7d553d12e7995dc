//! The binary as a user meets it, as far as that needs no running server.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

fn ringkv(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringkv"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn check_fails(arguments: &str, code: i32, says: &[&str]) {
    let output = ringkv(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "ringkv {arguments}: {stderr}");
    for text in says {
        assert!(stderr.contains(text), "ringkv {arguments} does not say {text:?}: {stderr}");
    }
}

#[test]
fn the_committed_reference_is_that_of_the_binary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let committed = std::fs::read_to_string(path).expect("docs/cli.md");
    let generated = stdout(&ringkv("help-markdown"));
    assert!(
        committed == generated,
        "docs/cli.md is out of date: cargo run -- help-markdown > docs/cli.md"
    );
}

#[test]
fn the_committed_definition_is_that_of_the_binary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/kvclusters.ringkv.dev.yaml");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == stdout(&ringkv("crd")),
        "crds/kvclusters.ringkv.dev.yaml is out of date: \
         cargo run -- crd > crds/kvclusters.ringkv.dev.yaml"
    );
}

#[test]
fn every_command_has_examples() {
    for command in ["local", "status", "scale", "plan", "ring", "node", "router", "crd"] {
        let help = stdout(&ringkv(&format!("{command} --help")));
        assert!(help.contains("\nExamples:\n"), "{command}: {help}");
    }
}

#[test]
fn a_computed_ring_is_a_table() {
    let table = stdout(&ringkv("ring --nodes 3 --keys 1000"));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "server  arc share  keys");
    assert!(lines[1].starts_with("kv-0") && lines[3].starts_with("kv-2"), "{table}");
    assert!(lines[5].starts_with("max/mean"), "{table}");
}

#[test]
fn a_computed_ring_is_json_for_scripts() {
    let json = stdout(&ringkv("ring --nodes 5 --keys 10000 --placement classic --json"));
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let servers = value["servers"].as_array().expect("a list");
    assert_eq!(servers.len(), 5);
    let keys: u64 = servers.iter().filter_map(|server| server["keys"].as_u64()).sum();
    let share: f64 = servers.iter().filter_map(|server| server["arc_share"].as_f64()).sum();
    assert_eq!(keys, 10_000);
    assert!((share - 1.0).abs() < 1e-9);
    assert_eq!(servers[4]["name"], "kv-4");
    assert!(value["max_over_mean"].as_f64().expect("a number") >= 1.0);
}

#[test]
fn balanced_placement_shares_within_three_percent() {
    for nodes in [5, 15, 30] {
        let json = stdout(&ringkv(&format!("ring --nodes {nodes} --keys 0 --json")));
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let worst = value["max_over_mean"].as_f64().expect("a number");
        assert!(worst <= 1.03, "{nodes} servers: {worst}");
    }
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [
        "",
        "frobnicate",
        "ring --nodes 0",
        "ring --nodes 5 --virtual-nodes 0",
        "ring --keys 5",
        "scale",
        "scale none",
        "plan",
        "local --resp-port 70000",
        "local --durability sometimes",
        "status --url localhost:5000",
    ] {
        check_fails(arguments, 64, &[]);
    }
}

#[test]
fn help_and_version_are_no_failure() {
    for arguments in ["--help", "--version", "local --help", "help scale"] {
        assert!(ringkv(arguments).status.success(), "ringkv {arguments}");
    }
}

#[test]
fn no_cluster_is_69_and_says_how_to_start_one() {
    let port = free_port();
    for command in ["status", "ring", "scale 5", "plan --replicas 5"] {
        let arguments = format!("{command} --url http://127.0.0.1:{port}");
        check_fails(&arguments, 69, &["no cluster at", "refused", "ringkv local", "--url"]);
    }
}

#[test]
fn a_port_in_use_is_69_and_nothing_is_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let taken = holder.local_addr().expect("bound").port();
    for (options, option) in [
        (format!("--resp-port {taken} --http-port {}", free_port()), "--resp-port"),
        (format!("--http-port {taken} --resp-port {}", free_port()), "--http-port"),
    ] {
        let arguments = format!("local --data {} {options}", data.display());
        check_fails(&arguments, 69, &[&format!("port {taken} is taken"), option, "ss -ltnp"]);
        assert!(!data.join("cluster.json").exists(), "nothing was decided");
    }
}

#[test]
fn damaged_or_later_cluster_files_are_74() {
    let directory = tempfile::tempdir().expect("a directory");
    for (content, says) in [("{", "not readable"), (r#"{"format": 99}"#, "format 99")] {
        std::fs::write(directory.path().join("cluster.json"), content).expect("writable");
        let arguments = format!("local --data {}", directory.path().display());
        check_fails(&arguments, 74, &["cluster.json", says]);
    }
}

#[test]
fn files_of_secrets_are_read_before_anything_begins() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("empty"), "\n").expect("writable");
    std::fs::write(path("good"), "secret\n").expect("writable");
    let node = format!("node --name a --cluster {:032x} --coordinator x --data x", 7);
    for role in [&node, "router --coordinator http://127.0.0.1:1"] {
        for option in ["--token-file", "--password-file"] {
            let arguments = format!("{role} {option} {}", path("none"));
            check_fails(&arguments, 69, &[option, "cannot read", "none"]);
            let arguments = format!("{role} {option} {}", path("empty"));
            check_fails(&arguments, 69, &[option, "it is empty"]);
        }
    }
    let arguments = format!("{node} --password-file {}", path("good"));
    check_fails(&arguments, 64, &["--token-file"]);
}

/// A port where nobody listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}
