//! Words that stay: those of Linkerd, Kubernetes and their logs. The rules need them, and they
//! tell nothing about whose cluster it is. A workload that is called `api` stays `api`.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Labels and names, without regard to case.
const WORDS: &str = "\
    a about access actions active add addr address adm admin after agent alertmanager alerts all \
    allow allowed an and annotations any api apis apiserver app application apps arch are as at \
    auth authority authorization authorizationpolicies authz auto aws azure back backend \
    balancer base batch be before bin body bootstrap broker build bundle busybox but by ca cache \
    call can cert certificate certs cfg check class cli client cloud cluster clusterrole cm cni \
    collector com command compute conditions conf config configmap configmaps conn connect \
    connection console container containers control controller core coredns cpu create cri \
    cronjob cronjobs cross crt csv curl custom daemonset daemonsets dashboard data database db \
    debug default delete denied deny deployment deployments dest destination dev dial direct \
    discovery dns docker done down downstream drop dst dynamic ec2 echo edge empty enabled end \
    endpoint endpoints endpointslices entry env eof error errors etc etcd event events example \
    exec exit expired export exporter external fail failed failure fatal file files filter first \
    fluentd flux for found from front frontend full gateway get go google grafana group groups \
    grpc grpcroutes gz head header headers headless health healthz heartbeat hello helm high \
    home host hostname hosts html http httproute httproutes https id identity idle image images \
    in inbound info ingress init injector input internal invalid io ip iptables is it items \
    jaeger java job jobs js json k3s k8s keepalive kernel key keys kibana kind kubectl kubelet \
    kubernetes labels last latency leader leaf lease leases level lib limit limits linkerd linux \
    list listen listener live load local localhost log logger logs loki low machine main manager \
    master max mem memcached memory mesh meshtlsauthentications message meta metadata metrics \
    middleware min minio missing mode mongo mongodb monitor monitoring msg mtls mutating mysql \
    name namespace namespaces nats ndjson net network new nginx no node nodes none normal not \
    null of off ok old on one opaque open operator or org other out outbound output owner pem \
    pod pods policy pool port ports post postgres postgresql prod production profile profiles \
    prom prometheus protocol provider proxy public put py queue rabbitmq rate read ready readyz \
    real reason record redis refused region registry release remote replica replicas replicaset \
    replicasets request requests reset resource resources response result retry role \
    rolebindings roles root route router routes rs rules run runner sa sample scheduler scope \
    script secret secrets security selector self send server servers service serviceaccount \
    serviceaccounts serviceprofiles services session set sh shell shutdown sidecar sleep slow \
    socket source spec split sql src staging start startup state stateful statefulset \
    statefulsets static stats status stderr stdout stop storage store stream streaming sub svc \
    svg sync sys system tap tar target task tasks tcp temp template tempo test tests text the \
    thread time timeout tls tmp to token tool tools top trace tracing traffic true trust two \
    type udp ui unknown up update upstream uri url user users usr util v1 v2 v3 validator value \
    values var vault version view viz volume wait warn warning was watch web webhook windows \
    with worker workers write yaml yml zip zipkin zone";

static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());

/// Beginnings of names that stay whole.
const FAMILIES: &[&str] = &[
    "linkerd",
    "kube-",
    "kubernetes",
    "system:",
    "coredns",
    "kindnet",
    "local-path",
    "metrics-server",
    "etcd-",
    "cert-manager",
    "trust-manager",
    "cilium",
    "calico",
    "aws-node",
    "ebs-csi",
    "gke-metadata",
    "istio",
    "prometheus-",
    "extension-apiserver",
    "cluster-admin",
    "ingress-nginx",
];

/// Domains of projects and public registries.
const DOMAINS: &[&str] = &[
    "linkerd.io",
    "l5d.io",
    "buoyant.io",
    "buoyant.cloud",
    "k8s.io",
    "kubernetes.io",
    "x-k8s.io",
    "cluster.local",
    "cert-manager.io",
    "troubleshoot.sh",
    "docker.io",
    "docker.com",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "pkg.dev",
    "github.com",
    "golang.org",
    "go.dev",
    "googleapis.com",
    "grpc.io",
    "prometheus.io",
    "etcd.io",
    "cncf.io",
    "opentelemetry.io",
    "crates.io",
    "rust-lang.org",
    "helm.sh",
    "cri-o.io",
    "containerd.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "example.com",
    "example.org",
    "svc.local",
    "gopkg.in",
    "sigs.k8s.io",
    "uber.org",
];

/// Last labels of names on the Internet and on private networks. Names that end otherwise, such as
/// `main.go` and `linkerd_app.rs`, are none.
const TOP_LEVEL: &[&str] = &[
    "com", "net", "org", "io", "dev", "cloud", "internal", "local", "lan", "corp", "intra",
    "intranet", "home", "biz", "info", "app", "edu", "gov", "mil", "int", "eu", "de", "uk", "fr",
    "nl", "ch", "at", "it", "es", "pl", "se", "no", "fi", "dk", "be", "cz", "us", "ca", "br", "jp",
    "cn", "in", "au", "co", "ai", "tech", "online", "systems", "company", "bank", "aws", "example",
    "tv", "xyz",
];

/// Whether a name stays as it is.
pub(super) fn stays(name: &str) -> bool {
    name.len() < 2
        || KNOWN.contains(name.to_ascii_lowercase().as_str())
        || FAMILIES.iter().any(|family| {
            let start = name.get(..family.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(family))
        })
        || name.bytes().all(|b| b.is_ascii_digit())
}

/// Whether all of a namespace's own objects stay: those of the cluster and of the mesh.
pub(super) fn is_system_namespace(namespace: &str) -> bool {
    namespace.starts_with("kube-") || namespace.starts_with("linkerd")
}

/// Whether a dotted name is a host's, and not a project's.
pub(super) fn is_host(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_known = |domain: &&str| {
        name.strip_suffix(*domain)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    TOP_LEVEL.contains(&last) && !DOMAINS.iter().any(is_known)
}
