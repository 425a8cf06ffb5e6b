//! The files of a new rule.

/// The files of a new rule: its own and that of its cases.
pub(crate) fn template(topic: &str, id: &str) -> (String, String) {
    let rule = format!(
        r#"id: {id}
title: What is wrong, in a few words
severity: medium # info, low, medium, high, critical
maturity: test # stable once people rely on it
topic: {topic}
matchers:
  failed:
    log:
      containers: [linkerd-proxy]
      pattern: 'words of the message (?P<reason>.*)'
      ongoing: 2m # it still goes on when the bundle is captured
by: workload # pod, workload, node, service, namespace, identity, certificate, bundle
message: "{{workload}} in {{namespace}}: {{failed.count}} times {{reason}}"
meaning: What that means to the users of the mesh.
fix:
  - "a step that can be pasted: `kubectl -n {{namespace}} get pods`"
links: ["https://linkerd.io/2/tasks/"]
references: []
"#
    );
    let cases = r#"cases:
  - name: it fails until the capture
    expect: fires
    at: "2026-01-01T00:00:10Z"
    files:
      cluster-resources/pods/logs/shop/cart-7d9c4f5b6-x2k8p/linkerd-proxy.log: |
        2026-01-01T00:00:00Z [     1.000000s]  WARN ThreadId(01) linkerd_app_core: words of the message no luck
    message: 'cart in shop: 1 times no luck'
  - name: all is well
    expect: silent
    files:
      cluster-resources/pods/logs/shop/cart-7d9c4f5b6-x2k8p/linkerd-proxy.log: |
        2026-01-01T00:00:00Z [     1.000000s]  INFO ThreadId(01) linkerd2_proxy: release 2.366.0
"#;
    (rule, cases.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::super::set::RuleText;
    use super::*;

    #[test]
    fn a_new_rule_passes_its_own_cases() {
        let (yaml, cases) = template("proxy", "my-rule");
        let text = RuleText::new("proxy/my-rule.yaml", yaml, Some(cases));
        let tested = cases::test(&[text], &[]);
        assert_eq!((tested.cases, tested.faults), (2, Vec::new()));
    }
}
