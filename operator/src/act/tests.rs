use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use ring::{Placement, RingDocument};

use super::*;

/// The API server as far as a step asks it: the cluster `demo` with one server, and one claim.
#[derive(Clone)]
struct ApiServer {
    /// Identity and version of the claim that is there.
    claim: Arc<Mutex<Option<(&'static str, &'static str)>>>,
}

impl ApiServer {
    fn with_claim(uid: &'static str, version: &'static str) -> Self {
        Self { claim: Arc::new(Mutex::new(Some((uid, version)))) }
    }

    fn claim(&self) -> Option<(&'static str, &'static str)> {
        *self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let answer = move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = request.into_body().collect_bytes().await?;
        let last = path.rsplit('/').next().unwrap_or_default();
        let (status, answer) = match (method, last) {
            (Method::GET, "demo") if path.contains("/kvclusters/") => (StatusCode::OK, cluster()),
            (Method::GET, _) if path.contains("/statefulsets/") => (StatusCode::OK, stateful_set()),
            (Method::DELETE, "data-demo-1") => self.delete(&body),
            _ => (StatusCode::NOT_FOUND, failure(404, "NotFound")),
        };
        let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
        *response.status_mut() = status;
        Ok(response)
    }

    /// Preconditions are what the real one takes them for.
    fn delete(&self, body: &[u8]) -> (StatusCode, Value) {
        let options: Value = serde_json::from_slice(body).unwrap_or_default();
        let asked = &options["preconditions"];
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((uid, version)) = *claim else {
            return (StatusCode::NOT_FOUND, failure(404, "NotFound"));
        };
        let fits = |asked: &Value, is: &str| asked.is_null() || asked == is;
        if !fits(&asked["uid"], uid) || !fits(&asked["resourceVersion"], version) {
            return (StatusCode::CONFLICT, failure(409, "Conflict"));
        }
        *claim = None;
        (StatusCode::OK, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }))
    }
}

fn failure(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": reason,
    })
}

fn cluster() -> Value {
    let id = "a".repeat(32);
    let document = RingDocument::bootstrap(&id, Placement::Classic, 1, [("demo-0", &*id)]);
    let document = document.map(|document| document.bootstrapped()).expect("a document");
    json!({
        "apiVersion": "ringkv.dev/v1alpha1", "kind": "KvCluster",
        "metadata": { "name": "demo", "namespace": "default", "uid": "uid-of-demo" },
        "spec": { "replicas": 1 },
        "status": { "ring": document },
    })
}

fn stateful_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": "demo", "namespace": "default" },
        "spec": { "replicas": 1 },
    })
}

async fn delete_claim(server: &ApiServer, uid: &str, version: &str) -> Taken {
    let client = server.client();
    let actor = Actor {
        client: &client,
        namespace: "default",
        names: Names("demo"),
        uid: "uid-of-demo",
        storage_size: "1Gi",
    };
    let claim = ClaimRef {
        name: "data-demo-1".to_owned(),
        uid: uid.to_owned(),
        resource_version: version.to_owned(),
    };
    let step = Step::DeleteClaim { server: "demo-1".to_owned(), claim };
    actor.take(&step).await.expect("the step is not refused")
}

#[tokio::test]
async fn a_claim_goes_as_it_was_planned() {
    let server = ApiServer::with_claim("first", "7");
    assert!(matches!(delete_claim(&server, "first", "7").await, Taken::Done(Some(_))));
    assert_eq!(server.claim(), None);
}

#[tokio::test]
async fn a_claim_that_took_the_name_of_the_planned_one_stays() {
    let server = ApiServer::with_claim("second", "9");
    assert!(matches!(delete_claim(&server, "first", "7").await, Taken::Changed));
    assert_eq!(server.claim(), Some(("second", "9")));
}

#[tokio::test]
async fn a_claim_that_has_changed_since_the_plan_stays() {
    let server = ApiServer::with_claim("first", "8");
    assert!(matches!(delete_claim(&server, "first", "7").await, Taken::Changed));
    assert_eq!(server.claim(), Some(("first", "8")));
}
