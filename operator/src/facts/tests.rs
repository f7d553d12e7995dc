use serde_json::{Value, json};

use super::*;

fn pod(status: &Value) -> PodFacts {
    let pod = json!({
        "metadata": {
            "name": "demo-0", "uid": "u", "labels": { "controller-revision-hash": "demo-1" }
        },
        "status": status,
    });
    PodFacts::of(&serde_json::from_value(pod).expect("a pod"))
}

fn not_scheduled(reason: &str) -> Value {
    json!({ "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": reason, "message": "no room",
    }]})
}

fn container(restarts: i32, state: &Value, last: &Value) -> Value {
    json!({ "podIP": "10.0.0.1", "containerStatuses": [{
        "name": "node", "image": "i", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state, "lastState": last,
    }]})
}

#[test]
fn only_what_does_not_pass_by_itself_is_trouble() {
    let check = |status: &Value, expected: Option<&str>| {
        assert_eq!(pod(status).trouble.as_deref(), expected, "{status}");
    };
    check(&json!({}), None);
    check(&not_scheduled("SchedulerError"), None);
    check(&not_scheduled("Unschedulable"), Some("it is not scheduled: no room"));
    let waiting = |reason: &str| json!({ "waiting": { "reason": reason, "message": "m" } });
    check(&container(0, &waiting("ContainerCreating"), &json!({})), None);
    check(&container(0, &waiting("ErrImagePull"), &json!({})), Some("ErrImagePull: m"));
    let ended = json!({ "terminated": { "exitCode": 74 } });
    check(&container(1, &waiting("CrashLoopBackOff"), &ended), None);
    let told = "it keeps ending, with code 74; kubectl logs --previous says why";
    check(&container(2, &waiting("CrashLoopBackOff"), &ended), Some(told));
    check(&container(2, &json!({ "running": {} }), &ended), Some(told));
}

#[test]
fn a_ready_pod_has_no_trouble_whatever_was_before() {
    let ended = json!({ "terminated": { "exitCode": 74 } });
    let mut status = container(5, &json!({ "running": {} }), &ended);
    status["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
    let found = pod(&status);
    assert!(found.is_ready && found.trouble.is_none());
    assert_eq!((&*found.uid, &*found.revision), ("u", "demo-1"));
}

#[test]
fn a_pod_that_has_ended_has_no_address() {
    assert_eq!(pod(&json!({ "phase": "Failed", "podIP": "10.0.0.1" })).address, None);
}

#[test]
fn a_revision_counts_only_once_the_controller_has_seen_the_template() {
    let set = |observed: i64| {
        let set = json!({
            "metadata": { "name": "demo", "generation": 3 },
            "spec": {
                "replicas": 2, "selector": {}, "template": {},
                "volumeClaimTemplates": [{ "spec": { "resources": {
                    "requests": { "storage": "1Gi" }
                }}}],
            },
            "status": { "replicas": 2, "observedGeneration": observed, "updateRevision": "r" },
        });
        SetFacts::of(&serde_json::from_value(set).expect("a StatefulSet"))
    };
    assert_eq!(set(2).update_revision, None);
    assert_eq!(set(3).update_revision.as_deref(), Some("r"));
    assert_eq!((set(3).replicas, set(3).claim_size()), (2, Some("1Gi")));
}

#[test]
fn a_claim_tells_its_server_and_what_became_of_it() {
    let claim = json!({
        "metadata": {
            "name": "data-demo-2", "uid": "u", "resourceVersion": "9",
            "labels": { "ringkv.dev/cluster-id": "c" },
            "annotations": { "ringkv.dev/retired": "i" },
            "ownerReferences": [{ "apiVersion": "v", "kind": "k", "name": "demo", "uid": "o" }],
        },
        "spec": { "volumeName": "v", "resources": { "requests": { "storage": "1Gi" } } },
    });
    let claim = ClaimFacts::of(&serde_json::from_value(claim).expect("a claim"));
    let expected = ClaimFacts {
        name: "data-demo-2".to_owned(),
        uid: "u".to_owned(),
        resource_version: "9".to_owned(),
        is_terminating: false,
        is_bound: true,
        retired: Some("i".to_owned()),
        size: "1Gi".to_owned(),
        cluster_id: Some("c".to_owned()),
        owners: vec!["o".to_owned()],
    };
    assert_eq!(claim, expected);
    let server = |name| ClaimFacts::server(Names("demo"), name);
    assert_eq!(server("data-demo-2").as_deref(), Some("demo-2"));
    for other in ["data-demo", "data-demo-x", "data-demo-02", "data-other-1", "cache-demo-1"] {
        assert_eq!(server(other), None, "{other}");
    }
}

#[test]
fn addresses_of_both_kinds() {
    assert_eq!(server_addresses("10.0.0.1").resp, "10.0.0.1:6400");
    assert_eq!(server_addresses("fd00::1").http, "[fd00::1]:6401");
    assert_eq!(server_addresses("fd00::1").peer, "[fd00::1]:6402");
}
