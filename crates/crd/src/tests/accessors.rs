//! Pure. What operator, nodes and routers ask a resource for.

use std::collections::BTreeMap;

use crate::names::{Component, Names};
use crate::{AcceptedLoss, ConditionType, KvCluster, KvClusterSpec, KvClusterStatus};

fn cluster(annotation: Option<&str>) -> KvCluster {
    let spec: KvClusterSpec = serde_json::from_str("{}").expect("all has defaults");
    let mut cluster = KvCluster::new("demo", spec);
    cluster.metadata.annotations = annotation
        .map(|value| BTreeMap::from([(crate::ACCEPT_DATA_LOSS.to_owned(), value.to_owned())]));
    cluster
}

#[test]
fn the_selector_is_that_of_the_server_pods() {
    assert_eq!(
        Names("demo").selector_text(Component::Node),
        "app.kubernetes.io/component=node,ringkv.dev/cluster=demo"
    );
}

#[test]
fn a_condition_that_was_never_told_is_none() {
    assert!(KvClusterStatus::default().condition(ConditionType::Available).is_none());
}

#[test]
fn accepted_losses_are_told_apart() {
    let id = "0123456789abcdef0123456789abcdef";
    let parsed = |value: &str| cluster(Some(value)).accepted_losses();
    let loss = |server: &str| AcceptedLoss {
        server: server.to_owned(),
        incarnation: id.parse().expect("an incarnation"),
    };
    assert_eq!(cluster(None).accepted_losses(), Ok(vec![]));
    assert_eq!(parsed(""), Ok(vec![]));
    assert_eq!(parsed(&format!("demo-1/{id}")), Ok(vec![loss("demo-1")]));
    let two = format!(" demo-1/{id} , demo-12/{id},");
    assert_eq!(parsed(&two), Ok(vec![loss("demo-1"), loss("demo-12")]));
    for (wrong, part) in [
        ("demo-1".to_owned(), "demo-1".to_owned()),
        (format!("/{id}"), format!("/{id}")),
        (format!("other-1/{id}"), format!("other-1/{id}")),
        ("demo-1/abc".to_owned(), "demo-1/abc".to_owned()),
        (format!("demo-1/{id},demo-01/{id}"), format!("demo-01/{id}")),
    ] {
        let error = parsed(&wrong).expect_err("refused");
        assert_eq!(error.part, part);
        assert!(error.to_string().contains("<pod>/<incarnation>"), "{error}");
    }
}
