//! Pure. Every field of the specification, with another value that it can have, and the values that
//! cannot be carried out until they are taken back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A change of the specification, as a merge patch, and the one that takes it back.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The fields, as paths below `spec`.
    pub(crate) fields: Vec<&'static str>,
    pub(crate) out: Value,
    pub(crate) back: Value,
}

/// Fields that never change, or only in one direction, each with the test that shows it.
pub(crate) const FIXED: [(&str, &str); 4] = [
    ("virtualNodes", "the definition forbids it: crates/crd/tests/bad"),
    ("placement", "the definition forbids it: crates/crd/tests/bad"),
    ("storage.class", "the definition forbids it: crates/crd/tests/bad"),
    ("storage.size", "it only grows: the workflow storage-grows"),
];

fn change(fields: &[&'static str], out: Value, back: Value) -> Change {
    Change { fields: fields.to_vec(), out, back }
}

/// One field of the settings of pods.
fn of_pods(field: &'static str, value: &Value) -> Change {
    let patch = |value: &Value| {
        let settings = json!({ field: value });
        json!({ "node": settings, "router": settings })
    };
    Change { fields: vec![field], out: patch(value), back: patch(&Value::Null) }
}

/// Each field out and back.
pub(crate) fn changes() -> Vec<Change> {
    let mut changes = vec![
        change(&["replicas"], json!({ "replicas": 4 }), json!({ "replicas": 3 })),
        change(
            &["durability"],
            json!({ "durability": "EverySec" }),
            json!({ "durability": "Always" }),
        ),
        change(
            &["pvcRetentionPolicy.whenScaled"],
            json!({ "pvcRetentionPolicy": { "whenScaled": "Retain" } }),
            json!({ "pvcRetentionPolicy": { "whenScaled": "Delete" } }),
        ),
        change(
            &["pvcRetentionPolicy.whenDeleted"],
            json!({ "pvcRetentionPolicy": { "whenDeleted": "Delete" } }),
            json!({ "pvcRetentionPolicy": { "whenDeleted": "Retain" } }),
        ),
        change(&["image"], json!({ "image": "ringkv:b" }), json!({ "image": "ringkv:a" })),
        change(
            &["imagePullPolicy"],
            json!({ "imagePullPolicy": "IfNotPresent" }),
            json!({ "imagePullPolicy": null }),
        ),
        change(
            &["imagePullSecrets"],
            json!({ "imagePullSecrets": [{ "name": "registry" }] }),
            json!({ "imagePullSecrets": null }),
        ),
        change(
            &["rebalance.maxBytesPerSecond"],
            json!({ "rebalance": { "maxBytesPerSecond": 1_000_000 } }),
            json!({ "rebalance": { "maxBytesPerSecond": null } }),
        ),
        change(
            &["rebalance.parallelHandoffs"],
            json!({ "rebalance": { "parallelHandoffs": 2 } }),
            json!({ "rebalance": { "parallelHandoffs": 8 } }),
        ),
        change(&["paused"], json!({ "paused": true }), json!({ "paused": false })),
        change(
            &["router.replicas"],
            json!({ "router": { "replicas": 2 } }),
            json!({ "router": { "replicas": 1 } }),
        ),
        change(
            &["router.service.type"],
            json!({ "router": { "service": { "type": "NodePort" } } }),
            json!({ "router": { "service": { "type": "ClusterIP" } } }),
        ),
        change(
            &["router.service.annotations"],
            json!({ "router": { "service": { "annotations": { "example.com/a": "b" } } } }),
            json!({ "router": { "service": { "annotations": null } } }),
        ),
        change(
            &["auth", "auth.existingSecret"],
            json!({ "auth": { "existingSecret": "ours" } }),
            json!({ "auth": null }),
        ),
    ];
    changes.extend(pod_changes());
    changes
}

fn pod_changes() -> Vec<Change> {
    let requests = json!({ "requests": { "cpu": "50m", "memory": "64Mi" } });
    let term = json!({ "labelSelector": {}, "topologyKey": "kubernetes.io/hostname" });
    let affinity = json!({ "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 1, "podAffinityTerm": term },
        ],
    }});
    let spread = json!([{
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
    }]);
    let toleration = json!([{ "key": "a", "operator": "Exists", "effect": "NoSchedule" }]);
    vec![
        of_pods("resources", &requests),
        of_pods("affinity", &affinity),
        of_pods("topologySpreadConstraints", &spread),
        of_pods("tolerations", &toleration),
        of_pods("nodeSelector", &json!({ "example.com/disk": "fast" })),
        of_pods("priorityClassName", &json!("bench")),
        of_pods("labels", &json!({ "example.com/a": "b" })),
        of_pods("annotations", &json!({ "example.com/a": "b" })),
    ]
}

/// What cannot be carried out, with what is told of it, and how it is repaired.
pub(crate) fn unsatisfiable() -> Vec<(&'static str, &'static str, Value, Value)> {
    let far = json!({ "node": { "nodeSelector": { "example.com/disk": "nowhere" } } });
    let large = json!({ "node": { "resources": { "requests": { "cpu": "1000" } } } });
    let secret = json!({ "auth": { "existingSecret": "missing" } });
    let image = json!({ "image": "ringkv:nowhere" });
    let joining = json!({
        "replicas": 5, "node": { "nodeSelector": { "example.com/disk": "nowhere" } },
    });
    let selector = json!({ "node": { "nodeSelector": null } });
    vec![
        ("an image that nobody has", "Blocked", image, json!({ "image": "ringkv:a" })),
        ("a machine that is not there", "Blocked", far, selector),
        ("more than any machine has", "Blocked", large, json!({ "node": { "resources": null } })),
        ("a Secret that is not there", "ReconcileFailed", secret, json!({ "auth": null })),
        (
            "servers that find no machine",
            "Blocked",
            joining,
            json!({ "replicas": 3, "node": { "nodeSelector": null } }),
        ),
    ]
}

/// The fields of the definition's schema that nothing here changes.
pub(crate) fn left_out(schema: &Value) -> Vec<String> {
    let mut known: BTreeSet<String> = FIXED.iter().map(|(field, _)| (*field).to_owned()).collect();
    for change in changes() {
        let is_of_pods = change.out["node"].is_object() && change.out["router"].is_object();
        for field in change.fields {
            if is_of_pods {
                known.extend([format!("node.{field}"), format!("router.{field}")]);
            } else {
                known.insert(field.to_owned());
            }
        }
    }
    let mut fields = Vec::new();
    leaves("", schema, &known, &mut fields);
    fields.retain(|field| !known.contains(field));
    fields
}

/// The paths of fields down to those that are known, or have no fields of their own.
fn leaves(path: &str, schema: &Value, known: &BTreeSet<String>, fields: &mut Vec<String>) {
    let inner = schema["properties"].as_object().filter(|_| !known.contains(path));
    match inner {
        None => fields.push(path.to_owned()),
        Some(properties) => {
            for (name, schema) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, schema, known, fields);
            }
        }
    }
}
