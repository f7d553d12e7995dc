//! The charts agree with the definition of the custom resource, and with this release.

use std::fs;
use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

/// A chart can only hold files of its own, so it has a copy.
#[test]
fn the_operators_chart_has_the_committed_definition() {
    let definition = read("crds/kvclusters.ringkv.dev.yaml");
    assert!(
        !definition.is_empty()
            && definition == read("charts/ringkv/files/kvclusters.ringkv.dev.yaml"),
        "the chart's definition is out of date: \
         cp crds/kvclusters.ringkv.dev.yaml charts/ringkv/files/"
    );
}

#[test]
fn charts_have_the_version_of_the_binary() {
    for chart in ["ringkv", "kvcluster"] {
        let text = read(&format!("charts/{chart}/Chart.yaml"));
        for field in ["version", "appVersion"] {
            let line = format!("{field}: {}", env!("CARGO_PKG_VERSION"));
            assert!(text.lines().any(|other| other == line), "charts/{chart} lacks `{line}`");
        }
    }
}

#[test]
fn every_field_of_a_cluster_can_be_set_by_its_chart() {
    let definition = serde_json::to_value(crd::definition()).expect("it is JSON");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let values = read("charts/kvcluster/values.schema.json");
    let values = serde_json::from_str(&values).expect("the schema of values is JSON");
    let seen = require_all(&schema["properties"]["spec"], &values, "spec");
    assert!(seen > 20, "only {seen} fields were compared");
}

/// Requires that each field is a value, too; how many there are. What the chart passes on without
/// describing its parts has all of them.
fn require_all(field: &Value, value: &Value, path: &str) -> usize {
    let parts = |schema: &Value| schema["properties"].as_object().cloned();
    let (Some(fields), Some(values)) = (parts(field), parts(value)) else { return 0 };
    let deeper = fields.iter().map(|(name, field)| {
        let value = values.get(name);
        assert!(value.is_some(), "charts/kvcluster cannot set {path}.{name}");
        require_all(field, value.unwrap_or(&Value::Null), &format!("{path}.{name}"))
    });
    fields.len() + deeper.sum::<usize>()
}
