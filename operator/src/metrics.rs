//! Shell. What the operator counts: requests to the API server, reconciles, the state of clusters.

use std::sync::Arc;

use anyhow::Context as _;
use kube::client::Body;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::request::{Verb, resource};

/// All metrics of the operator.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    pub(crate) reconciles: Family<OutcomeLabels, Counter>,
    pub(crate) leads: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    resource: String,
}

/// How a reconcile ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabels {
    pub(crate) outcome: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("ringkv_operator");
        let (requests, reconciles, leads) =
            (Family::default(), Family::default(), Gauge::default());
        let help = "Requests to the API server by verb and resource";
        registry.register("requests", help, requests.clone());
        registry.register("reconciles", "Looks at a cluster by outcome", reconciles.clone());
        registry.register("leads", "Whether this operator is the one that acts", leads.clone());
        Arc::new(Self { registry, requests, reconciles, leads })
    }

    /// Counts a request to the API server.
    pub(crate) fn count(&self, request: &http::Request<Body>) {
        let uri = request.uri();
        let verb = Verb::of(request.method().as_str(), uri.query().unwrap_or_default());
        let labels = RequestLabels { verb: verb.as_str(), resource: resource(uri.path()) };
        self.requests.get_or_create(&labels).inc();
    }

    /// The text for `/metrics`.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).context("write the metrics")?;
        Ok(text)
    }
}
