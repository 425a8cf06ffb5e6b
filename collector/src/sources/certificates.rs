//! The certificate chains that proxies and webhook servers present to a TLS handshake. No key
//! is asked for, and nothing is sent after the handshake.

use std::sync::Arc;

use base64::Engine;
use bundle::layout::EntryKind;
use bundle::{Outcome, SourceKind};

use crate::cluster::{Trouble, Tunnel, presented_chain};
use crate::mesh::{Mesh, Pod};
use crate::nodes::Way;
use crate::queue::{Job, Priority};
use crate::session::{Captured, Item, Session};
use crate::spool::Content;

/// The item that is a proxy's chain.
pub(super) fn identity_item(pod: &Pod) -> Item {
    let object = format!("{}/{}", pod.namespace, pod.name);
    let entry = EntryKind::ProxyIdentity {
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
    };
    Item::new(entry, object)
}

/// Captures the chain that a proxy presents on its admin port.
pub(super) async fn capture_identity(session: &Session, pod: &Pod) {
    let capture = async {
        let proxy = pod.proxy.as_ref();
        let named = proxy.and_then(|p| Some((p.admin_port, p.identity.as_deref()?)));
        let none = || Trouble::absent("the proxy has no identity");
        let (port, name) = named.ok_or_else(none)?;
        chain(session, pod, port, name).await
    };
    session.capture(identity_item(pod), capture).await;
}

/// Queues the chains of the servers that webhook configurations and API services point to.
pub(super) async fn queue_servers(session: &Session, mesh: &Mesh) {
    for ((namespace, service), port) in &mesh.servers {
        let item = Item {
            source: SourceKind::ServerTls,
            object: format!("{namespace}/{service}"),
            entry: Some(EntryKind::ServerTls {
                namespace: namespace.clone(),
                service: service.clone(),
            }),
        };
        if !session.plan.scope.port_forward {
            let trouble = Trouble::new(Outcome::Skipped, "not asked for: `--no-port-forward`");
            session.leave_out(item, trouble).await;
            continue;
        }
        match mesh.server_pod(namespace, service, *port) {
            Err(why) => session.leave_out(item, Trouble::absent(why)).await,
            Ok((pod, port)) => {
                session.intend(&item);
                let (pod, node) = (Arc::clone(pod), pod.node.clone());
                let name = format!("{service}.{namespace}.svc");
                let job = Job::new(
                    Priority::ControlPlane,
                    &[SourceKind::ServerTls],
                    move |session| async move {
                        let capture = chain(&session, &pod, port, &name);
                        session.capture(item, capture).await;
                    },
                );
                session.queue.push(job.on(node));
            }
        }
    }
}

async fn chain(session: &Session, pod: &Pod, port: u16, name: &str) -> Result<Captured, Trouble> {
    let node = pod.node.as_deref();
    session.nodes.check(node, Way::PortForward)?;
    let result = shake_hands(session, pod, port, name).await;
    session.nodes.note(node, Way::PortForward, &result);
    let certificates = result?;
    Ok(Captured {
        items: u64::try_from(certificates.len()).ok(),
        via: Some("port-forward"),
        ..Captured::whole(Content::from_bytes(certificates.concat().into_bytes()))
    })
}

async fn shake_hands(
    session: &Session,
    pod: &Pod,
    port: u16,
    name: &str,
) -> Result<Vec<String>, Trouble> {
    let limit = session.plan.limits.item_timeout;
    let name_of = (pod.namespace.as_str(), pod.name.as_str());
    let mut tunnel = Tunnel::open(&session.cluster, name_of, port, limit).await?;
    let stream = tunnel.take_stream()?;
    match presented_chain(&session.cluster, stream, name).await {
        Ok(chain) => Ok(chain.iter().map(|certificate| pem(certificate)).collect()),
        Err(trouble) if trouble.outcome == Outcome::Failed => {
            Err(match tunnel.last_words().await {
                Some(words) if !words.is_empty() => trouble.context(&words),
                _ => trouble,
            })
        }
        Err(trouble) => Err(trouble),
    }
}

fn pem(certificate: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_written_in_lines_of_64() {
        let text = pem(&[0; 60]);
        let lines: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lines, [27, 64, 16, 25]);
    }
}
