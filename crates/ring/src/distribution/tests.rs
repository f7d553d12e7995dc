use super::*;
use crate::{Placement, RingDocument};

const IDENTITY: &str = "00000000000000000000000000000001";

fn distribution(placement: Placement, keys: u64) -> Distribution {
    let members = ["kv-0", "kv-1", "kv-2", "kv-3", "kv-4"].map(|name| (name, IDENTITY));
    let document = RingDocument::bootstrap(IDENTITY, placement, 100, members).unwrap();
    Distribution::of(&Ring::from_document(&document).unwrap(), keys)
}

#[test]
fn five_servers_share_ten_thousand_keys() {
    let balanced = distribution(Placement::Balanced, 10_000);
    assert_eq!(balanced.servers.len(), 5);
    assert_eq!(balanced.servers.iter().map(|server| server.keys).sum::<u64>(), 10_000);
    let shares: f64 = balanced.servers.iter().map(|server| server.arc_share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert!(balanced.max_over_mean <= 1.03, "{}", balanced.max_over_mean);
    assert!(balanced.keys_max_over_mean <= 1.06, "{}", balanced.keys_max_over_mean);
    assert!(distribution(Placement::Classic, 0).max_over_mean > balanced.max_over_mean);
}

#[test]
fn no_keys_are_no_division_by_zero() {
    let empty = distribution(Placement::Classic, 0);
    assert_eq!(empty.keys_max_over_mean, 0.0);
    let json = serde_json::to_value(&empty).unwrap();
    assert_eq!(json["servers"][0]["name"], "kv-0");
    assert!(json["max_over_mean"].is_number());
}
