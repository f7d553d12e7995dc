//! Pure. The objects of a small cluster and of one that sets everything, whole; and what has to
//! hold for all of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::validate::tests::valid;

const FACTS: BuildFacts<'_> =
    BuildFacts { server_pods: 5, claim_size: None, operator_namespace: "ringkv-system" };

fn build(spec: &Value) -> Objects {
    objects(&valid(spec), &FACTS)
}

fn yaml(object: &impl Serialize) -> String {
    serde_saphyr::to_string(&serde_json::to_value(object).expect("JSON")).expect("YAML")
}

/// Everything about pods that a user can say.
fn settings() -> Value {
    json!({
        "resources": { "requests": { "cpu": "2" }, "limits": { "memory": "4Gi" } },
        "affinity": { "nodeAffinity": {} },
        "topologySpreadConstraints": [
            { "topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule" },
            { "topologyKey": "hall", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
              "labelSelector": {} },
            { "topologyKey": "row", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
              "labelSelector": { "matchLabels": { "team": "storage" } } },
        ],
        "tolerations": [{ "key": "spot", "operator": "Exists" }],
        "nodeSelector": { "disk": "ssd" },
        "priorityClassName": "high",
        "labels": { "team": "storage" },
        "annotations": { "example.com/note": "x" },
    })
}

fn everything() -> Value {
    let mut router = settings();
    router["replicas"] = json!(1);
    router["service"] = json!({
        "type": "LoadBalancer",
        "annotations": { "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal" },
    });
    json!({
        "replicas": 7,
        "durability": "EverySec",
        "storage": { "size": "2Gi", "class": "fast" },
        "pvcRetentionPolicy": { "whenScaled": "Delete", "whenDeleted": "Delete" },
        "image": "registry.example.com/ringkv:2",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{ "name": "registry" }],
        "auth": { "existingSecret": "mine" },
        "node": settings(),
        "router": router,
    })
}

#[test]
fn the_servers_of_a_cluster_with_defaults() {
    insta::assert_snapshot!(yaml(&build(&json!({})).stateful_set));
}

#[test]
fn the_routers_of_a_cluster_with_defaults() {
    insta::assert_snapshot!(yaml(&build(&json!({})).router));
}

#[test]
fn the_other_objects_of_a_cluster_with_defaults() {
    let objects = build(&json!({}));
    let parts = [
        yaml(&objects.node_service),
        yaml(&objects.router_service),
        yaml(&objects.node_budget),
        yaml(&objects.router_budget),
        yaml(&objects.node_policy),
        yaml(&objects.router_policy),
    ];
    insta::assert_snapshot!(parts.join("---\n"));
}

#[test]
fn accounts_may_do_what_their_pods_do() {
    let objects = build(&json!({}));
    let parts = [objects.node_access, objects.router_access].map(|access| {
        [yaml(&access.account), yaml(&access.role), yaml(&access.binding)].join("---\n")
    });
    insta::assert_snapshot!(parts.join("---\n"));
}

#[test]
fn secrets() {
    let cluster = valid(&json!({}));
    let parts =
        [internal_secret(&cluster, "0123"), auth_secret(&cluster, "4567")].map(|it| yaml(&it));
    insta::assert_snapshot!(parts.join("---\n"));
}

#[test]
fn everything_that_a_user_says_is_there() {
    let objects = build(&everything());
    insta::assert_snapshot!("all_set_servers", yaml(&objects.stateful_set));
    insta::assert_snapshot!("all_set_routers", yaml(&objects.router));
    insta::assert_snapshot!("all_set_service", yaml(&objects.router_service));
}

#[test]
fn a_single_router_does_not_block_a_drain() {
    assert_eq!(build(&json!({ "router": { "replicas": 1 } })).router_budget, None);
    assert!(build(&json!({ "router": { "replicas": 2 } })).router_budget.is_some());
}

#[test]
fn the_claim_template_keeps_the_size_that_it_was_made_with() {
    let facts = BuildFacts { claim_size: Some("1Gi"), ..FACTS };
    let grown = objects(&valid(&json!({ "storage": { "size": "2Gi" } })), &facts);
    let set = serde_json::to_value(&grown.stateful_set).expect("JSON");
    let claim = &set["spec"]["volumeClaimTemplates"][0];
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "1Gi");
}

#[test]
fn a_generated_password_is_mounted_from_its_secret() {
    let objects = build(&json!({ "auth": {} }));
    for object in [yaml(&objects.stateful_set), yaml(&objects.router)] {
        assert!(object.contains("secretName: demo-auth"), "{object}");
        assert!(object.contains("- /etc/ringkv/auth/password"), "{object}");
    }
}

/// Metadata of all objects, those of `Objects` by way of a destructuring that leaves none out.
fn all_metadata(objects: Objects, cluster: &ValidCluster) -> Vec<Value> {
    let Objects {
        node_access,
        router_access,
        node_service,
        router_service,
        node_budget,
        router_budget,
        node_policy,
        router_policy,
        stateful_set,
        router,
    } = objects;
    let mut all = vec![
        json!(node_service),
        json!(router_service),
        json!(node_budget),
        json!(router_budget),
        json!(node_policy),
        json!(router_policy),
        json!(stateful_set),
        json!(router),
        json!(internal_secret(cluster, "x")),
        json!(auth_secret(cluster, "x")),
    ];
    for Access { account, role, binding } in [node_access, router_access] {
        all.extend([json!(account), json!(role), json!(binding)]);
    }
    all.into_iter().map(|object| object["metadata"].clone()).collect()
}

#[test]
fn every_object_is_labelled_and_owned() {
    let cluster = valid(&json!({}));
    let all = all_metadata(objects(&cluster, &FACTS), &cluster);
    assert_eq!(all.len(), 16);
    for metadata in all {
        assert_eq!(metadata["namespace"], "shop", "{metadata}");
        assert_eq!(metadata["labels"]["app.kubernetes.io/name"], "ringkv", "{metadata}");
        assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "demo", "{metadata}");
        assert_eq!(metadata["labels"]["ringkv.dev/cluster"], "demo", "{metadata}");
        assert_eq!(metadata["ownerReferences"][0]["uid"], "1b4e28ba-2fa1", "{metadata}");
        assert_eq!(metadata["ownerReferences"][0]["controller"], true, "{metadata}");
        assert_eq!(metadata["ownerReferences"][0]["kind"], "KvCluster", "{metadata}");
    }
}

fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![
        "[a-z]{1,8}",
        Just("app.kubernetes.io/component".to_owned()),
        Just("app.kubernetes.io/name".to_owned()),
        Just("ringkv.dev/cluster".to_owned()),
    ];
    prop::collection::btree_map(key, "[a-z]{0,4}", 0..6)
}

proptest! {
    /// The definition refuses keys of ours, but an older one may not have.
    #[test]
    fn no_label_of_a_user_gets_in_the_way_of_a_selector(users in any_labels()) {
        let settings = json!({ "labels": users });
        let objects = build(&json!({ "node": settings, "router": settings }));
        for object in [json!(objects.stateful_set), json!(objects.router)] {
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            let selected = object["spec"]["selector"]["matchLabels"].as_object();
            for (key, value) in selected.expect("labels") {
                prop_assert_eq!(&labels[key], value);
            }
            for (key, value) in &users {
                let is_ours = key.contains('/');
                prop_assert!(is_ours || labels[key] == *value, "{} of {}", key, labels);
            }
        }
    }
}
