//! From a path to what is meant by it.

use crate::names::Gvr;
use crate::query::percent_decode;

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Root,
    Health,
    Version,
    Api,
    Apis,
    Group(String),
    GroupVersion(String),
    Resource(Target),
    Unknown,
}

/// A resource, and perhaps one object of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) gvr: Gvr,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// `log`, `portforward`, `proxy/metrics`, …; empty for the object itself.
    pub(crate) subresource: String,
}

impl Route {
    pub(crate) fn of(path: &str) -> Self {
        let parts: Vec<String> = path
            .split('/')
            .filter(|p| !p.is_empty())
            .map(|p| percent_decode(p, false))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [] => Self::Root,
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["api"] => Self::Api,
            ["apis"] => Self::Apis,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version] => Self::GroupVersion((*version).to_owned()),
            ["apis", group, version] => Self::GroupVersion(format!("{group}/{version}")),
            ["api", version, rest @ ..] => target("", version, rest),
            ["apis", group, version, rest @ ..] => target(group, version, rest),
            _ => Self::Unknown,
        }
    }
}

fn target(group: &str, version: &str, rest: &[&str]) -> Route {
    let own = |text: &&str| (*text).to_owned();
    let (namespace, rest) = match rest {
        // Below a namespace there are resources, but for the namespace's own subresources.
        ["namespaces", namespace, plural, rest @ ..]
            if !matches!(*plural, "status" | "finalize") =>
        {
            (Some(own(namespace)), [&[*plural], rest].concat())
        }
        _ => (None, rest.to_vec()),
    };
    let mut rest = rest.iter();
    let plural = rest.next().map(own).unwrap_or_default();
    let name = rest.next().map(own);
    let subresource: Vec<&str> = rest.copied().collect();
    let gvr = Gvr {
        group: group.to_owned(),
        version: version.to_owned(),
        plural,
    };
    Route::Resource(Target {
        gvr,
        namespace,
        name,
        subresource: subresource.join("/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> Target {
        match Route::of(path) {
            Route::Resource(target) => target,
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn namespaces_are_both_a_resource_and_a_place() {
        let list = resource("/api/v1/namespaces");
        assert_eq!((list.gvr.plural.as_str(), list.name), ("namespaces", None));
        let one = resource("/api/v1/namespaces/shop");
        assert_eq!((one.namespace, one.name.as_deref()), (None, Some("shop")));
        let pods = resource("/api/v1/namespaces/shop/pods/a/proxy/metrics");
        assert_eq!(pods.namespace.as_deref(), Some("shop"));
        assert_eq!(pods.subresource, "proxy/metrics");
    }

    #[test]
    fn what_is_no_api_path_is_unknown() {
        assert_eq!(Route::of("/nothing/here"), Route::Unknown);
        assert_eq!(Route::of("/apis/apps"), Route::Group("apps".into()));
    }
}
