//! What the analyzer must say of every recording: all causes that were injected, each by a rule
//! of its own, and nothing above `info` of a healthy mesh.

use std::path::Path;

use bundle::{Bundle, Limits};
use linkerd_analyze::finding::Severity;

/// Recording, the rules whose findings stand at the top, worst first.
const EXPECTED: [(&str, &[&str]); 16] = [
    ("api-answers", &[]),
    (
        "app-crash-loop",
        &[
            "service-sends-to-wrong-port",
            "workload-crash-loop",
            "workload-crash-loop",
        ],
    ),
    (
        "authz-denied",
        &[
            "client-identity-refused",
            "unmeshed-client-refused",
            "unmeshed-client-refused",
        ],
    ),
    ("destination-down", &["destination-down"]),
    ("healthy", &[]),
    (
        "init-container-fails",
        &[
            "init-container-before-proxy",
            "linkerd-init-lacks-permission",
            "linkerd-init-unknown-binary",
            "pod-security-forbids-injection",
            "redirection-removed",
        ],
    ),
    ("injector-down-ignore", &["proxy-injector-down"]),
    ("issuer-expired", &["issuer-certificate-expired"]),
    (
        "issuer-near-expiry",
        &["issuer-certificate-ends-soon", "trust-anchor-ends-soon"],
    ),
    (
        "job-sidecar-hostnetwork-skip",
        &[
            "job-kept-alive-by-proxy",
            "skipped-port-refused",
            "host-network-not-meshed",
        ],
    ),
    ("log-level-debug", &[]),
    (
        "no-endpoints-failfast",
        &["service-scaled-to-zero", "service-without-ready-endpoints"],
    ),
    ("node-not-ready", &["node-not-ready"]),
    (
        "protocol-detection-timeout",
        &["protocol-detection-timeout", "protocol-detection-timeout"],
    ),
    ("tcp-connection-leak", &["connection-leak"]),
    ("trust-anchor-mismatch", &["trust-anchor-mismatch"]),
];

#[test]
fn every_recording_is_diagnosed_as_its_truth_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let rules = linkerd_analyze::load_rules(&[], true, &[]).unwrap();
    for (name, expected) in EXPECTED {
        let bundle =
            Bundle::open(&folder.join(format!("{name}.tar.gz")), Limits::default()).unwrap();
        let report =
            linkerd_analyze::analyze(&bundle, &rules, &linkerd_analyze::Options::default());
        let above_info = report
            .findings
            .iter()
            .filter(|f| f.severity > Severity::Info);
        let told: Vec<&str> = above_info.map(|f| f.rule.as_str()).collect();
        assert_eq!(told, expected, "{name}");
    }
}
