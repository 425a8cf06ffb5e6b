//! The support workflow: raise, reproduce, capture, restore; follow; wait for a sign.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bundle::Outcome;
use serde_json::{Value, json};
use support::forward::Port;
use support::{Asked, Reply, Run, Server, collect, command, list, pod, wait_until};

const FORMER: &str = "warn,linkerd=info";

/// A proxy that remembers its level, and everything that it was told.
#[derive(Clone)]
struct Proxy {
    level: Arc<Mutex<String>>,
    told: Arc<Mutex<Vec<String>>>,
    /// How often it does not take the former level back.
    refusals: Arc<Mutex<u32>>,
}

impl Proxy {
    fn new(refusals: u32) -> Self {
        Self {
            level: Arc::new(Mutex::new(FORMER.to_owned())),
            told: Arc::default(),
            refusals: Arc::new(Mutex::new(refusals)),
        }
    }

    fn port(&self) -> Port {
        let proxy = self.clone();
        Arc::new(move |request, body| match request {
            "GET /proxy-log-level" => ("200 OK", proxy.level.lock().unwrap().clone() + "\n"),
            "PUT /proxy-log-level" => proxy.take(body),
            "GET /metrics" => ("200 OK", "up 1\n".to_owned()),
            _ => ("200 OK", "ok\n".to_owned()),
        })
    }

    fn take(&self, level: &str) -> (&'static str, String) {
        let mut refusals = self.refusals.lock().unwrap();
        if level == FORMER && *refusals > 0 {
            *refusals -= 1;
            return ("503 Service Unavailable", "not now\n".to_owned());
        }
        self.told.lock().unwrap().push(format!("PUT {level}"));
        level.clone_into(&mut self.level.lock().unwrap());
        ("204 No Content", String::new())
    }

    fn level(&self) -> String {
        self.level.lock().unwrap().clone()
    }

    /// The script of a server with this proxy behind it.
    fn script(&self) -> impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static + use<> {
        let proxy = self.clone();
        move |asked| {
            if asked.path.ends_with("/log") {
                proxy.told.lock().unwrap().push("log".to_owned());
            }
            let is_port = asked.path.ends_with("/portforward");
            is_port.then(|| Reply::ForwardTo(proxy.port()))
        }
    }
}

const RAISE: [&str; 4] = ["--proxy-log-level", "linkerd=debug", "--for", "100ms"];

#[test]
fn a_level_is_raised_before_the_capture_and_put_back_after_it() {
    let proxy = Proxy::new(0);
    let server = Server::start(proxy.script());
    let run = collect(
        &server,
        &[&RAISE[..], &["--pods", "app=cart,tier!=db"]].concat(),
    );
    let told = proxy.told.lock().unwrap().clone();
    assert_eq!(told.first().unwrap(), "PUT linkerd=debug");
    assert_eq!(told.last().unwrap(), &format!("PUT {FORMER}"));
    assert!(told.contains(&"log".to_owned()), "{told:?}");
    assert_eq!(proxy.level(), FORMER);
    let asked = server.asked();
    let selector = asked.iter().find(|a| a.query.contains_key("labelSelector"));
    assert_eq!(
        selector.unwrap().query("labelSelector"),
        "app=cart%2ctier%21=db"
    );
    let manifest = run.manifest();
    assert_eq!(manifest.options["proxy-log-level"], "linkerd=debug");
    assert_eq!(manifest.options["for"], 0.1);
    assert_eq!(run.outcome("shop/cart (log level)").0, Outcome::Complete);
    let told: Value = serde_json::from_str(&run.entry("linkerd/log-level/shop/cart.json")).unwrap();
    assert_eq!(told["former"], FORMER);
    assert_eq!(told["raised_to"], "linkerd=debug");
    assert!(told["restored_at"].as_str() > told["raised_at"].as_str());
    let state = run.entry("linkerd/proxy-state/shop/cart.json");
    assert!(state.contains("linkerd=debug"), "{state}");
}

#[test]
fn a_level_that_is_not_taken_back_at_once_is_put_back_again() {
    let proxy = Proxy::new(2);
    let server = Server::start(proxy.script());
    let run = collect(&server, &RAISE);
    assert_eq!(proxy.level(), FORMER);
    assert_eq!(run.outcome("shop/cart (log level)").0, Outcome::Complete);
    assert!(!run.stderr().contains("WARNING"), "{}", run.stderr());
}

#[test]
fn a_level_that_cannot_be_put_back_is_told_loudly_with_what_to_type() {
    let proxy = Proxy::new(u32::MAX);
    let server = Server::start(proxy.script());
    let run = collect(&server, &[&RAISE[..], &["--quiet"]].concat());
    assert_eq!(run.code(), 3);
    let stderr = run.stderr();
    assert!(
        stderr.contains("WARNING: `shop/cart`: the log level is still `linkerd=debug`"),
        "{stderr}"
    );
    assert!(
        stderr.contains("kubectl -n shop port-forward pod/cart 4191")
            && stderr.contains("curl -X PUT --data 'warn,linkerd=info'"),
        "{stderr}"
    );
    let (outcome, reason) = run.outcome("shop/cart (log level)");
    assert_eq!(outcome, Outcome::Failed);
    assert!(reason.contains("it was `warn,linkerd=info`"), "{reason}");
}

#[test]
fn where_no_level_can_be_raised_nothing_is_captured() {
    let server = Server::start(|_| None);
    let run = collect(&server, &RAISE);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("not raised: `shop/cart`"),
        "{}",
        run.stderr()
    );
    assert!(!run.folder.path().join("out.tar.gz").exists());
}

#[test]
fn a_word_that_is_no_level_is_refused_before_anything_is_asked() {
    let server = Server::start(|_| None);
    for args in [
        &["--proxy-log-level", "linkerd=loud", "--for", "1s"][..],
        &["--proxy-log-level", "debug"],
        &["--for", "1s"],
        &["--pods", "app=cart"],
        &["--until-event", "("],
    ] {
        assert_eq!(collect(&server, args).code(), 2, "{args:?}");
    }
    assert!(server.asked().is_empty());
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

/// A run against a server whose logs never end, stopped by these signals: the next one follows
/// when stderr says what it is about to do. `last` is called when it has seen all of them.
#[cfg(unix)]
fn interrupted(proxy: &Proxy, signals: &[(&str, &str)], last: impl FnOnce()) -> Run {
    let usual = proxy.script();
    let server = Server::start(move |asked| {
        let usual = usual(asked);
        let is_log = asked.path.ends_with("/log");
        let stalled = || Reply::Stall("2026-11-23T00:00:00Z first\n".to_owned());
        usual.or_else(|| is_log.then(stalled))
    });
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(&server.address, folder.path(), &RAISE)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let listener = std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            heard.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    });
    wait_until(|| server.asked().iter().any(|a| a.path.ends_with("/log")));
    assert_eq!(proxy.level(), "linkerd=debug");
    for (name, answer) in signals {
        signal(&child, name);
        wait_until(|| String::from_utf8_lossy(&said.lock().unwrap()).contains(answer));
    }
    last();
    let status = child.wait().unwrap();
    listener.join().unwrap();
    let output = std::process::Output {
        status,
        stdout: Vec::new(),
        stderr: said.lock().unwrap().clone(),
    };
    Run { output, folder }
}

#[cfg(unix)]
const FINISHING: &str = "interrupted: finishing the bundle";

#[cfg(unix)]
#[test]
fn a_level_is_put_back_after_an_interrupt_and_after_a_polite_kill() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let proxy = Proxy::new(0);
        let run = interrupted(&proxy, &[(name, FINISHING)], || {});
        assert_eq!(proxy.level(), FORMER, "{name}");
        assert_eq!(run.code(), 3, "{name}: {}", run.stderr());
        assert_eq!(
            run.outcome("shop/cart (log level)").0,
            Outcome::Complete,
            "{name}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_level_is_put_back_after_a_second_interrupt_too() {
    // The proxy does not take its level back before the second interrupt has come.
    let proxy = Proxy::new(u32::MAX);
    let signals = [("-INT", FINISHING), ("-INT", "stopped; what was captured")];
    let run = interrupted(&proxy, &signals, || *proxy.refusals.lock().unwrap() = 0);
    assert_eq!(run.code(), 130, "{}", run.stderr());
    assert_eq!(proxy.level(), FORMER);
    assert!(
        run.stderr().contains("putting 1 log levels back"),
        "{}",
        run.stderr()
    );
}

#[test]
fn logs_are_followed_and_metrics_scraped_over_the_window() {
    let server = Server::start(|asked| match asked.path.as_str() {
        path if path.ends_with("/log") && asked.query("follow") == "true" => {
            match asked.query("container") {
                // A container that has written nothing yet: not even a status comes.
                "linkerd-proxy" => Some(Reply::Silence),
                _ => Some(Reply::Stall("2026-11-23T00:00:00Z followed\n".to_owned())),
            }
        }
        path if path.ends_with("/portforward") => Some(Reply::Forward),
        _ => None,
    });
    let run = collect(&server, &["--follow", "2s", "--item-timeout", "1s"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let log = run.entry("cluster-resources/pods/logs/shop/cart/app.log");
    assert_eq!(log, "2026-11-23T00:00:00Z followed\n");
    assert_eq!(
        run.outcome("shop/cart/app"),
        (Outcome::Complete, String::new())
    );
    let late = run.entry("cluster-resources/pods/logs/shop/cart/linkerd-proxy.log");
    assert_eq!(late, "2026-11-23T00:00:00Z hello\n");
    for scrape in 1..=3 {
        run.entry(&format!("linkerd/proxy-metrics/shop/cart.{scrape}.prom"));
    }
    assert_eq!(run.manifest().options["follow"], 2.0);
}

#[test]
fn a_plan_that_follows_asks_for_nothing_more() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["--follow", "1h", "--dry-run"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let plan = String::from_utf8(run.output.stdout.clone()).unwrap();
    assert!(plan.contains("1000 times each"), "{plan}");
    assert!(server.asked().iter().all(|a| !a.path.ends_with("/log")));
}

/// One line of a watch.
fn change(kind: &str, reason: &str) -> String {
    let event = json!({
        "type": kind, "reason": reason, "message": "the message\u{1b}[2J",
        "metadata": {"namespace": "shop", "name": "e", "resourceVersion": "8"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart"},
    });
    json!({"type": "ADDED", "object": event}).to_string() + "\n"
}

#[test]
fn a_capture_waits_for_a_matching_warning() {
    let server = Server::start(|asked| {
        let is_watch = asked.query("watch") == "true";
        match asked.path.as_str() {
            "/api/v1/events" if is_watch => Some(Reply::Stall(
                change("Normal", "Unhealthy")
                    + &change("Warning", "BackOff")
                    + &change("Warning", "Unhealthy"),
            )),
            "/api/v1/pods" if is_watch => Some(Reply::Silence),
            _ => None,
        }
    });
    let args = ["--until-event", "^Unhealthy Pod/shop/", "--no-port-forward"];
    let run = collect(&server, &args);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let seen = "Unhealthy Pod/shop/cart: the message";
    assert!(!run.stderr().contains('\u{1b}'), "{}", run.stderr());
    assert!(
        run.stderr().contains(&format!("seen, capturing: {seen}")),
        "{}",
        run.stderr()
    );
    assert!(run.entry("collector/log.ndjson").contains(seen));
    assert_eq!(
        run.manifest().options["until-event"],
        "^Unhealthy Pod/shop/"
    );
    let asked = server.asked();
    let first = |of: &dyn Fn(&Asked) -> bool| asked.iter().position(of).unwrap();
    let watched = first(&|a| a.query("watch") == "true");
    assert!(watched < first(&|a| a.path == "/api/v1/nodes"));
}

#[test]
fn a_warning_about_a_pod_that_was_not_chosen_is_no_sign() {
    let server = Server::start(|asked| {
        let is_watch = asked.query("watch") == "true";
        match asked.path.as_str() {
            "/api/v1/events" if is_watch => Some(Reply::Stall(change("Warning", "BackOff"))),
            "/api/v1/pods" if is_watch => Some(Reply::Silence),
            // The selector chooses another pod than the event is about.
            "/api/v1/pods" if asked.query.contains_key("labelSelector") => {
                Some(Reply::Json(200, list(&[pod("shop", "other")])))
            }
            _ => None,
        }
    });
    let run = collect(
        &server,
        &["--watch", "--pods", "app=other", "--timeout", "2s"],
    );
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("was not seen within 2 s"),
        "{}",
        run.stderr()
    );
}

#[test]
fn a_capture_waits_for_a_restart() {
    let server = Server::start(|asked| {
        if asked.path != "/api/v1/pods" || asked.query("watch") != "true" {
            return (asked.query("watch") == "true").then_some(Reply::Silence);
        }
        let mut restarted = pod("shop", "cart");
        restarted["status"]["containerStatuses"][0]["restartCount"] = json!(1);
        let line = json!({"type": "MODIFIED", "object": restarted});
        Some(Reply::Stall(line.to_string() + "\n"))
    });
    let run = collect(&server, &["--watch", "--no-port-forward"]);
    assert!(
        run.stderr()
            .contains("seen, capturing: Restarted Pod/shop/cart: container app"),
        "{}",
        run.stderr()
    );
    assert_eq!(run.outcome("shop/cart/app").0, Outcome::Complete);
}

#[test]
fn a_sign_that_does_not_come_in_time_and_a_watch_that_is_refused_end_without_a_bundle() {
    let server = Server::start(|asked| (asked.query("watch") == "true").then_some(Reply::Silence));
    let run = collect(&server, &["--until-event", "OOMKilled", "--timeout", "1s"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr()
            .contains("that matches `OOMKilled` was not seen within 1 s"),
        "{}",
        run.stderr()
    );
    let server = Server::start(|_| Some(support::forbidden("pods")));
    let run = collect(&server, &["--watch"]);
    assert_eq!(run.code(), 2);
    assert!(run.stderr().contains("with `-n`"), "{}", run.stderr());
}

#[test]
fn a_packet_capture_is_collected_where_there_is_a_sidecar_and_explained_where_there_is_none() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["--packet-capture", "--quiet"]);
    assert_eq!(run.code(), 2);
    let advice = run.stderr();
    assert!(
        advice.contains("\"config.linkerd.io/enable-debug-sidecar\":\"true\"")
            && advice.contains("-c linkerd-debug"),
        "{advice}"
    );
    let server = Server::start(|asked| {
        let mut debugged = pod("shop", "cart");
        debugged["spec"]["containers"][0]["name"] = json!("linkerd-debug");
        debugged["status"]["containerStatuses"][0]["name"] = json!("linkerd-debug");
        (asked.path == "/api/v1/pods").then(|| Reply::Json(200, list(&[debugged])))
    });
    let run = collect(&server, &["--packet-capture", "--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let row = run.row("shop/cart/linkerd-debug");
    assert_eq!(row.outcome, Outcome::Complete);
}
