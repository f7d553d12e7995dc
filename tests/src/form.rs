//! Pure. The form of a cluster's objects: what is left of them when everything is taken out that
//! differs from one run to the next. Two runs of the same change have to end in the same form.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The objects of a namespace by the name of their kind in the API.
pub type Objects = BTreeMap<String, Vec<Value>>;

/// What is said of each object, by kind and name.
pub type Form = BTreeMap<String, Value>;

/// An annotation that tests change to have a cluster looked at.
pub const POKE: &str = "ringkv.test/poke";

/// Begins the keys of labels and annotations that Kubernetes writes for itself.
const OF_OTHERS: [&str; 5] = [
    "pv.kubernetes.io/",
    "volume.",
    "deployment.kubernetes.io/",
    "kubectl.kubernetes.io/",
    "apps.kubernetes.io/",
];
/// Fields of a specification that the API server fills in, each time otherwise.
const DRAWN: [&str; 5] =
    ["clusterIP", "clusterIPs", "healthCheckNodePort", "volumeName", "volumeClaimTemplates"];

/// The form of all objects of a namespace that belong to the cluster, and the cluster itself.
#[must_use]
pub fn form(objects: &Objects) -> Form {
    let clusters = objects.get("kvclusters").into_iter().flatten();
    let words: Vec<(String, &str)> = clusters.flat_map(words_of).collect();
    let revision = objects
        .get("statefulsets")
        .and_then(|sets| sets.first())
        .map_or(Value::Null, |set| set["status"]["updateRevision"].clone());
    let mut form = Form::new();
    for (kind, objects) in objects {
        for object in objects {
            let name = text(&object["metadata"]["name"]);
            let said = match kind.as_str() {
                "kvclusters" => cluster(object),
                "pods" if is_router(object) => continue,
                "pods" => pod(object, &revision),
                "secrets" => json!({ "metadata": metadata(object), "keys": keys(object) }),
                "persistentvolumeclaims" if object["metadata"]["deletionTimestamp"].is_string() => {
                    json!("on its way out")
                }
                _ if !is_ours(object) => continue,
                // Nothing is left to say which cluster's they are, and of which size.
                "persistentvolumeclaims" if words.is_empty() => json!(keys_of_annotations(object)),
                _ => other(object),
            };
            form.insert(format!("{kind}/{name}"), replaced(&said, &words));
        }
    }
    form
}

/// Where two forms differ, an object a line.
#[must_use]
pub fn differences(expected: &Form, found: &Form) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, one) in expected {
        match found.get(name) {
            None => lines.push(format!("{name} is missing")),
            Some(other) => differ(name, one, other, &mut lines),
        }
    }
    lines.extend(
        found
            .keys()
            .filter(|name| !expected.contains_key(*name))
            .map(|name| format!("{name} should not be there")),
    );
    lines
}

fn differ(path: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                let (one, other) = (&one.get(key), &other.get(key));
                let null = &Value::Null;
                differ(&format!("{path}.{key}"), one.unwrap_or(null), other.unwrap_or(null), lines);
            }
        }
        _ if expected == found => {}
        _ => lines.push(format!("{path} is {found}, and should be {expected}")),
    }
}

/// What is drawn or counted anew in each run, and what stands for it.
fn words_of(cluster: &Value) -> Vec<(String, &'static str)> {
    let words = [
        (&cluster["metadata"]["namespace"], "(namespace)"),
        (&cluster["status"]["clusterId"], "(id)"),
        (&cluster["spec"]["image"], "(image)"),
        (&cluster["spec"]["storage"]["size"], "(size)"),
    ];
    let given = words.map(|(value, word)| (text(value).to_owned(), word));
    given.into_iter().filter(|(value, _)| !value.is_empty()).collect()
}

fn replaced(value: &Value, words: &[(String, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let fold = |text: String, (from, to): &(String, &str)| text.replace(from, to);
            Value::String(words.iter().fold(text.clone(), fold))
        }
        Value::Array(items) => items.iter().map(|item| replaced(item, words)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(fields.map(|(key, one)| (key.clone(), replaced(one, words))).collect())
        }
        other => other.clone(),
    }
}

fn cluster(object: &Value) -> Value {
    let status = &object["status"];
    let ring = &status["ring"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Map<String, Value> = conditions
        .map(|one| (text(&one["type"]).to_owned(), json!([one["status"], one["reason"]])))
        .collect();
    let servers = status["servers"].as_array().into_iter().flatten();
    let servers: Map<String, Value> = servers
        .map(|one| {
            (text(&one["name"]).to_owned(), json!([one["role"], one["ready"], one["error"]]))
        })
        .collect();
    json!({
        "metadata": metadata(object),
        "spec": object["spec"],
        "seen": status["observedGeneration"] == object["metadata"]["generation"],
        "replicas": [status["replicas"], status["readyReplicas"], status["ready"]],
        "phase": status["phase"],
        "conditions": conditions,
        "servers": servers,
        "rebalance": status["rebalance"],
        "ring": {
            "phase": ring["phase"],
            "placement": ring["placement"],
            "virtualNodes": ring["virtualNodes"],
            "members": names(&ring["members"]),
            "leaving": names(&ring["leaving"]),
            "dead": names(&ring["dead"]),
        },
    })
}

/// In order, as the order in which servers joined may differ.
fn names(members: &Value) -> Vec<&str> {
    let members = members.as_array().into_iter().flatten();
    let mut names: Vec<&str> = members.map(|one| text(&one["name"])).collect();
    names.sort_unstable();
    names
}

fn pod(object: &Value, revision: &Value) -> Value {
    let container = &object["spec"]["containers"][0];
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.filter(|one| one["type"] == "Ready").map(|one| &one["status"]);
    json!({
        "image": container["image"],
        "arguments": container["args"],
        "is of the present revision":
            object["metadata"]["labels"]["controller-revision-hash"] == *revision,
        "ready": ready.collect::<Vec<_>>(),
        "is ending": object["metadata"]["deletionTimestamp"].is_string(),
    })
}

fn other(object: &Value) -> Value {
    let mut said = Map::new();
    for (field, value) in object.as_object().into_iter().flatten() {
        let kept = match field.as_str() {
            "apiVersion" | "kind" | "status" => continue,
            "metadata" => metadata(object),
            "spec" => without(value, &DRAWN),
            _ => value.clone(),
        };
        said.insert(field.clone(), kept);
    }
    if let Some(ports) = said.get_mut("spec").and_then(|spec| spec["ports"].as_array_mut()) {
        for port in ports {
            *port = without(port, &["nodePort"]);
        }
    }
    Value::Object(said)
}

fn without(value: &Value, fields: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|field, _| !fields.contains(&field.as_str()));
    }
    value
}

fn metadata(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let owners: Vec<Value> =
        owners.map(|one| json!([one["kind"], one["name"], one["controller"]])).collect();
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    let annotations: Map<String, Value> = annotations
        .filter(|(key, _)| *key != POKE && !OF_OTHERS.iter().any(|of| key.starts_with(of)))
        .map(|(key, value)| match key.as_str() {
            "ringkv.dev/retired" => (key.clone(), json!("(incarnation)")),
            _ => (key.clone(), value.clone()),
        })
        .collect();
    json!({
        "labels": metadata["labels"],
        "annotations": annotations,
        "finalizers": metadata["finalizers"],
        "owners": owners,
        "is ending": metadata["deletionTimestamp"].is_string(),
    })
}

fn keys_of_annotations(object: &Value) -> Vec<String> {
    let metadata = metadata(object);
    metadata["annotations"].as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

fn keys(secret: &Value) -> Vec<&String> {
    secret["data"].as_object().into_iter().flat_map(Map::keys).collect()
}

fn is_router(object: &Value) -> bool {
    object["metadata"]["labels"]["app.kubernetes.io/component"] == "router"
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"]["ringkv.dev/cluster"].is_string()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(namespace: &str, id: &str, uid: &str, image: &str) -> Objects {
        let labels = json!({ "ringkv.dev/cluster": "demo", "ringkv.dev/cluster-id": id });
        let cluster = json!({
            "metadata": { "name": "demo", "namespace": namespace, "uid": uid, "generation": 4 },
            "spec": { "replicas": 1, "image": image, "storage": { "size": "1Gi" } },
            "status": {
                "clusterId": id,
                "observedGeneration": 4,
                "ring": { "epoch": 7, "members": [{ "name": "demo-0", "incarnation": uid }] },
                "conditions": [
                    { "type": "Available", "status": "True", "lastTransitionTime": uid },
                ],
            },
        });
        let claim = json!({
            "metadata": { "name": "data-demo-0", "uid": uid, "labels": labels },
            "spec": { "volumeName": uid, "resources": { "requests": { "storage": "1Gi" } } },
        });
        let pod = json!({
            "metadata": {
                "name": "demo-0", "uid": uid,
                "labels": { "ringkv.dev/cluster": "demo", "controller-revision-hash": uid },
            },
            "spec": { "containers": [{ "image": image, "args": ["--cluster", id] }] },
        });
        let set = json!({
            "metadata": { "name": "demo", "labels": labels },
            "status": { "updateRevision": uid },
        });
        let foreign = json!({ "metadata": { "name": "kube-root-ca.crt" } });
        [
            ("kvclusters", cluster),
            ("persistentvolumeclaims", claim),
            ("pods", pod),
            ("statefulsets", set),
            ("configmaps", foreign),
        ]
        .map(|(kind, object)| (kind.to_owned(), vec![object]))
        .into()
    }

    #[test]
    fn two_runs_have_the_same_form() {
        let one = form(&objects("a", "0123", "u1", "ringkv:a"));
        let other = form(&objects("b", "4567", "u2", "ringkv:b"));
        assert_eq!(differences(&one, &other), Vec::<String>::new());
        assert_eq!(one.len(), 4, "what is not of the cluster is left out");
    }

    #[test]
    fn what_matters_is_seen() {
        let expected = form(&objects("a", "0123", "u1", "ringkv:a"));
        let check = |change: fn(&mut Objects), line: &str| {
            let mut changed = objects("b", "4567", "u2", "ringkv:b");
            change(&mut changed);
            let lines = differences(&expected, &form(&changed));
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines.first().is_some_and(|one| one.contains(line)), "{lines:?}");
        };
        check(
            |all| {
                all.get_mut("pods").expect("pods")[0]["spec"]["containers"][0]["image"] =
                    json!("x");
            },
            "pods/demo-0.image",
        );
        check(
            |all| {
                all.get_mut("pods").expect("pods")[0]["metadata"]["labels"] =
                    json!({ "controller-revision-hash": "old" });
            },
            "present revision",
        );
        check(
            |all| {
                let claims = all.get_mut("persistentvolumeclaims").expect("claims");
                claims[0]["metadata"]["annotations"] = json!({ "ringkv.dev/retired": "u2" });
            },
            "annotations.ringkv.dev/retired",
        );
        check(
            |all| {
                let mut more = all["persistentvolumeclaims"][0].clone();
                more["metadata"]["name"] = json!("data-demo-1");
                all.get_mut("persistentvolumeclaims").expect("claims").push(more);
            },
            "data-demo-1 should not be there",
        );
        check(|all| all.get_mut("pods").expect("pods").clear(), "pods/demo-0 is missing");
    }
}
