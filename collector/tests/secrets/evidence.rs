//! What must come out as it went in.

pub(crate) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBgzCCASigAwIBAgIIOnF3NDElXqUwCgYIKoZIzj0EAwIwJTEjMCEGA1UEAwwa\ncm9vdC5saW5rZXJkLmNsdXN0ZXIubG9jYWwwHhcNMjYxMTIyMjM0MTEzWhcNMzYx\n-----END CERTIFICATE-----\n";

/// Lines that are evidence.
pub(crate) const EVIDENCE: &[&str] = &[
    "[     0.003415s]  INFO ThreadId(01) linkerd2_proxy: Local identity is web.shop.serviceaccount.identity.linkerd.cluster.local\n",
    "2026-11-23T00:49:10.054384921Z [  12.1s]  WARN ThreadId(01) inbound:server{port=8080}: linkerd_app_inbound::policy::http: Request denied server.group=policy.linkerd.io server.kind=server server.name=web-http route.name=default client.tls=Some(Established { client_id: Some(ClientId(Dns(Name(\"bb.shop.serviceaccount.identity.linkerd.cluster.local\")))), negotiated_protocol: None }) client.ip=10.244.0.17\n",
    "time=\"2026-11-23T00:49:10Z\" level=info msg=\"certificate issued for web.shop.serviceaccount.identity.linkerd.cluster.local until 2026-11-24 00:49:30 +0000 UTC: a3db5ba1b3a3d2b6a3b2c3d4e5f60718\"\n",
    "response_total{direction=\"inbound\",target_addr=\"10.244.0.17:8080\",tls=\"true\",client_id=\"bb.shop.serviceaccount.identity.linkerd.cluster.local\",status_code=\"200\"} 4711\n",
    "-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191,4567,4568 -m comment --comment \"proxy-init/ignore-port-4190,4191,4567,4568\" -j RETURN\n",
    "image cr.l5d.io/linkerd/proxy@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 fd00:10:244::1f\n",
    "{\"level\":\"error\",\"uid\":\"6f1b1f6e-8a3e-4f43-a7b8-58a3a4b5c6d7\",\"resourceVersion\":\"183745\",\"token\":{\"path\":\"token\"},\"msg\":\"TokenReview failed: [invalid bearer token]\"}\n",
    "caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnekNDQVNpZ0F3SUJBZ0lJT25GM05ERWxYcVV3Q2dZSUtvWkl6ajBFQXdJd0pURWpNQ0VHQTFVRUF3d2EK\n",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq7dXQ0Vb1fJ6rTn0n3k9Y5ZkYw1x\n-----END PUBLIC KEY-----\n",
    "linkerd.io/trust-root-sha256: 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945\n",
];
