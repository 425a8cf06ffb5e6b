//! Takes requests and hands them to whoever answers them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CACHE_CONTROL, DATE, HeaderValue, SERVER};
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::discovery::{AGGREGATED, Discovery};
use crate::faults::{self, Dropped};
use crate::query::Query;
use crate::replay::Replay;
use crate::route::{Route, Target};
use crate::status::{Status, json_response, text_response, typed_response};
use crate::store::Store;
use crate::wire::{Mischief, Wire};
use crate::{access, forward, logs, objects};

/// The largest body of a review.
const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait when no connection can be taken, as when too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the task is dropped; connections that are open then go on.
pub async fn serve(replay: impl Into<Replay>, listener: TcpListener) {
    let replay = Arc::new(replay.into());
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                tokio::spawn(converse(Arc::clone(&replay), connection));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers all requests of a connection.
async fn converse(replay: Arc<Replay>, connection: TcpStream) {
    // Answers leave at once, or a little later.
    drop(connection.set_nodelay(true));
    let mischief = Mischief::default();
    let wire = Wire::new(connection, mischief.clone());
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(mischief.clone());
        handle(Arc::clone(&replay), request)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(wire), service);
    // A client that goes away, or a fault that drops the connection, is nothing to report.
    drop(connection.with_upgrades().await);
}

async fn handle(replay: Arc<Replay>, request: Request) -> Result<Response, Dropped> {
    let store = &replay.store;
    let truly = |request| dispatch(Arc::clone(store), request);
    let mut response = faults::around(&replay.faults, store, request, truly).await?;
    let date = http_date(store);
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache, private"));
    if let Some(date) = date {
        headers.insert(DATE, date);
    }
    // A collector that asks a replay takes its time for the time of the capture.
    headers.insert(
        SERVER,
        HeaderValue::from_static(concat!("linkerd-replay/", env!("CARGO_PKG_VERSION"))),
    );
    Ok(response)
}

/// The capture time: the server's clock stood still when the bundle was made.
fn http_date(store: &Store) -> Option<HeaderValue> {
    let text = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&store.captured_at());
    HeaderValue::from_str(&text.ok()?).ok()
}

async fn dispatch(store: Arc<Store>, request: Request) -> Response {
    let route = Route::of(request.uri().path());
    let accept = accept(request.headers());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match route {
        Route::Resource(target) => resource(store, request, target, &accept).await,
        _ if !is_read => Status::method_not_allowed().into_response(),
        Route::Root => json_response(200, &store.discovery.paths()),
        Route::Health => text_response(200, "ok"),
        Route::Version => json_response(200, &store.version),
        Route::Api if accept.contains("as=APIGroupDiscoveryList") => aggregated(&store, true),
        Route::Apis if accept.contains("as=APIGroupDiscoveryList") => aggregated(&store, false),
        Route::Api => json_response(200, &Discovery::core()),
        Route::Apis => json_response(200, &store.discovery.group_list()),
        Route::Group(group) => found(store.discovery.group(&group)),
        Route::GroupVersion(version) => found(store.discovery.resources(&version)),
        Route::Unknown => found(None),
    }
}

fn accept(headers: &HeaderMap) -> String {
    let all = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok());
    all.collect::<Vec<_>>().join(",")
}

fn found(value: Option<serde_json::Value>) -> Response {
    match value {
        Some(value) => json_response(200, &value),
        None => text_response(404, "404 page not found\n"),
    }
}

fn aggregated(store: &Store, is_core: bool) -> Response {
    let body = store.discovery.aggregated(is_core).to_string();
    let mut response = typed_response(200, AGGREGATED, body);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}

async fn resource(store: Arc<Store>, request: Request, target: Target, accept: &str) -> Response {
    if !store.discovery.has_version(&target.gvr.api_version()) {
        return found(None);
    }
    let query = Query::parse(request.uri().query());
    let is_pod =
        target.gvr.group.is_empty() && target.gvr.plural == "pods" && target.name.is_some();
    let sub = target.subresource.split('/').next().unwrap_or_default();
    let method = request.method().clone();
    match (&method, sub) {
        (&Method::GET | &Method::POST, "portforward") if is_pod => {
            forward::upgrade(store, &target, &query, request).await
        }
        (_, "proxy") if is_pod => {
            blocking(move || Ok(forward::proxy(&store, &target, method.as_str()))).await
        }
        (&Method::GET, "log") if is_pod => {
            blocking(move || logs::answer(&store, &target, &query)).await
        }
        (&Method::GET | &Method::HEAD, "" | "status" | "scale") => {
            let accept = accept.to_owned();
            blocking(move || objects::answer(&store, &target, &query, &accept)).await
        }
        (&Method::GET, sub) if !matches!(sub, "exec" | "attach") => {
            Status::unknown_resource().into_response()
        }
        (&Method::POST, "") if access::is_review(&target.gvr.group, &target.gvr.plural) => {
            review(&store, request, &target.gvr.plural).await
        }
        _ => Status::method_not_allowed().into_response(),
    }
}

/// Answers on a thread that may wait for the disk.
async fn blocking(answer: impl FnOnce() -> Result<Response, Status> + Send + 'static) -> Response {
    let answer = tokio::task::spawn_blocking(answer).await;
    match answer {
        Ok(answer) => answer.unwrap_or_else(Status::into_response),
        Err(e) => Status::recorded(500, &format!("the answer broke off: {e}")).into_response(),
    }
}

async fn review(store: &Store, request: Request, plural: &str) -> Response {
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => access::answer(store, plural, &body),
        Ok(Err(_)) => Status::bad_request("the body is too large or broke off").into_response(),
        Err(_) => Status::bad_request("the body did not come").into_response(),
    }
}
