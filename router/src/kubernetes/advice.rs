//! Pure. What changes a cluster on Kubernetes: not the router, but a command of kubectl.

use kubernetes::ClusterName;
use serde::Deserialize;

use super::Facts;

/// As in the bodies of requests for a change.
#[derive(Debug, Default, Deserialize)]
struct Wish {
    servers: Option<i64>,
    count: Option<i64>,
    name: Option<String>,
    incarnation: Option<String>,
}

/// What to do instead of the request with this path and body.
pub(crate) fn advice(cluster: &ClusterName, facts: &Facts, path: &str, body: &[u8]) -> String {
    let ClusterName { namespace, name } = cluster;
    let wish: Wish = serde_json::from_slice(body).unwrap_or_default();
    let scale = |replicas: Option<i64>| {
        let replicas = replicas.map_or("<N>".to_owned(), |replicas| replicas.max(1).to_string());
        format!("kubectl scale kvcluster/{name} -n {namespace} --replicas={replicas}")
    };
    let specified = facts.object.as_ref().and_then(|object| object.data.pointer("/spec/replicas"));
    let specified = specified.and_then(serde_json::Value::as_i64);
    let count = wish.count.unwrap_or(1);
    let command = match path {
        "/add-server" => scale(specified.map(|replicas| replicas.saturating_add(count))),
        "/remove-server" => scale(specified.map(|replicas| replicas.saturating_sub(count))),
        "/accept-data-loss" => {
            let server = wish.name.as_deref().filter(|name| is_word(name)).unwrap_or("<server>");
            let incarnation = wish.incarnation.as_deref().filter(|text| is_word(text));
            let incarnation = incarnation.unwrap_or("<incarnation>");
            format!(
                "kubectl annotate kvcluster/{name} -n {namespace} --overwrite {}={server}/\
                 {incarnation}",
                crd::ACCEPT_DATA_LOSS
            )
        }
        "/plan" => {
            return "a cluster on Kubernetes answers no plan over HTTP; `ringkv ring` computes \
                    rings without one"
                .to_owned();
        }
        _ => scale(wish.servers),
    };
    format!("this cluster is a KvCluster, which the operator changes: {command}")
}

/// Whether it may stand in a command line as it is.
fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=ring::MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc as Shared;

    use kube::core::DynamicObject;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_change_has_its_command() {
        let cluster = "apps/demo".parse().expect("a name");
        let object = DynamicObject::new("demo", &kubernetes::api_resource());
        let object = Some(Shared::new(object.data(json!({ "spec": { "replicas": 3 } }))));
        let facts = Facts { object, ..Facts::default() };
        let scale = "kubectl scale kvcluster/demo -n apps --replicas=";
        let accept = "kubectl annotate kvcluster/demo -n apps --overwrite \
                      ringkv.dev/accept-data-loss=";
        for (path, body, command) in [
            ("/scale", r#"{"servers":5}"#, format!("{scale}5")),
            ("/scale", "odd", format!("{scale}<N>")),
            ("/add-server", "", format!("{scale}4")),
            ("/add-server", r#"{"count":2}"#, format!("{scale}5")),
            ("/remove-server", r#"{"count":7}"#, format!("{scale}1")),
            ("/accept-data-loss", "{}", format!("{accept}<server>/<incarnation>")),
            ("/accept-data-loss", r#"{"name":"kv-1","incarnation":"0a"}"#, {
                format!("{accept}kv-1/0a")
            }),
            ("/accept-data-loss", r#"{"name":"a; b"}"#, format!("{accept}<server>/<incarnation>")),
        ] {
            let text = advice(&cluster, &facts, path, body.as_bytes());
            assert!(text.ends_with(&command), "{path} {body}: {text}");
        }
        let unseen = advice(&cluster, &Facts::default(), "/add-server", b"");
        assert!(unseen.ends_with("--replicas=<N>"), "{unseen}");
        assert!(!advice(&cluster, &facts, "/plan", b"").contains("kubectl"));
    }
}
