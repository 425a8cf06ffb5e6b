//! Makes answers as faults would have them.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt as _;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, LOCATION, RETRY_AFTER};

use crate::page::reissue;
use crate::status::{Status, text_response};
use crate::store::Store;

use super::asked::Asked;
use super::effect::{Claim, Failure, Flow, Packed};
use super::flow::{Dropped, Valve};

/// The most of a body that gets a wrong length; what comes after it is not sent.
const MAX_CLAIMED_BYTES: usize = 1 << 20;
/// By how many bytes a length is wrong at least.
const WRONG_BY: usize = 1000;
/// Random bytes are made in pieces of this size.
const GARBAGE_PIECE_BYTES: u64 = 16 << 10;

/// The failure that a fault asks for, in the words of a server.
pub(super) fn failure(asked: &Asked, failure: &Failure) -> Response {
    let status = match (failure.code, asked.query.get("continue")) {
        (410, Some(token)) => Status::continue_expired(&reissue(token)),
        (410, None) => Status::expired("The resourceVersion for the provided list is too old."),
        (404, _) => missing(asked),
        (403, _) => Status::forbidden(asked),
        (code, _) => Status::failed(code),
    };
    let status = status.retry_after(failure.retry_after);
    let status = match &failure.message {
        Some(message) => status.saying(message),
        None => status,
    };
    let mut response = status.into_response();
    if let Some(seconds) = failure.retry_after {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// That what is asked for is not there.
pub(super) fn missing(asked: &Asked) -> Status {
    let (plural, group) = asked.parts();
    match &asked.name {
        Some(name) => Status::not_found(plural, group, name),
        None => Status::unknown_resource(),
    }
}

/// What a kubelet sends for a log that the container runtime does not have any more.
pub(super) fn unretrievable_log(store: &Store, asked: &Asked) -> Response {
    let (namespace, name) = (asked.namespace.as_deref(), asked.name.as_deref());
    let pod = store.pod(namespace.unwrap_or_default(), name.unwrap_or_default());
    let container = asked.query.text("container");
    let id = pod.and_then(|pod| container_id(&pod.object(), container));
    let id = id.unwrap_or_else(|| {
        let id = bundle::sha256_hex(format!("{}\0{container}", asked.path).as_bytes());
        format!("containerd://{id}")
    });
    text_response(200, format!("unable to retrieve container logs for {id}"))
}

fn container_id(pod: &serde_json::Value, container: &str) -> Option<String> {
    let lists = [
        "containerStatuses",
        "initContainerStatuses",
        "ephemeralContainerStatuses",
    ];
    let statuses = lists
        .iter()
        .filter_map(|list| pod.pointer(&format!("/status/{list}"))?.as_array());
    let mut statuses = statuses.flatten();
    let status = statuses.find(|s| {
        let name = s.get("name").and_then(serde_json::Value::as_str);
        container.is_empty() || name == Some(container)
    });
    let id = status?.get("containerID")?.as_str()?;
    Some(id.to_owned()).filter(|id| !id.is_empty())
}

/// The head of an answer with another body, of which nothing is known beforehand.
fn with_body(answer: Response, body: Body) -> Response {
    let (mut head, _) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, body)
}

/// The answer with random bytes for its body.
pub(super) fn garbage(answer: Response, bytes: u64, draw: u64) -> Response {
    let random = fastrand::Rng::with_seed(draw);
    let pieces = futures::stream::unfold((random, bytes), |(mut random, left)| async move {
        let length = usize::try_from(left.min(GARBAGE_PIECE_BYTES)).ok()?;
        let piece: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(length)
            .collect();
        let left = left - left.min(GARBAGE_PIECE_BYTES);
        (length > 0).then_some((Ok::<_, std::io::Error>(piece), (random, left)))
    });
    with_body(answer, Body::from_stream(pieces))
}

/// The answer with a length that is not its own. A server that claims more than it has closes the
/// connection early; of one that claims less the client gets only so much.
pub(super) async fn wrong_length(answer: Response, claim: Claim) -> Response {
    let (mut head, body) = answer.into_parts();
    let body = beginning(body).await;
    let true_length = body.len();
    // A stream, since its length is not compared with the header.
    let body = futures::stream::once(async move { Ok::<_, Dropped>(body) });
    let (length, body) = match claim {
        Claim::More => {
            let valve = Valve::of(Flow::DropAfter(u64::MAX));
            let length = true_length.saturating_add(WRONG_BY);
            (length, Body::from_stream(valve.over(body)))
        }
        Claim::Less => (true_length / 2, Body::from_stream(body)),
    };
    head.headers
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    Response::from_parts(head, body)
}

/// A body, or as much of it as is looked at.
async fn beginning(body: Body) -> Bytes {
    let mut stream = body.into_data_stream();
    let mut out = Vec::new();
    while let Some(Ok(piece)) = stream.next().await {
        out.extend_from_slice(&piece);
        if out.len() >= MAX_CLAIMED_BYTES {
            break;
        }
    }
    out.into()
}

/// The answer through a valve. What has switched to another protocol goes by: there the valve is
/// for the data of the forwarded ports.
pub(super) async fn through<F: Future<Output = Response>>(
    valve: Valve,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    request.extensions_mut().insert(valve.clone());
    let answer = answer(request).await;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return answer;
    }
    let (head, body) = answer.into_parts();
    Response::from_parts(head, Body::from_stream(valve.over(body.into_data_stream())))
}

/// Sends the client elsewhere.
pub(super) fn redirect(target: &HeaderValue) -> Response {
    let headers = [(LOCATION, target.clone())];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}

/// The answer as one that is packed with gzip: half of what that would be, or not packed at all.
pub(super) async fn gzip(answer: Response, claim: Packed) -> Response {
    let (mut head, body) = answer.into_parts();
    head.headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let body = match claim {
        Packed::Lie => body,
        Packed::Cut => {
            let mut packed = packed(&beginning(body).await);
            packed.truncate(packed.len() / 2);
            head.headers.remove(CONTENT_LENGTH);
            Body::from(packed)
        }
    };
    Response::from_parts(head, body)
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    // Memory takes whatever is written.
    drop(packer.write_all(plain));
    packer.finish().unwrap_or_default()
}
