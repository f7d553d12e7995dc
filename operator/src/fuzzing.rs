//! Pure. What holds of any resource that an API server may store. The fuzz targets ask it; a breach
//! is a panic.

use crd::KvCluster;
use handoff::ClusterId;

use crate::build::{BuildFacts, objects};
use crate::validate::validate;

const IMAGE: &str = "ringkv";

/// A resource as JSON: it is refused with a reason, or its objects can be built, the same ones each
/// time.
pub fn cluster(json: &[u8]) {
    let Ok(cluster) = serde_json::from_slice::<KvCluster>(json) else { return };
    let valid = match validate(&cluster, ClusterId(1), IMAGE) {
        Ok(valid) => valid,
        Err(invalid) => return assert!(!invalid.to_string().is_empty()),
    };
    let facts =
        BuildFacts { server_pods: 3, claim_size: None, operator_namespace: "ringkv-system" };
    let built = objects(&valid, &facts);
    assert_eq!(built, objects(&valid, &facts));
    assert!(serde_json::to_vec(&built.stateful_set).is_ok_and(|json| !json.is_empty()));
    assert!(serde_json::to_vec(&built.router).is_ok_and(|json| !json.is_empty()));
}
