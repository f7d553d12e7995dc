//! Pure. What no rule of an older definition may have let through.

use serde_json::{Value, json};

use super::*;

pub(crate) fn cluster(name: &str, spec: &Value) -> KvCluster {
    let resource = json!({
        "apiVersion": "ringkv.dev/v1alpha1",
        "kind": "KvCluster",
        "metadata": { "name": name, "namespace": "shop", "uid": "1b4e28ba-2fa1" },
        "spec": spec,
    });
    serde_json::from_value(resource).expect("a resource")
}

pub(crate) fn valid(spec: &Value) -> ValidCluster {
    validate(&cluster("demo", spec), ClusterId(7), "ringkv:own").expect("valid")
}

fn refusal(name: &str, spec: &Value) -> String {
    let refusal = validate(&cluster(name, spec), ClusterId(7), "ringkv:own");
    refusal.expect_err("invalid").to_string()
}

#[test]
fn everything_has_a_default() {
    let valid = valid(&json!({}));
    assert_eq!(valid.image, "ringkv:own");
    assert_eq!((&*valid.storage_size, valid.storage_bytes), ("10Gi", 10 << 30));
    assert_eq!(valid.auth, None);
    assert_eq!(valid.router.replicas, 2);
}

#[test]
fn names_that_cannot_be_those_of_services_are_refused() {
    for name in ["1demo", "demo.eu", "demo-", "Demo", "demo-nodes", "demo-router", &"a".repeat(41)]
    {
        assert!(refusal(name, &json!({})).contains("create a KvCluster with"), "{name}");
    }
    let longest = "a".repeat(40);
    assert!(validate(&cluster(&longest, &json!({})), ClusterId(7), "own").is_ok());
}

#[test]
fn each_refusal_says_what_to_change() {
    for (spec, says) in [
        (json!({ "replicas": 0 }), "replicas is 0: change it to 1 to 256"),
        (json!({ "replicas": 257 }), "change it to 1 to 256"),
        (json!({ "virtualNodes": 1001 }), "virtualNodes is 1001: change it to 1 to 1000"),
        (json!({ "router": { "replicas": 0 } }), "router.replicas is 0"),
        (json!({ "rebalance": { "parallelHandoffs": 65 } }), "change it to 1 to 64"),
        (json!({ "rebalance": { "maxBytesPerSecond": 1023 } }), "maxBytesPerSecond is 1023"),
        (json!({ "storage": { "size": "big" } }), "such as 10Gi"),
        (json!({ "storage": { "size": "67108863" } }), "at least 64Mi"),
        (json!({ "image": "" }), "leave it out for the operator's own"),
        (json!({ "image": "ringkv: 1" }), "leave it out for the operator's own"),
        (json!({ "auth": { "existingSecret": "" } }), "name a Secret of yours"),
        (json!({ "auth": { "existingSecret": "demo-internal" } }), "name a Secret of yours"),
    ] {
        let refusal = refusal("demo", &spec);
        assert!(refusal.contains(says), "{spec}: {refusal}");
    }
}

#[test]
fn what_was_not_read_from_an_api_server_is_refused() {
    let mut cluster = cluster("demo", &json!({}));
    cluster.metadata.uid = None;
    let refusal = validate(&cluster, ClusterId(7), "own").expect_err("invalid");
    assert_eq!(refusal, InvalidCluster::Metadata("uid"));
}
