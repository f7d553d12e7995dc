use handoff::ClusterId;
use ring::Placement;

use super::{ChangeError, ClusterFile, ClusterFileError, Wish};
use crate::options::Durability;

fn cluster(servers: usize) -> ClusterFile {
    let mut cluster = ClusterFile {
        format: super::CLUSTER_FORMAT,
        cluster: ClusterId(7),
        resp_port: 6379,
        http_port: 5000,
        durability: Durability::Always,
        placement: Placement::Balanced,
        virtual_nodes: 100,
        max_bytes_per_second: None,
        servers: vec![],
    };
    cluster.add(servers).expect("few servers");
    cluster
}

#[test]
fn the_first_servers_are_numbered_from_zero() {
    assert_eq!(cluster(3).wanted(), ["kv-0", "kv-1", "kv-2"]);
}

#[test]
fn a_new_name_is_above_the_highest_present_one() {
    let mut cluster = cluster(4);
    cluster.remove_named("kv-1").expect("one of four");
    assert_eq!(cluster.add(1), Ok(vec!["kv-4".into()]));
    assert_eq!(cluster.wanted(), ["kv-0", "kv-2", "kv-3", "kv-4"]);
    cluster.servers.retain(|entry| entry.name != "kv-4" && entry.name != "kv-3");
    assert_eq!(cluster.add(1), Ok(vec!["kv-3".into()]));
}

#[test]
fn the_newest_leave_first_and_come_back_first() {
    let mut cluster = cluster(5);
    assert_eq!(cluster.remove_newest(2), Ok(vec!["kv-4".into(), "kv-3".into()]));
    assert_eq!(cluster.add(3), Ok(vec!["kv-3".into(), "kv-4".into(), "kv-5".into()]));
}

#[test]
fn a_named_leaver_does_not_come_back_by_itself() {
    let mut cluster = cluster(3);
    cluster.remove_newest(1).expect("one of three");
    cluster.remove_named("kv-2").expect("it is leaving");
    assert_eq!(cluster.add(1), Ok(vec!["kv-3".into()]));
    cluster.remove_named("kv-2").expect("a repeat is no error");
}

#[test]
fn the_last_server_stays() {
    let mut cluster = cluster(2);
    assert_eq!(cluster.remove_newest(2), Err(ChangeError::LastServer));
    cluster.remove_named("kv-0").expect("one of two");
    assert_eq!(cluster.remove_named("kv-1"), Err(ChangeError::LastServer));
    assert_eq!(cluster.remove_newest(1), Err(ChangeError::LastServer));
    assert_eq!(cluster.wanted(), ["kv-1"]);
}

#[test]
fn an_unknown_server_is_answered_with_the_known_ones() {
    let mut cluster = cluster(2);
    let error = cluster.remove_named("kv-9").expect_err("no such server");
    assert_eq!(error.to_string(), "there is no server kv-9; the servers are kv-0, kv-1");
}

#[test]
fn a_retired_server_is_gone_for_every_purpose() {
    let mut cluster = cluster(3);
    cluster.remove_newest(1).expect("one of three");
    cluster.server_mut("kv-2").expect("present").wish = Wish::Retired;
    assert!(cluster.remove_named("kv-2").is_err());
    assert_eq!(cluster.add(1), Ok(vec!["kv-3".into()]));
}

#[test]
fn a_ring_has_a_greatest_size() {
    let error = cluster(3).add(ring::MAX_MEMBERS).expect_err("three too many");
    assert_eq!(error, ChangeError::TooMany { wanted: ring::MAX_MEMBERS + 3 });
}

#[test]
fn the_file_is_read_back() {
    let cluster = cluster(3);
    let json = serde_json::to_vec(&cluster).expect("serializable");
    assert_eq!(ClusterFile::from_json(&json), Ok(cluster));
}

#[test]
fn unusable_files_are_told_apart() {
    let unreadable = ClusterFile::from_json(b"{");
    assert!(matches!(unreadable, Err(ClusterFileError::Unreadable(_))), "{unreadable:?}");
    let later = ClusterFile::from_json(br#"{"format": 2, "anything": 1}"#);
    assert_eq!(later, Err(ClusterFileError::UnknownFormat(2)));
    let mut twice = cluster(2);
    twice.servers[1].name = "kv-0".into();
    let json = serde_json::to_vec(&twice).expect("serializable");
    assert_eq!(ClusterFile::from_json(&json), Err(ClusterFileError::Servers));
}
