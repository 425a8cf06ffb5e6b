//! Asks a replay of the recording `api-answers` what a real API server was asked at the time, and
//! compares the answers: status, headers, every field, the columns and cells of tables, and the
//! reasons and messages of failures.
//!
//! `differences.md` lists what differs, with the reason. A difference that is not listed fails
//! the test, and so does a listed one that is none any more.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod known;

use serde_json::{Value, json};
use support::{Answer, Server, truth};

use compare::{Difference, compare};

/// What a real server was asked, and what it answered.
struct Recorded {
    name: String,
    question: Value,
    status: u64,
    headers: Value,
    body: Value,
}

fn recorded() -> Vec<Recorded> {
    let files = truth("api-answers").into_iter();
    let answers = files.filter_map(|(path, content)| {
        let name = path.strip_prefix("api/")?.strip_suffix(".json")?.to_owned();
        if name == "requests" {
            return None;
        }
        let mut answer: Value = serde_json::from_slice(&content).unwrap();
        let body = match answer["text"].take() {
            Value::Null => answer["body"].take(),
            text => text,
        };
        Some(Recorded {
            name,
            question: answer["request"].take(),
            status: answer["status"].as_u64().unwrap(),
            headers: answer["headers"].take(),
            body,
        })
    });
    answers.collect()
}

async fn ask(server: &Server, recorded: &Recorded) -> Answer {
    let question = &recorded.question;
    let text = |field: &str| question[field].as_str().unwrap_or_default().to_owned();
    let mut headers = vec![("accept".to_owned(), text("accept"))];
    for (name, value) in question["headers"].as_object().into_iter().flatten() {
        headers.push((name.clone(), value.as_str().unwrap().to_owned()));
    }
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    server
        .ask(
            &text("method"),
            &text("path"),
            &headers,
            body_sent(recorded),
        )
        .await
}

/// What was sent with a question. It was not recorded; a review repeats it in its answer, but for
/// the namespace of a review of rules.
fn body_sent(recorded: &Recorded) -> String {
    if recorded.question["method"] != "POST" {
        return String::new();
    }
    let mut spec = recorded.body["spec"].clone();
    if recorded.body["kind"] == "SelfSubjectRulesReview" {
        spec = json!({"namespace": "shop"});
    }
    json!({"kind": recorded.body["kind"], "apiVersion": recorded.body["apiVersion"], "spec": spec})
        .to_string()
}

/// JSON as a value, a watch as the list of its events, anything else as text.
fn body_of(answer: &Answer) -> Value {
    let text = answer.text();
    let values = serde_json::Deserializer::from_str(&text).into_iter();
    let values: Result<Vec<Value>, _> = values.collect();
    match values {
        Ok(mut values) if values.len() == 1 && values[0].is_object() => values.remove(0),
        Ok(values) if !values.is_empty() && values.iter().all(Value::is_object) => {
            Value::Array(values)
        }
        _ => Value::String(text),
    }
}

fn differences(recorded: &Recorded, answer: &Answer) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut push = |place: &str, real: Value, ours: Value| {
        if real != ours {
            out.push(Difference::new(&recorded.name, place, real, ours));
        }
    };
    push("status", recorded.status.into(), answer.status.into());
    if recorded.status != u64::from(answer.status) {
        return out;
    }
    for name in ["content-type", "cache-control"] {
        push(
            &format!("header {name}"),
            recorded.headers[name].clone(),
            answer.header(name).into(),
        );
    }
    let real = match &recorded.body {
        Value::String(text) => {
            let values = serde_json::Deserializer::from_str(text).into_iter();
            match values.collect::<Result<Vec<Value>, _>>() {
                Ok(events) if events.len() > 1 && events[0].is_object() => Value::Array(events),
                _ => Value::String(text.clone()),
            }
        }
        body => body.clone(),
    };
    compare(&recorded.name, &real, &body_of(answer), &mut out);
    out
}

#[tokio::test]
async fn a_replay_answers_as_the_real_server_did() {
    let server = Server::of_recording("api-answers").await;
    let recorded = recorded();
    assert!(recorded.len() > 150, "only {} answers", recorded.len());
    let mut found = Vec::new();
    for recorded in &recorded {
        let answer = ask(&server, recorded).await;
        found.extend(differences(recorded, &answer));
    }
    let known = known::list();
    let unlisted: Vec<String> = found
        .iter()
        .filter(|d| !known.iter().any(|k| k.covers(d)))
        .map(ToString::to_string)
        .collect();
    let gone: Vec<String> = known
        .iter()
        .filter(|k| !found.iter().any(|d| k.covers(d)))
        .map(ToString::to_string)
        .collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{} differences are not listed in differences.md:\n{}\n{} listed ones are none any more:\n{}",
        unlisted.len(),
        unlisted.join("\n"),
        gone.len(),
        gone.join("\n")
    );
}
