//! Pure. Errors of the API server for whoever has to do something about them.

use std::error::Error;

use crate::ClusterName;

/// Something asked of the API server.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// For which cluster.
    pub cluster: &'a ClusterName,
    /// What is done, as a Role names it: `get`.
    pub verbs: &'static str,
    /// With what, as a Role names it: `kvclusters`.
    pub resource: &'static str,
    /// The Role that has to allow it.
    pub role: String,
}

/// What went wrong, and the remedy.
#[must_use]
pub fn explain(error: &kube::Error, request: &Request<'_>) -> String {
    let Request { cluster, verbs, resource, role } = request;
    let namespace = &cluster.namespace;
    match error {
        kube::Error::Api(status) => match status.code {
            401 => "the API server does not accept this pod's service account (401); a pod that \
                    is started again gets a new token"
                .to_owned(),
            403 => format!(
                "the API server does not allow this pod to {verbs} {resource} (403): the Role \
                 {role} in namespace {namespace} has to allow it, and the RoleBinding {role} has \
                 to give it to this pod's service account; the operator makes both"
            ),
            404 if status.message.contains("could not find the requested resource") => {
                "the API server does not know KvClusters (404): install the chart ringkv, which \
                 brings the CustomResourceDefinition"
                    .to_owned()
            }
            404 => format!("there is no KvCluster {cluster} (404): it was deleted, or renamed"),
            code => format!("the API server answered {code}: {}", status.message),
        },
        kube::Error::InferConfig(error) => format!(
            "no API server is configured: this pod has no service account token and KUBECONFIG \
             names no usable file ({})",
            root_cause(error)
        ),
        error => format!("the API server does not answer: {}", root_cause(error)),
    }
}

/// The outer errors say only that there is an inner one.
fn root_cause(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn check(error: &kube::Error, says: &[&str]) {
        let cluster = "apps/demo".parse().expect("a name");
        let role = "demo-nodes".to_owned();
        let request = Request { cluster: &cluster, verbs: "get", resource: "kvclusters", role };
        let text = explain(error, &request);
        for part in says {
            assert!(text.contains(part), "{text} does not say {part:?}");
        }
    }

    fn status(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure(message, "").with_code(code)))
    }

    #[test]
    fn a_refusal_names_the_remedy() {
        let forbidden = r#"kvclusters.ringkv.dev "demo" is forbidden"#;
        check(&status(403, forbidden), &["get kvclusters", "Role demo-nodes in namespace apps"]);
        check(&status(401, "Unauthorized"), &["service account (401)"]);
        let missing = r#"kvclusters.ringkv.dev "demo" not found"#;
        check(&status(404, missing), &["no KvCluster apps/demo"]);
        let unknown = "the server could not find the requested resource";
        check(&status(404, unknown), &["install the chart ringkv"]);
        check(&status(500, "etcd is full"), &["answered 500: etcd is full"]);
    }

    #[test]
    fn an_unreachable_server_is_told_with_the_innermost_cause() {
        let cause = std::io::Error::other("connection refused");
        check(&kube::Error::ReadEvents(cause), &["does not answer: connection refused"]);
    }
}
