//! Shell. The types read what the schema accepts, and the schema accepts what they write.

use kube::core::cel::{apply_defaults, validate_cel};
use serde_json::{Value, json};

use super::bounds;
use super::manifests::{good, schema};
use crate::KvCluster;

#[test]
fn what_is_accepted_can_be_read_and_written_again() {
    let schema = schema();
    for manifest in good() {
        for document in &manifest.documents {
            let cluster: KvCluster = serde_json::from_value(document.clone()).expect("readable");
            let written = serde_json::to_value(&cluster).expect("JSON");
            let violations = bounds::violations(&schema, &written);
            assert!(violations.is_empty(), "{}: {violations:?}", manifest.file);
            validate_cel(&cluster).expect("accepted");
            let again: KvCluster =
                serde_json::from_value(apply_defaults(&schema, &written)).expect("readable");
            assert_eq!(again, cluster, "{}", manifest.file);
        }
    }
}

#[test]
fn defaults_of_the_schema_are_those_of_the_types() {
    let bare = json!({
        "apiVersion": "ringkv.dev/v1alpha1",
        "kind": "KvCluster",
        "metadata": { "name": "demo" },
        "spec": {},
    });
    let defaulted = apply_defaults(&schema(), &bare);
    let read = |value: &Value| serde_json::from_value::<KvCluster>(value.clone()).expect("read");
    assert_eq!(read(&bare), read(&defaulted));
    insta::assert_snapshot!(serde_json::to_string_pretty(&defaulted["spec"]).expect("JSON"));
}

#[test]
fn the_whole_schema_prunes_but_for_the_ring() {
    let mut open = Vec::new();
    paths_that_preserve(&schema(), "", &mut open);
    assert_eq!(open, ["/properties/status/properties/ring"]);
}

fn paths_that_preserve(value: &Value, path: &str, found: &mut Vec<String>) {
    let Some(map) = value.as_object() else { return };
    if map.contains_key("x-kubernetes-preserve-unknown-fields") {
        found.push(path.to_owned());
    }
    for (key, value) in map {
        paths_that_preserve(value, &format!("{path}/{key}"), found);
    }
}

#[test]
fn the_definition_fits_the_annotation_of_kubectl_apply() {
    let bytes = serde_json::to_vec(&crate::definition()).expect("JSON").len();
    assert!(bytes < 256 << 10, "{bytes}");
}

#[test]
fn the_bounds_are_those_of_the_ring() {
    let spec = &schema()["properties"]["spec"]["properties"];
    assert_eq!(spec["replicas"]["maximum"].as_f64(), Some(ring::MAX_MEMBERS as f64));
    assert_eq!(spec["virtualNodes"]["maximum"].as_f64(), Some(ring::MAX_VIRTUAL_NODES.into()));
}
