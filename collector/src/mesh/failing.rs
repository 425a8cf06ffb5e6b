//! Which pods are at the ends of failing edges, as the proxies' metrics tell: who answers with
//! errors, who is denied, and by whom.

use std::collections::BTreeSet;

use super::Pod;

/// Ends of failing edges, by whatever name a scrape gives them.
#[derive(Debug, Default)]
pub struct Failing {
    /// Namespace and name.
    pods: BTreeSet<(String, String)>,
    addresses: BTreeSet<String>,
    identities: BTreeSet<String>,
    /// Namespace and name.
    services: BTreeSet<(String, String)>,
}

impl Failing {
    /// Looks at a scrape of a pod's proxy.
    pub fn look_at(&mut self, pod: &Pod, scrape: &[u8]) {
        for line in String::from_utf8_lossy(scrape).lines() {
            let Some(sample) = Sample::parse(line).filter(Sample::tells_of_failure) else {
                continue;
            };
            self.pods.insert((pod.namespace.clone(), pod.name.clone()));
            self.add_peer(&sample);
        }
    }

    fn add_peer(&mut self, sample: &Sample<'_>) {
        let label = |name: &str| sample.label(name).filter(|v| !v.is_empty());
        if sample.is_outbound() {
            let named = label("dst_namespace").zip(label("dst_pod"));
            let named = named.map(|(ns, name)| (ns.to_owned(), name.to_owned()));
            self.pods.extend(named);
            let address = label("target_ip");
            let address = address.or_else(|| Some(label("target_addr")?.rsplit_once(':')?.0));
            self.addresses.extend(address.map(str::to_owned));
            let backend = label("backend_namespace").zip(label("backend_name"));
            let backend = backend.map(|(ns, name)| (ns.to_owned(), name.to_owned()));
            self.services.extend(backend);
        } else {
            self.identities
                .extend(label("client_id").map(str::to_owned));
        }
    }

    /// Whether a pod is one of them; `serves` says which Services select it.
    pub fn has(&self, pod: &Pod, serves: impl Fn(&str, &str) -> bool) -> bool {
        let identity = pod.proxy.as_ref().and_then(|p| p.identity.as_ref());
        let named = (pod.namespace.clone(), pod.name.clone());
        self.pods.contains(&named)
            || pod
                .ip
                .as_ref()
                .is_some_and(|ip| self.addresses.contains(ip))
            || identity.is_some_and(|id| self.identities.contains(id))
            || self
                .services
                .iter()
                .any(|(ns, name)| *ns == pod.namespace && serves(ns, name))
    }
}

/// A line of a scrape whose value is not zero.
struct Sample<'a> {
    family: &'a str,
    labels: &'a str,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (family, rest) = line.split_once('{')?;
        let (labels, value) = rest.rsplit_once('}')?;
        let value: f64 = value.split_whitespace().next()?.parse().ok()?;
        (value > 0.0 && !line.starts_with('#')).then_some(Self { family, labels })
    }

    fn label(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.labels;
        loop {
            let (key, after) = rest.split_once("=\"")?;
            let end = closing_quote(after)?;
            let (value, tail) = after.split_at(end);
            if key.trim_start_matches(',').trim() == name {
                return Some(value);
            }
            rest = tail.get(1..)?;
        }
    }

    fn is_outbound(&self) -> bool {
        self.family.starts_with("outbound_") || self.label("direction") == Some("outbound")
    }

    fn tells_of_failure(&self) -> bool {
        let is_error = |status: &str| status.starts_with('5');
        match self.family {
            "inbound_http_authz_deny_total"
            | "inbound_tcp_authz_deny_total"
            | "inbound_http_errors_total"
            | "inbound_tcp_errors_total"
            | "outbound_http_errors_total"
            | "outbound_tcp_errors_total" => true,
            "response_total" => self.label("classification") == Some("failure"),
            // What the own application does to its connections tells nothing of an edge.
            "tcp_close_total" => {
                self.is_outbound() && self.label("errno").is_some_and(|e| !e.is_empty())
            }
            family => {
                let is_status =
                    family.starts_with("outbound_") && family.ends_with("_response_statuses_total");
                is_status
                    && (self
                        .label("http_status")
                        .or(self.label("status"))
                        .is_some_and(is_error)
                        || self.label("error").is_some_and(|e| !e.is_empty()))
            }
        }
    }
}

/// Where the value of a label ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, ip: &str) -> Pod {
        Pod::from_object(&json!({
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"containers": [{"name": "linkerd-proxy", "env": [
                {"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "value": format!("{name}.shop.id")},
            ]}]},
            "status": {"podIP": ip},
        }))
        .unwrap()
    }

    fn failing(scrape: &str) -> Vec<&'static str> {
        let mut failing = Failing::default();
        failing.look_at(&pod("web", "10.0.0.1"), scrape.as_bytes());
        let all = [
            ("web", "10.0.0.1"),
            ("cart", "10.0.0.2"),
            ("db", "10.0.0.3"),
        ];
        let mut ends = all.to_vec();
        ends.retain(|(name, ip)| {
            failing.has(&pod(name, ip), |_, service| {
                service == format!("{name}-svc")
            })
        });
        ends.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn both_ends_of_a_failing_edge_are_found_by_the_names_that_a_scrape_gives() {
        let well = r#"response_total{direction="outbound",classification="success",dst_pod="cart",dst_namespace="shop"} 9"#;
        assert!(failing(well).is_empty());
        for line in [
            r#"response_total{direction="outbound",status_code="503",classification="failure",dst_namespace="shop",dst_pod="cart"} 1"#,
            r#"response_total{direction="outbound",target_addr="10.0.0.2:80",target_ip="10.0.0.2",classification="failure"} 2"#,
            r#"tcp_close_total{direction="outbound",peer="dst",target_addr="10.0.0.2:80",errno="ECONNRESET"} 2"#,
            r#"inbound_http_authz_deny_total{target_ip="10.0.0.1",srv_name="a\"},b",tls="true",client_id="cart.shop.id"} 7"#,
            r#"outbound_http_route_backend_response_statuses_total{backend_namespace="shop",backend_name="cart-svc",http_status="500",error=""} 7"#,
        ] {
            assert_eq!(failing(line), ["web", "cart"], "{line}");
        }
        let own = r#"inbound_http_errors_total{error="failfast"} 1"#;
        assert_eq!(failing(own), ["web"]);
    }

    #[test]
    fn what_is_zero_or_no_sample_tells_nothing() {
        for line in [
            r#"inbound_http_authz_deny_total{client_id="cart.shop.id"} 0"#,
            "# HELP inbound_http_authz_deny_total {x} 1",
            "inbound_http_authz_deny_total 7",
            r#"tcp_close_total{errno="x 1"#,
            r#"tcp_close_total{errno="} 1"#,
        ] {
            assert!(failing(line).is_empty(), "{line}");
        }
    }
}
