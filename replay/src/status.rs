//! `Status` objects, in the words of a real API server.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::faults::Asked;

/// A failure, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    /// Where a list that has expired can be gone on with all the same.
    next: Option<String>,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            next: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn not_found(plural: &str, group: &str, name: &str) -> Self {
        let resource = qualified(plural, group);
        let details = if group.is_empty() {
            json!({"name": name, "kind": plural})
        } else {
            json!({"name": name, "group": group, "kind": plural})
        };
        let status = Self::new(404, "NotFound", format!("{resource} \"{name}\" not found"));
        Self {
            details: Some(details),
            ..status
        }
    }

    pub(crate) fn unknown_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self {
            details: Some(json!({})),
            ..Self::new(404, "NotFound", message)
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self {
            details: Some(json!({})),
            ..Self::new(405, "MethodNotAllowed", message)
        }
    }

    /// What the bundle does not hold is refused, so that it is not taken for empty.
    pub(crate) fn not_held(plural: &str, group: &str, why: &str) -> Self {
        let resource = qualified(plural, group);
        Self::new(403, "Forbidden", format!("{resource} is forbidden: {why}")).about(plural, group)
    }

    /// A page of a list that is older than the recording.
    pub(crate) fn continue_expired(next: &str) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
            result. You can start a new list without the continue parameter, or use the continue \
            token in this response to retrieve the remainder of the results. Continuing with the \
            provided token results in an inconsistent list - objects that were created, modified, \
            or deleted between the time the first chunk was returned and now may show up in the \
            list.";
        Self {
            next: Some(next.to_owned()),
            ..Self::expired(message)
        }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn not_acceptable() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        Self {
            details: Some(json!({})),
            ..Self::new(406, "NotAcceptable", message)
        }
    }

    /// An option of a list that may not be used.
    pub(crate) fn forbidden_option(field: &str, why: &str) -> Self {
        let detail = format!("Forbidden: {why}");
        let causes = ("FieldValueForbidden", field, detail.as_str());
        Self::of_field("ListOptions", "meta.k8s.io", "", causes)
    }

    /// A value that an option of a log cannot have.
    pub(crate) fn invalid_log_option(pod: &str, field: &str, detail: &str) -> Self {
        Self::of_field(
            "PodLogOptions",
            "",
            pod,
            ("FieldValueInvalid", field, detail),
        )
    }

    fn of_field(
        kind: &str,
        group: &str,
        name: &str,
        (reason, field, detail): (&str, &str, &str),
    ) -> Self {
        let shown = qualified(kind, group);
        let message = format!("{shown} \"{name}\" is invalid: {field}: {detail}");
        let mut details = json!({
            "kind": kind,
            "causes": [{"reason": reason, "message": detail, "field": field}],
        });
        if !name.is_empty() {
            put(&mut details, "name", json!(name));
        }
        if !group.is_empty() {
            put(&mut details, "group", json!(group));
        }
        Self {
            details: Some(details),
            ..Self::new(422, "Invalid", message)
        }
    }

    /// A failure that was recorded when the bundle was made.
    pub(crate) fn recorded(code: u16, message: &str) -> Self {
        let reason = match code {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            406 => "NotAcceptable",
            409 => "Conflict",
            410 => "Expired",
            413 => "RequestEntityTooLarge",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            400 => "BadRequest",
            _ => "",
        };
        Self::new(code, reason, message)
    }

    /// What a user may not do.
    pub(crate) fn forbidden(asked: &Asked) -> Self {
        let (plural, group) = asked.parts();
        let resource = match asked.subresource.as_str() {
            "" => plural.to_owned(),
            sub => format!("{plural}/{sub}"),
        };
        let name = asked.name.as_deref();
        let named = name.map_or(String::new(), |n| format!(" \"{n}\""));
        let place = match &asked.namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{}{named} is forbidden: User \"replay\" cannot {} resource \"{resource}\" in API group \"{group}\" {place}",
            asked.resource,
            asked.verb.word(),
        );
        let status = Self::new(403, "Forbidden", message).about(plural, group);
        match name {
            Some(name) => status.with_detail("name", json!(name)),
            None => status,
        }
    }

    /// A failure of the server itself.
    pub(crate) fn failed(code: u16) -> Self {
        let message = match code {
            401 => "Unauthorized",
            429 => "Too many requests, please try again later.",
            500 => "Internal error occurred: the faults file says so",
            503 => "the server is currently unable to handle the request",
            504 => "Timeout: request did not complete within the allotted timeout",
            _ => "the faults file says so",
        };
        Self::recorded(code, message)
    }

    /// The same, saying in how many seconds to try again.
    pub(crate) fn retry_after(self, seconds: Option<u64>) -> Self {
        match seconds {
            Some(seconds) => self.with_detail("retryAfterSeconds", json!(seconds)),
            None => self,
        }
    }

    /// The same in other words.
    pub(crate) fn saying(self, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            ..self
        }
    }

    fn with_detail(mut self, field: &str, value: Value) -> Self {
        let details = self.details.get_or_insert_with(|| json!({}));
        put(details, field, value);
        self
    }

    /// The same, saying which resource it is about.
    pub(crate) fn about(self, plural: &str, group: &str) -> Self {
        let details = if group.is_empty() {
            json!({"kind": plural})
        } else {
            json!({"group": group, "kind": plural})
        };
        Self {
            details: Some(details),
            ..self
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(next) = &self.next {
            put(&mut body, "metadata", json!({"continue": next}));
        }
        if let Some(details) = &self.details {
            put(&mut body, "details", details.clone());
        }
        body
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        json_response(self.code, &self.to_json())
    }
}

/// A resource's plural name and its group, if it has one.
pub(crate) fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}

/// Sets a field of an object; of anything else there is nothing to set.
pub(crate) fn put(value: &mut Value, field: &str, new: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(field.to_owned(), new);
    }
}

/// A JSON answer.
pub(crate) fn json_response(code: u16, body: &Value) -> Response {
    typed_response(code, "application/json", body.to_string())
}

/// An answer of any content type.
pub(crate) fn typed_response(code: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A plain-text answer.
pub(crate) fn text_response(code: u16, body: impl Into<Body>) -> Response {
    typed_response(code, "text/plain; charset=utf-8", body)
}
