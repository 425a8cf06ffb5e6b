//! Compiles matchers.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::LazyLock;

use bundle::SourceKind;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::compile_condition::duration;
use super::fault::Faulty;
use super::file::{
    AbsentFile, By, EventFile, EventType, FactFile, LogFile, MatcherFile, MetricFile, MetricSource,
    ObjectFile,
};
use super::near::hint;
use super::predicate::Predicate;
use super::spanned::{At, Spot};
use super::{Matcher, NamedMatcher, TableMatcher, Test};
use crate::facts::{self, Context, Demand};
use crate::scan::LogMatcher;
use crate::scan::expression::Expression;
use crate::scan::pattern::Pattern;
use crate::scan::record::Level;

/// Every table that rules may ask.
pub(crate) static TABLES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let context = Context {
        at: Timestamp::UNIX_EPOCH,
        ages_from: Timestamp::UNIX_EPOCH,
        manifest: None,
        demand: &Demand::default(),
        wanted: &facts::Everything,
    };
    facts::derive(Vec::new(), context)
        .tables
        .into_keys()
        .collect()
});

/// A matcher and the captures that it gives.
pub(super) struct Compiled {
    pub(super) matcher: NamedMatcher,
    pub(super) captures: Vec<String>,
}

fn plain(matcher: Matcher) -> Compiled {
    let matcher = NamedMatcher {
        name: String::new(),
        matcher,
        min_count: 1,
        ongoing: None,
    };
    Compiled {
        matcher,
        captures: Vec::new(),
    }
}

/// Compiles one matcher.
pub(super) fn matcher(
    at: &At<MatcherFile>,
    by: By,
    faulty: &mut Faulty<'_>,
    logs: &mut Vec<LogMatcher>,
) -> Option<Compiled> {
    match &at.value {
        MatcherFile::Log(file) => Some(log(file, at.place, by, faulty, logs)),
        MatcherFile::Fact(file) => fact(file, faulty),
        MatcherFile::Event(file) => event(file, faulty),
        MatcherFile::Object(file) => Some(object(file, faulty)),
        MatcherFile::Metric(file) => Some(metric(file, faulty)),
        MatcherFile::Iptables(file) => Some(plain(Matcher::Table(table(
            "iptables_probes",
            Some(&file.predicate),
            &[],
            faulty,
        )))),
        MatcherFile::Certificate(file) => Some(plain(Matcher::Table(table(
            "certificates",
            Some(&file.predicate),
            &[],
            faulty,
        )))),
        MatcherFile::Absent(file) => absent(file, at.place, faulty, logs),
        MatcherFile::Finding(id) => Some(plain(Matcher::Finding(id.value.clone()))),
    }
}

fn log(
    file: &LogFile,
    place: Spot,
    by: By,
    faulty: &mut Faulty<'_>,
    logs: &mut Vec<LogMatcher>,
) -> Compiled {
    let sources = file.pattern.iter().chain(&file.patterns);
    let patterns: Vec<Pattern> = sources
        .filter_map(|at| faulty.check_regex(at, Pattern::new(&at.value)))
        .collect();
    if file.pattern.is_none() && file.patterns.is_empty() {
        faulty.add(place, "a `log` matcher needs `pattern` or `patterns`");
    }
    let level = file.level.as_ref().and_then(|at| {
        let known = "`trace`, `debug`, `info`, `warn`, `error`, `fatal`";
        let wrong = || format!("no level `{}`; there are {known}", at.value);
        faulty.check(at.place, Level::parse(&at.value).ok_or_else(wrong))
    });
    let exclude = file
        .exclude
        .as_ref()
        .and_then(|at| faulty.check_regex(at, Expression::new(&at.value)));
    let captures: Vec<String> = patterns
        .iter()
        .flat_map(|p| p.names().iter().map(|name| name.as_ref().to_owned()))
        .collect();
    let key = key_of(by).filter(|key| captures.iter().any(|c| c == key));
    let uptime = duration(file.uptime.as_ref(), faulty);
    logs.push(LogMatcher {
        containers: file.containers.clone(),
        previous: file.previous,
        level,
        uptime_us: uptime.and_then(|least| u64::try_from(least.as_micros()).ok()),
        target: file.target.clone(),
        patterns,
        exclude,
        key,
        keeps_seconds: false,
        is_of_running: !file.shutdown,
        in_excerpt: false,
        mark: None,
    });
    let matcher = NamedMatcher {
        name: String::new(),
        matcher: Matcher::Log(logs.len() - 1),
        min_count: file.min_count.map_or(1, NonZeroU64::get),
        ongoing: duration(file.ongoing.as_ref(), faulty),
    };
    Compiled { matcher, captures }
}

/// The capture that tells the key of a log line which is about something else than its pod.
pub(crate) fn key_of(by: By) -> Option<&'static str> {
    match by {
        By::Node => Some("node"),
        By::Service => Some("service"),
        By::Namespace => Some("namespace"),
        By::Identity => Some("identity"),
        By::Certificate => Some("certificate"),
        By::Workload => Some("workload"),
        By::Pod => Some("pod"),
        By::Bundle => None,
    }
}

fn table(
    name: &str,
    predicate: Option<&At<String>>,
    variables: &'static [&'static str],
    faulty: &mut Faulty<'_>,
) -> TableMatcher {
    let mut known = vec!["row", "at", "mesh"];
    known.extend(variables);
    let predicate = predicate.and_then(|at| {
        if faulty.is_sound {
            return Some(Predicate::sound(&at.value));
        }
        faulty.check_inside(at, Predicate::new(&at.value, name, &known))
    });
    TableMatcher {
        table: name.to_owned(),
        tests: Vec::new(),
        text: None,
        predicate,
        variables,
        number: 0,
        shown: BTreeSet::new(),
    }
}

fn known_table(at: &At<String>, faulty: &mut Faulty<'_>) {
    if !TABLES.contains(&at.value.as_str()) {
        faulty.add(
            at.place,
            format!("no table `{}`{}", at.value, hint(&at.value, &TABLES)),
        );
    }
}

fn fact(file: &FactFile, faulty: &mut Faulty<'_>) -> Option<Compiled> {
    known_table(&file.table, faulty);
    if matches!(file.table.value.as_str(), "objects" | "metrics") {
        let detail =
            "ask for this table with an `object` or `metric` matcher, which say what to hold ready";
        faulty.add(file.table.place, detail);
        return None;
    }
    let table = table(&file.table.value, file.predicate.as_ref(), &[], faulty);
    let mut compiled = plain(Matcher::Table(table));
    compiled.matcher.min_count = file.min_count.map_or(1, NonZeroU64::get);
    Some(compiled)
}

fn is_one_of(pointer: &str, values: impl IntoIterator<Item = impl Into<Value>>) -> Option<Test> {
    let any_of: Vec<Value> = values.into_iter().map(Into::into).collect();
    (!any_of.is_empty()).then(|| Test {
        pointer: pointer.to_owned(),
        any_of,
    })
}

fn event(file: &EventFile, faulty: &mut Faulty<'_>) -> Option<Compiled> {
    let mut table = table("events", file.predicate.as_ref(), &[], faulty);
    let event_type = file.event_type.map(|event_type| match event_type {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    });
    let tests = [
        is_one_of("/reason", file.reason.iter().cloned()),
        is_one_of("/type", event_type),
        is_one_of("/object/kind", file.object.iter().cloned()),
    ];
    table.tests.extend(tests.into_iter().flatten());
    let mut captures = Vec::new();
    if let Some(at) = &file.message {
        let regex = faulty.check_regex(at, Expression::new(&at.value))?;
        captures.extend(regex.names().iter().map(|name| name.as_ref().to_owned()));
        table.text = Some(("/message", regex));
    }
    let matcher = NamedMatcher {
        name: String::new(),
        matcher: Matcher::Table(table),
        min_count: file.min_count.map_or(1, NonZeroU64::get),
        ongoing: duration(file.ongoing.as_ref(), faulty),
    };
    Some(Compiled { matcher, captures })
}

fn object(file: &ObjectFile, faulty: &mut Faulty<'_>) -> Compiled {
    if !file
        .kind
        .value
        .starts_with(|c: char| c.is_ascii_uppercase())
    {
        let detail = format!(
            "`{}` is no kind; kinds are written as in `Deployment`",
            file.kind.value
        );
        faulty.add(file.kind.place, detail);
    }
    let mut table = table("objects", file.predicate.as_ref(), &["object"], faulty);
    table
        .tests
        .extend(is_one_of("/kind", [file.kind.value.clone()]));
    plain(Matcher::Table(table))
}

fn metric(file: &MetricFile, faulty: &mut Faulty<'_>) -> Compiled {
    const VARIABLES: &[&str] = &["value", "previous", "delta", "rate", "labels"];
    let mut table = table("metrics", file.predicate.as_ref(), VARIABLES, faulty);
    table
        .tests
        .extend(is_one_of("/family", [file.family.value.clone()]));
    let source = file.source.map(|source| match source {
        MetricSource::Proxy => "proxy",
        MetricSource::ControlPlane => "control-plane",
    });
    table.tests.extend(is_one_of("/source", source));
    for (label, value) in &file.labels {
        let label = label.replace('~', "~0").replace('/', "~1");
        let test = Test {
            pointer: format!("/labels/{label}"),
            any_of: vec![json!(value)],
        };
        table.tests.push(test);
    }
    plain(Matcher::Table(table))
}

fn absent(
    file: &AbsentFile,
    place: Spot,
    faulty: &mut Faulty<'_>,
    logs: &mut Vec<LogMatcher>,
) -> Option<Compiled> {
    match (&file.pattern, &file.table) {
        (Some(at), None) if file.source == SourceKind::PodLogs && file.predicate.is_none() => {
            let pattern = faulty.check_regex(at, Pattern::new(&at.value))?;
            let containers = file.container.iter().cloned().collect();
            logs.push(LogMatcher {
                containers,
                patterns: vec![pattern],
                in_excerpt: file.excerpt,
                ..LogMatcher::default()
            });
            Some(plain(Matcher::NoLine {
                log: logs.len() - 1,
            }))
        }
        (None, Some(at)) if file.container.is_none() && !file.excerpt => {
            known_table(at, faulty);
            let table = table(&at.value, file.predicate.as_ref(), &[], faulty);
            Some(plain(Matcher::NoRow {
                table,
                source: file.source,
            }))
        }
        _ => {
            let detail = "`absent` has either `source: pod-logs` with `pattern` (and `container`, `excerpt`), or \
                          a `source` with `table` and `where`";
            faulty.add(place, detail);
            None
        }
    }
}
