//! Shell. The manifests in tests/good and tests/bad. The first line of each is a comment: what a
//! bad one is told. Where there are several documents, each one updates the one before it, and it
//! is the last one that is refused.

use std::path::{Path, PathBuf};

use kube::core::cel::apply_defaults;
use serde_json::Value;

pub(super) struct Manifest {
    pub(super) file: String,
    pub(super) says: String,
    /// As the API server sees them: with defaults.
    pub(super) documents: Vec<Value>,
}

pub(super) fn good() -> Vec<Manifest> {
    all("good")
}

pub(super) fn bad() -> Vec<Manifest> {
    all("bad")
}

pub(super) fn schema() -> Value {
    let definition = serde_json::to_value(crate::definition()).expect("JSON");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn all(folder: &str) -> Vec<Manifest> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    assert!(paths.len() > 3, "{paths:?}");
    let schema = schema();
    paths.iter().map(|path| read(path, &schema)).collect()
}

fn read(path: &Path, schema: &Value) -> Manifest {
    let file = path.file_name().expect("a file").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("text");
    let (first, _) = text.split_once('\n').expect("lines");
    let says = first.strip_prefix("# ").expect("the first line is a comment").to_owned();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    assert!(!documents.is_empty(), "{file}");
    let documents = documents.iter().map(|document| apply_defaults(schema, document)).collect();
    Manifest { file, says, documents }
}
