use jiff::Timestamp;
use serde_json::json;

use super::parse::{Certificate, certificates};
use super::testing::{AT, NEW_CHAIN, NEW_ROOT, OLD_CHAIN, OLD_ROOT};
use super::verify::{Rules, Verdict, verify};
use crate::facts::testing::{list, pieces};
use crate::facts::{Context, Demand, Fact, Facts, derive};

fn read(pem: &str) -> Vec<Certificate> {
    let (found, broken) = certificates(pem.as_bytes());
    assert_eq!(broken, Vec::<String>::new());
    found
}

fn at() -> Timestamp {
    AT.parse().unwrap()
}

#[test]
fn what_a_certificate_says_is_read() {
    let chain = read(OLD_CHAIN);
    let [leaf, issuer] = chain.as_slice() else {
        panic!("{}", chain.len())
    };
    assert_eq!(
        leaf.subject,
        "cache.shop.serviceaccount.identity.linkerd.cluster.local"
    );
    assert_eq!(leaf.issuer, issuer.subject);
    assert_eq!(
        (leaf.key(), leaf.signature.as_str()),
        ("EC 256".to_owned(), "ECDSA-SHA256")
    );
    assert!(!leaf.is_ca && issuer.is_ca);
    assert_eq!(leaf.authority_key_id, issuer.subject_key_id);
    assert!(leaf.purposes == ["server", "client"]);
}

#[test]
fn a_chain_holds_against_its_own_root_under_both_rules() {
    let (chain, root) = (read(OLD_CHAIN), read(OLD_ROOT));
    for rules in [Rules::Webpki, Rules::Go] {
        assert_eq!(
            verify(&chain, &root, at(), rules).verdict,
            Verdict::Ok,
            "{rules:?}"
        );
    }
}

#[test]
fn a_root_replaced_under_the_same_name_is_a_bad_signature() {
    let (chain, root) = (read(OLD_CHAIN), read(NEW_ROOT));
    let outcome = verify(&chain, &root, at(), Rules::Webpki);
    assert_eq!(outcome.verdict.name(), "bad-signature");
    let both = read(&format!("{NEW_ROOT}{OLD_ROOT}"));
    assert_eq!(
        verify(&chain, &both, at(), Rules::Webpki).verdict,
        Verdict::Ok
    );
}

#[test]
fn an_ended_root_stops_go_but_not_the_proxies() {
    let (chain, mut root) = (read(OLD_CHAIN), read(OLD_ROOT));
    root[0].facts.not_after = at() - jiff::SignedDuration::from_hours(1);
    assert_eq!(
        verify(&chain, &root, at(), Rules::Webpki).verdict,
        Verdict::Ok
    );
    assert_eq!(
        verify(&chain, &root, at(), Rules::Go).verdict.name(),
        "expired"
    );
}

#[test]
fn each_way_in_which_a_chain_fails_has_its_name() {
    let (chain, root) = (read(OLD_CHAIN), read(OLD_ROOT));
    let name = |chain: &[Certificate], root: &[Certificate], at| {
        verify(chain, root, at, Rules::Webpki).verdict.name()
    };
    let late = at() + jiff::SignedDuration::from_hours(48);
    assert_eq!(name(&chain, &root, late), "expired");
    let early = at() - jiff::SignedDuration::from_hours(48);
    assert_eq!(name(&chain, &root, early), "not-yet-valid");
    assert_eq!(name(&chain[..1], &root, at()), "unknown-issuer");
    assert_eq!(name(&chain, &[], at()), "unknown-issuer");
    let mut no_ca = chain.clone();
    no_ca[1].facts.is_ca = false;
    assert_eq!(name(&no_ca, &root, at()), "not-a-ca");
    let mut limited = chain.clone();
    limited[1].facts.permitted = vec!["example.com".to_owned()];
    assert_eq!(name(&limited, &root, at()), "name-constraint");
    let mut server_only = chain.clone();
    server_only[1].facts.has_purposes = true;
    server_only[1].facts.purposes = vec!["server".to_owned()];
    assert_eq!(name(&server_only, &root, at()), "wrong-usage");
    assert_eq!(
        verify(&server_only, &root, at(), Rules::Go).verdict,
        Verdict::Ok
    );
}

#[test]
fn a_root_that_allows_no_issuer_below_it_stops_go_alone() {
    let (chain, mut root) = (read(OLD_CHAIN), read(OLD_ROOT));
    root[0].facts.path_len = Some(0);
    assert_eq!(
        verify(&chain, &root, at(), Rules::Webpki).verdict,
        Verdict::Ok
    );
    assert_eq!(
        verify(&chain, &root, at(), Rules::Go).verdict.name(),
        "path-too-long"
    );
}

/// A mesh whose `ConfigMap` has one anchor and of which two pods were started with another each.
fn mesh(roots: &str) -> Facts {
    let pod = |name: &str, account: &str, anchors: &str| {
        json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {
            "serviceAccountName": account,
            "containers": [{"name": "linkerd-proxy", "env": [
                {"name": "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", "value": anchors},
                {"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME",
                 "value": "$(_pod_sa).$(_pod_ns).serviceaccount.identity.linkerd.cluster.local"}]}]}})
    };
    let config = json!({"metadata": {"name": "linkerd-identity-trust-roots", "namespace": "linkerd"},
        "data": {"ca-bundle.crt": roots}});
    let pods = [
        pod("cache-1", "cache", OLD_ROOT),
        pod("frontend-1", "frontend", NEW_ROOT),
    ];
    let mut all = pieces(
        "cluster-resources/configmaps/linkerd.json",
        &list("ConfigMap", &[config]).to_string(),
    );
    all.extend(pieces(
        "cluster-resources/pods/shop.json",
        &list("Pod", &pods).to_string(),
    ));
    all.extend(pieces("linkerd/identity/shop/cache-1.pem", OLD_CHAIN));
    all.extend(pieces("linkerd/identity/shop/frontend-1.pem", NEW_CHAIN));
    let demand = Demand::default();
    let context = Context {
        at: at(),
        ages_from: at(),
        manifest: None,
        demand: &demand,
        wanted: &crate::facts::Everything,
    };
    derive(all, context)
}

#[test]
fn pods_that_still_trust_the_old_root_are_told_from_those_that_do_not() {
    let facts = mesh(NEW_ROOT);
    let verdicts: Vec<_> = facts
        .table("chains")
        .iter()
        .map(|f| {
            (
                &f.fields["pod"],
                &f.fields["verdict"],
                &f.fields["own_verdict"],
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            (&json!("cache-1"), &json!("bad-signature"), &json!("ok")),
            (&json!("frontend-1"), &json!("ok"), &json!("ok"))
        ]
    );
    let roots: Vec<_> = facts
        .table("trust_roots")
        .iter()
        .map(|f| (&f.fields["differs"], &f.fields["trusts_issuer"]))
        .collect();
    assert_eq!(
        roots,
        [(&json!(true), &json!(false)), (&json!(false), &json!(true))]
    );
    let rotation = &facts.table("rotation")[0].fields;
    assert_eq!(rotation["state"], "pods-cut-off");
    assert_eq!(rotation["pods_without_issuer_root"], 1);
    let roles: Vec<_> = facts
        .table("certificates")
        .iter()
        .map(|f| f.fields["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        [
            "issuer",
            "issuer",
            "leaf",
            "leaf",
            "pod-trust-anchor",
            "trust-anchor"
        ]
    );
}

#[test]
fn an_issuer_replaced_before_every_pod_has_its_root_is_too_early() {
    let facts = mesh(&format!("{OLD_ROOT}{NEW_ROOT}"));
    assert_eq!(
        facts.table("rotation")[0].fields["state"],
        "issuer-replaced-too-early"
    );
    assert!(
        facts
            .table("chains")
            .iter()
            .all(|f| f.fields["verdict"] == "ok")
    );
}

#[test]
fn a_bundle_with_a_cut_certificate_and_a_duplicate_is_told() {
    let facts = mesh(&format!(
        "{NEW_ROOT}{NEW_ROOT}-----BEGIN CERTIFICATE-----\nMIIB"
    ));
    let problems: Vec<_> = facts
        .table("certificate_problems")
        .iter()
        .map(|f| f.fields["problem"].as_str().unwrap())
        .collect();
    assert_eq!(problems, ["unreadable", "duplicate"]);
}

#[test]
fn half_a_chain_is_a_gap_and_no_row() {
    let cut = &OLD_CHAIN[..200];
    let found = pieces("linkerd/identity/shop/cache-1.pem", cut);
    assert!(matches!(found.as_slice(), [crate::facts::Piece::Gap(_)]));
}

/// The facts of PEM files alone.
fn of_files(files: &[(&str, &str)]) -> Facts {
    let pieces = files.iter().flat_map(|(path, pem)| pieces(path, pem));
    let demand = Demand::default();
    let facts = derive(
        pieces.collect(),
        Context {
            at: AT.parse().unwrap(),
            ages_from: AT.parse().unwrap(),
            manifest: None,
            demand: &demand,
            wanted: &crate::facts::Everything,
        },
    );
    crate::facts::fields::tests::hold(&facts);
    facts
}

#[test]
fn files_alone_tell_what_their_certificates_are_for() {
    let roles = |facts: &Facts| {
        let rows = facts.table("certificates").iter();
        let role = |fact: &Fact| fact.fields["role"].as_str().unwrap().to_owned();
        rows.map(role).collect::<Vec<_>>()
    };
    let [leaf, issuer] = blocks_of(NEW_CHAIN);
    let whole = of_files(&[("chain.pem", &format!("{leaf}{issuer}{NEW_ROOT}"))]);
    let apart = of_files(&[("a.crt", &leaf), ("b.crt", &issuer), ("c.crt", NEW_ROOT)]);
    for facts in [&whole, &apart] {
        assert_eq!(roles(facts), ["issuer", "leaf", "trust-anchor"]);
        assert_eq!(facts.table("chains")[0].fields["verdict"], "ok");
        let row = &facts.table("issuers")[0].fields;
        assert_eq!((&row["verdict"], &row["leaves"]), (&json!("ok"), &json!(1)));
    }
    let told = format!("Certificate:\n    Data:\n{issuer}");
    assert_eq!(roles(&of_files(&[("issuer.crt", &told)])), ["issuer"]);
    let foreign = of_files(&[("issuer.crt", &issuer), ("ca.crt", OLD_ROOT)]);
    let row = &foreign.table("issuers")[0].fields;
    assert_eq!(
        (&row["verdict"], &row["source"]),
        (&json!("bad-signature"), &json!("file"))
    );
}

#[test]
fn a_key_in_a_file_is_told_and_nothing_of_it() {
    let label = ["EC PRIVATE", "KEY-----"].join(" ");
    let key = format!("-----BEGIN {label}\nc2VjcmV0\n-----END {label}\n");
    let facts = of_files(&[("issuer.key", &key)]);
    let row = &facts.table("certificate_problems")[0];
    assert_eq!(row.fields["problem"], "private-key");
    assert!(facts.gaps.is_empty());
    assert!(!format!("{facts:?}").contains("c2Vj"));
}

/// The blocks of a PEM text, each as a text.
fn blocks_of(pem: &str) -> [String; 2] {
    let blocks = pem.split_inclusive("-----END CERTIFICATE-----\n");
    let blocks: Vec<String> = blocks.map(str::to_owned).collect();
    blocks.try_into().unwrap()
}
