//! Shell. The API server as this test uses it for itself: objects as JSON, by their paths.

use anyhow::Context;
use e2e::form::Objects;
use http::Request;
use kube::{Client, Error};
use serde_json::Value;

/// Where the kinds of objects are that a cluster consists of: name in the API, and group.
const KINDS: [(&str, &str); 12] = [
    ("deployments", "apis/apps/v1"),
    ("kvclusters", "apis/ringkv.dev/v1alpha1"),
    ("networkpolicies", "apis/networking.k8s.io/v1"),
    ("persistentvolumeclaims", "api/v1"),
    ("poddisruptionbudgets", "apis/policy/v1"),
    ("pods", "api/v1"),
    ("rolebindings", "apis/rbac.authorization.k8s.io/v1"),
    ("roles", "apis/rbac.authorization.k8s.io/v1"),
    ("secrets", "api/v1"),
    ("serviceaccounts", "api/v1"),
    ("services", "api/v1"),
    ("statefulsets", "apis/apps/v1"),
];

/// Asks the API server.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Client);

impl Api {
    /// An object, or `None`.
    pub(crate) async fn find(&self, path: &str) -> anyhow::Result<Option<Value>> {
        absent_is_none(self.send("GET", path, "", &Value::Null).await)
            .with_context(|| format!("GET {path}"))
    }

    /// An object that has to be there.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.find(path).await?.with_context(|| format!("{path} is not there"))
    }

    /// Makes an object; one that is there is as good.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        match self.send("POST", path, "application/json", object).await {
            Err(Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop).with_context(|| format!("POST {path}")),
        }
    }

    /// Changes an object by a merge patch; false where it is not there.
    pub(crate) async fn merge(&self, path: &str, patch: &Value) -> anyhow::Result<bool> {
        let sent = self.send("PATCH", path, "application/merge-patch+json", patch).await;
        Ok(absent_is_none(sent).with_context(|| format!("PATCH {path}"))?.is_some())
    }

    /// Deletes an object; one that is not there is as good, and so is another one of its name.
    pub(crate) async fn delete(&self, path: &str, options: &Value) -> anyhow::Result<()> {
        match self.send("DELETE", path, "application/json", options).await {
            Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            other => other.map(drop).with_context(|| format!("DELETE {path}")),
        }
    }

    /// Everything in a namespace of the kinds that a cluster consists of.
    pub(crate) async fn objects(&self, namespace: &str) -> anyhow::Result<Objects> {
        let mut objects = Objects::new();
        for (kind, _) in KINDS {
            let list = self.get(&within(namespace, kind, "")).await?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            objects.insert(kind.to_owned(), items);
        }
        Ok(objects)
    }

    /// The list of one kind as it is now, word for word.
    pub(crate) async fn list_text(&self, namespace: &str, kind: &str) -> anyhow::Result<String> {
        let request = Request::get(within(namespace, kind, "")).body(Vec::new())?;
        self.0.request_text(request).await.with_context(|| format!("list {kind}"))
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        let request = request.body(body.into_bytes()).map_err(Error::HttpError)?;
        self.0.request(request).await
    }
}

/// The path of an object, or of all of a kind where the name is empty.
pub(crate) fn within(namespace: &str, kind: &str, name: &str) -> String {
    let group = KINDS.iter().find(|(known, _)| *known == kind).map_or("api/v1", |(_, group)| group);
    let path = format!("/{group}/namespaces/{namespace}/{kind}");
    if name.is_empty() { path } else { format!("{path}/{name}") }
}

fn absent_is_none(result: Result<Value, Error>) -> Result<Option<Value>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
