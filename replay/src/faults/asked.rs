//! A request, as far as faults choose by it.

use axum::extract::Request;
use http::Method;

use crate::forward::addressed;
use crate::query::Query;
use crate::route::{Route, Target};
use crate::status::qualified;
use crate::store::Store;

/// A request, as far as faults choose by it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    /// The path of the URL, as it was sent.
    pub(crate) path: String,
    pub(crate) query: Query,
    /// Plural name and group, such as `servers.policy.linkerd.io`; empty outside of resources.
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: Option<String>,
    /// The object that is named, without the port that a pod proxy names besides.
    pub(crate) name: Option<String>,
    /// The node of the pod that is asked, or the one that is asked itself.
    pub(crate) node: Option<String>,
    pub(crate) via: Via,
}

impl Asked {
    pub(crate) fn of(store: &Store, request: &Request) -> Self {
        let query = Query::parse(request.uri().query());
        let mut asked = Self {
            verb: Verb::of(request.method(), &query),
            path: request.uri().path().to_owned(),
            query,
            resource: String::new(),
            subresource: String::new(),
            namespace: None,
            name: None,
            node: None,
            via: Via::Api,
        };
        if let Route::Resource(target) = Route::of(&asked.path) {
            asked.take(store, target);
        }
        asked
    }

    fn take(&mut self, store: &Store, target: Target) {
        self.resource = qualified(&target.gvr.plural, &target.gvr.group);
        self.via = Via::of(&self.resource, &target.subresource);
        self.name = target.name.map(|name| match self.via {
            Via::Network => addressed(&name).0.to_owned(),
            _ => name,
        });
        if self.name.is_none() && self.verb == Verb::Get {
            self.verb = Verb::List;
        }
        self.subresource = target.subresource;
        // A namespace is in itself.
        self.namespace = match self.resource.as_str() {
            "namespaces" => self.name.clone(),
            _ => target.namespace,
        };
        self.node = match (self.pod(), self.resource.as_str()) {
            (Some(pod), _) => node_of(store, self.namespace.as_deref(), pod),
            (None, "nodes") => self.name.clone(),
            _ => None,
        };
    }

    /// Plural name and group of the resource.
    pub(crate) fn parts(&self) -> (&str, &str) {
        let parts = self.resource.split_once('.');
        parts.unwrap_or((&self.resource, ""))
    }

    /// The pod that is asked.
    pub(super) fn pod(&self) -> Option<&str> {
        let name = self.name.as_deref();
        name.filter(|_| self.resource == "pods")
    }
}

fn node_of(store: &Store, namespace: Option<&str>, pod: &str) -> Option<String> {
    let pod = store.pod(namespace.unwrap_or_default(), pod)?;
    Some(pod.text("/spec/nodeName")?.into_owned())
}

/// What an API server calls what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    pub(super) const WORDS: [(&'static str, Self); 7] = [
        ("get", Self::Get),
        ("list", Self::List),
        ("watch", Self::Watch),
        ("create", Self::Create),
        ("update", Self::Update),
        ("patch", Self::Patch),
        ("delete", Self::Delete),
    ];

    fn of(method: &Method, query: &Query) -> Self {
        match *method {
            Method::POST => Self::Create,
            Method::PUT => Self::Update,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ if query.flag("watch") => Self::Watch,
            _ => Self::Get,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words.find(|(_, verb)| *verb == self).map_or("get", |w| w.0)
    }
}

/// Whom the API server has to ask for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// Nobody but its own store.
    Api,
    /// The kubelet of the pod's node.
    Kubelet,
    /// The pod, through the pod network.
    Network,
}

impl Via {
    pub(super) const WORDS: [(&'static str, Self); 3] = [
        ("api", Self::Api),
        ("kubelet", Self::Kubelet),
        ("network", Self::Network),
    ];

    /// How a subresource is served.
    fn of(resource: &str, subresource: &str) -> Self {
        let first = subresource.split('/').next().unwrap_or_default();
        match (resource, first) {
            ("pods", "log" | "portforward" | "exec" | "attach") | ("nodes", "proxy") => {
                Self::Kubelet
            }
            ("pods" | "services", "proxy") => Self::Network,
            _ => Self::Api,
        }
    }
}
