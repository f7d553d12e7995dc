//! Pure. Which KvCluster, and the ring document in it.

use std::fmt;
use std::str::FromStr;

use crd::{KvCluster, KvClusterStatus};
use kube::core::{ApiResource, DynamicObject};
use ring::{DocumentError, RingDocument};

/// The longest name of a namespace or of an object, as Kubernetes bounds it.
const MAX_NAME_BYTES: usize = 253;

/// A KvCluster: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A text names no KvCluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form <namespace>/<name>, such as default/demo")]
pub struct ClusterNameError(String);

impl FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(text: &str) -> Result<Self, ClusterNameError> {
        let is_name = |name: &str| {
            let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
            (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits)
        };
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(ClusterNameError(text.to_owned())),
        }
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Why a KvCluster gives no ring document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The operator has not written one yet.
    #[error("KvCluster {0} has no ring document yet; the operator writes it into status.ring")]
    None(ClusterName),
    /// What is there is not understood.
    #[error("status.ring of KvCluster {cluster}: {source}; run the same release everywhere")]
    Invalid {
        /// Whose.
        cluster: ClusterName,
        /// What is wrong with it.
        source: DocumentError,
    },
}

/// What the API server calls KvClusters.
#[must_use]
pub fn api_resource() -> ApiResource {
    ApiResource::erase::<KvCluster>(&())
}

/// The committed ring document. Nothing else of the object is looked at, so that a newer operator
/// may write what this release does not know.
///
/// # Errors
/// There is none, or it is not understood.
pub fn committed_ring(
    cluster: &ClusterName,
    object: &DynamicObject,
) -> Result<RingDocument, RingError> {
    let ring = object.data.pointer("/status/ring").filter(|ring| !ring.is_null()).cloned();
    let status = KvClusterStatus { ring, ..KvClusterStatus::default() };
    match status.ring_document() {
        Ok(Some(document)) => Ok(document),
        Ok(None) => Err(RingError::None(cluster.clone())),
        Err(source) => Err(RingError::Invalid { cluster: cluster.clone(), source }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn demo() -> ClusterName {
        "apps/demo".parse().expect("a name")
    }

    #[test]
    fn a_cluster_is_named_with_its_namespace() {
        assert_eq!(demo(), ClusterName { namespace: "apps".into(), name: "demo".into() });
        assert_eq!(demo().to_string(), "apps/demo");
        let long = "x".repeat(MAX_NAME_BYTES);
        assert!(format!("a/{long}").parse::<ClusterName>().is_ok());
        for bad in ["demo", "/demo", "apps/", "a/b/c", "Apps/demo", "a/b c", &format!("a/x{long}")]
        {
            assert!(bad.parse::<ClusterName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_ring_of_an_object_is_read() {
        let read = |data: serde_json::Value| {
            let object = DynamicObject::new("demo", &api_resource()).data(data);
            committed_ring(&demo(), &object).map_err(|error| error.to_string())
        };
        let member = ("demo-0", "0123456789abcdef0123456789abcdef");
        let cluster = "f".repeat(32);
        let document = RingDocument::bootstrap(&cluster, ring::Placement::Classic, 4, [member]);
        let document = document.expect("a document");
        let ring: serde_json::Value = serde_json::from_str(&document.to_json()).expect("JSON");
        let unknown = json!({ "spec": 7, "status": { "ring": ring, "conditions": "odd" } });
        assert_eq!(read(unknown), Ok(document));
        for without in [json!({}), json!({ "status": {} }), json!({ "status": { "ring": null } })] {
            let error = read(without).expect_err("no ring");
            assert!(error.starts_with("KvCluster apps/demo has no ring document yet"), "{error}");
        }
        let error = read(json!({ "status": { "ring": { "format": 9 } } })).expect_err("no ring");
        assert!(error.starts_with("status.ring of KvCluster apps/demo: "), "{error}");
    }
}
