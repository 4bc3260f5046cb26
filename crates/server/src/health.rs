//! Owns what machines ask about this node: alive, ready, metrics. Refuses to say more than that.

use std::fmt::Write as _;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use skaas_app::App;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether this node should be sent requests, and which of its parts are not well.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let readiness = skaas_app::health::ready(&app).await;
    let (status, first) = if readiness.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let mut text = format!("{first}\n");
    for (word, parts) in [("fault", &readiness.stopped_by), ("degraded", &readiness.degraded_by)] {
        for part in parts {
            let _ = writeln!(text, "{word}: {}: {}", part.as_str(), part.trouble());
        }
    }
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

/// `GET /metrics`: Prometheus text format 0.0.4.
pub(crate) async fn metrics(State(handle): State<PrometheusHandle>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}
