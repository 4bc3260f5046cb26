//! Owns what machines ask about this node: alive, ready, metrics. Refuses to say more than that.

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

/// `GET /readyz`: the database answers too, and the node is not about to stop.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    match skaas_app::health::ready(&app).await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::SERVICE_UNAVAILABLE, text, format!("not ready: {error}\n")).into_response()
        }
    }
}

/// `GET /metrics`: Prometheus text format 0.0.4.
pub(crate) async fn metrics(State(handle): State<PrometheusHandle>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}
