//! A bundle of a large cluster's objects, events and metrics, grown from one recording.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bundle::layout::EntryKind;
use bundle::{BundleWriter, EntryPath};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::recording::{Recording, text};
use crate::{Target, finish};

/// Pods of one namespace: more make its list longer, fewer make more lists.
const PODS_PER_NAMESPACE: usize = 400;

/// Pods of one workload.
const REPLICAS: usize = 5;

/// Kubelets have at most 110 pods by default.
const PODS_PER_NODE: usize = 80;

/// Makes a bundle of objects, events and metrics.
#[derive(Debug, Args)]
pub(crate) struct Objects {
    #[command(flatten)]
    target: Target,
    /// Meshed pods, each with two scrapes
    #[arg(long, default_value_t = 20_000)]
    pods: usize,
    /// Events for each pod
    #[arg(long, default_value_t = 5)]
    events: usize,
    /// The recording that everything is grown from
    #[arg(long, default_value = "authz-denied")]
    recording: String,
}

/// Writes the bundle.
pub(crate) fn write(args: &Objects) -> Result<()> {
    let file = format!("{}.tar.gz", args.recording);
    let templates = Templates::read(&args.target.recordings.join(file))?;
    let mut writer = args.target.create()?;
    for (path, bytes) in &templates.cluster {
        append(&mut writer, path, bytes)?;
    }
    let pods: Vec<usize> = (0..args.pods).collect();
    for pods in pods.chunks(PODS_PER_NAMESPACE) {
        templates.write_namespace(&mut writer, pods, args.events)?;
    }
    finish(writer)
}

fn append(writer: &mut BundleWriter, path: &EntryPath, bytes: &[u8]) -> Result<()> {
    writer.append(path, bytes.len() as u64, &mut &*bytes)?;
    Ok(())
}

/// A meshed pod of the recording with what belongs to it, as JSON and text.
struct Template {
    /// What is replaced: the recorded names.
    namespace: String,
    workload: String,
    pod: String,
    /// Objects by the kind of their list.
    objects: BTreeMap<&'static str, String>,
    scrapes: [String; 2],
}

struct Templates {
    pods: Vec<Template>,
    events: Vec<String>,
    /// Cluster-scoped lists, and all of the control plane's namespace.
    cluster: BTreeMap<EntryPath, Vec<u8>>,
}

impl Templates {
    fn read(path: &std::path::Path) -> Result<Self> {
        let recording = Recording::read(path)?;
        let lists = |kind: &str| recording.items(kind);
        let mut pods = Vec::new();
        for (namespace, pod) in lists("pods") {
            let name = text(&pod, "/metadata/name");
            let scrapes = [1, 2].map(|n| recording.scrape(&namespace, &name, n));
            let [Some(first), Some(second)] = scrapes else {
                continue;
            };
            let owner = text(&pod, "/metadata/ownerReferences/0/name");
            let Some((workload, _)) = owner.rsplit_once('-') else {
                continue;
            };
            if namespace == "linkerd" {
                continue;
            }
            let of_name = |kind: &'static str, start: &str| {
                let mut all = lists(kind).into_iter();
                let found = all.find(|(of, object)| {
                    *of == namespace && text(object, "/metadata/name").starts_with(start)
                });
                found.map(|(_, object)| (kind, object.to_string()))
            };
            let kinds = ["deployments", "replicasets", "services", "endpointslices"];
            let mut objects: BTreeMap<&'static str, String> = kinds
                .into_iter()
                .filter_map(|kind| of_name(kind, workload))
                .collect();
            objects.insert("pods", pod.to_string());
            pods.push(Template {
                workload: workload.to_owned(),
                pod: name,
                objects,
                scrapes: [first, second],
                namespace,
            });
        }
        anyhow::ensure!(!pods.is_empty(), "no meshed pods in `{}`", path.display());
        let events = lists("events").into_iter().map(|(_, e)| e.to_string());
        Ok(Self {
            pods,
            events: events.collect(),
            cluster: recording.cluster(),
        })
    }

    fn write_namespace(
        &self,
        writer: &mut BundleWriter,
        pods: &[usize],
        events: usize,
    ) -> Result<()> {
        let first = pods.first().copied().unwrap_or_default();
        let namespace = format!("ns-{:04}", first / PODS_PER_NAMESPACE);
        let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for number in pods {
            let template = self.pods.get(number / REPLICAS % self.pods.len());
            let template = template.context("no template")?;
            let names = Names::of(template, &namespace, *number);
            for (kind, object) in &template.objects {
                if *kind == "pods" || number % REPLICAS == 0 {
                    lists.entry(kind).or_default().push(names.put_into(object));
                }
            }
            for event in 0..events {
                let template = self
                    .events
                    .get((number * events + event) % self.events.len());
                let event = names.event(template.context("no events")?, event)?;
                lists.entry("events").or_default().push(event);
            }
            for (scrape, text) in (1..).zip(&template.scrapes) {
                let kind = EntryKind::ProxyMetrics {
                    namespace: namespace.clone(),
                    pod: names.pod.clone(),
                    scrape,
                };
                let path = kind.path().context("no path")?;
                append(writer, &path, names.put_into(text).as_bytes())?;
            }
        }
        for (kind, items) in lists {
            let path = EntryPath::parse(format!("cluster-resources/{kind}/{namespace}.json"))?;
            let list = format!(
                r#"{{"kind":"List","apiVersion":"v1","items":[{}]}}"#,
                items.join(",")
            );
            append(writer, &path, list.as_bytes())?;
        }
        Ok(())
    }
}

/// The names of one made-up pod, and those that they stand for.
struct Names<'a> {
    template: &'a Template,
    namespace: &'a str,
    workload: String,
    pod: String,
    node: String,
    ip: String,
}

impl<'a> Names<'a> {
    fn of(template: &'a Template, namespace: &'a str, number: usize) -> Self {
        let workload = format!("{}-{:05}", template.workload, number / REPLICAS);
        Self {
            pod: format!("{workload}-7cc5f8978b-{number:05x}"),
            node: format!("node-{:04}", number / PODS_PER_NODE),
            ip: format!(
                "10.{}.{}.{}",
                64 + (number >> 16),
                (number >> 8) & 255,
                number & 255
            ),
            template,
            namespace,
            workload,
        }
    }

    fn put_into(&self, text: &str) -> String {
        let Template {
            namespace,
            workload,
            pod,
            ..
        } = self.template;
        text.replace(pod.as_str(), &self.pod)
            .replace(
                &format!("\"{workload}\""),
                &format!("\"{}\"", self.workload),
            )
            .replace(&format!("{workload}-"), &format!("{}-", self.workload))
            .replace(
                &format!("\"{namespace}\""),
                &format!("\"{}\"", self.namespace),
            )
            .replace("node-a", &self.node)
            .replace(
                "\"podIP\":\"",
                &format!("\"podIP\":\"{}\",\"wasIP\":\"", self.ip),
            )
    }

    fn event(&self, template: &str, number: usize) -> Result<String> {
        let mut event: Map<String, Value> = serde_json::from_str(template)?;
        let name = format!("{}.{number:x}", self.pod);
        event.insert(
            "metadata".to_owned(),
            json!({"name": name, "namespace": self.namespace}),
        );
        let object = json!({"kind": "Pod", "namespace": self.namespace, "name": self.pod});
        event.insert("involvedObject".to_owned(), object);
        Ok(Value::Object(event).to_string())
    }
}
