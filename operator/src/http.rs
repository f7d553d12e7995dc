//! Shell. Health and metrics of the operator over HTTP.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use shell::drain::DrainToken;
use shell::net::TcpListener;

use crate::metrics::Metrics;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until it is time to finish. An operator that waits for the lead is ready too: it is
/// there to take over.
///
/// # Errors
/// The listener failed.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    drain: DrainToken,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async || "ready\n"))
        .route("/metrics", get(metrics_text))
        .fallback(async || (StatusCode::NOT_FOUND, "see /healthz, /readyz and /metrics\n"))
        .with_state(metrics);
    let finish = async move { drain.signaled().await };
    axum::serve(listener, routes).with_graceful_shutdown(finish).await
}

async fn metrics_text(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "cannot tell the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
