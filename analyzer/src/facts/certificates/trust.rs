//! The tables `trust_roots`, `issuers` and `rotation`: who trusts what, who signs now, and how
//! far a change of trust anchors has come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::anchors::{Anchors, env_pem, ids, takes_config_map};
use super::parse::Certificate;
use super::rows::{fields, texts};
use super::verify::{Rules, Verdict, verify};
use crate::evidence::{Evidence, Subject};
use crate::facts::kube::{annotation, is_control_plane, is_meshed};
use crate::facts::metrics::issuer_ttl;
use crate::facts::row::{Row, seconds_between};
use crate::facts::{Fact, Object, Sources};

/// The issuers that proxies present, newest first, each with a chain that holds it and how many
/// leaves it signed.
struct Issuer<'a> {
    certificate: &'a Certificate,
    /// The issuer and what stands above it in the chain.
    chain: &'a [Certificate],
    entry: &'a str,
    leaves: usize,
}

fn presented<'a>(sources: &'a Sources<'_>) -> Vec<Issuer<'a>> {
    let mut found: BTreeMap<&str, Issuer<'a>> = BTreeMap::new();
    for chain in &sources.chains {
        let (above, leaves) = match chain.role {
            "leaf" => (chain.certificates.get(1..).unwrap_or_default(), 1),
            "issuer" => (chain.certificates.as_slice(), 0),
            _ => continue,
        };
        let Some(certificate) = above.first() else {
            continue;
        };
        let issuer = found.entry(&certificate.fingerprint).or_insert(Issuer {
            certificate,
            chain: above,
            entry: &chain.entry,
            leaves: 0,
        });
        issuer.leaves += leaves;
    }
    let mut issuers: Vec<Issuer<'a>> = found.into_values().collect();
    issuers.sort_by(|a, b| {
        let of = |i: &Issuer<'_>| (i.certificate.not_before, i.certificate.not_after);
        of(b).cmp(&of(a))
    });
    issuers
}

/// The newest issuer that proxies present, to ask who signed it.
pub(super) struct Signed<'a>(Option<Issuer<'a>>);

impl<'a> Signed<'a> {
    pub(super) fn of(sources: &'a Sources<'_>) -> Self {
        Self(presented(sources).into_iter().next())
    }

    /// Whether it ends at this trust anchor, whenever that ends itself.
    pub(super) fn is_by(&self, role: &str, anchor: &Certificate) -> Option<bool> {
        let issuer = self.0.as_ref().filter(|_| role == "trust-anchor")?;
        let at = issuer.certificate.not_before.max(anchor.not_before);
        let found = verify(issuer.chain, std::slice::from_ref(anchor), at, Rules::Go);
        Some(found.verdict == Verdict::Ok)
    }
}

/// Table `issuers`: the certificate that identity signs with now. At most one row: what identity
/// itself tells, and the newest issuer that a proxy presents.
pub(super) fn issuers(sources: &Sources<'_>, anchors: &Anchors<'_>) -> Vec<Fact> {
    let presented = presented(sources);
    let told = issuer_ttl(sources);
    // After a change that not every proxy has followed, the newest may not be identity's own.
    let of_identity = |issuer: &&Issuer<'_>| {
        told.as_ref().is_none_or(|(ttl, _, _)| {
            let left = seconds_between(sources.at(), issuer.certificate.not_after);
            (left - ttl).abs() < 900.0
        })
    };
    let newest = presented.iter().find(of_identity);
    let mut row = Row::new();
    let (mut subjects, mut evidence) = (Vec::new(), Vec::new());
    if let Some(issuer) = newest {
        let at = sources.at();
        let by_go = verify(issuer.chain, &anchors.cluster, at, Rules::Go);
        row = fields(row, issuer.certificate, at)
            .set("key", issuer.certificate.key())
            .set("is_ca", issuer.certificate.is_ca)
            .set("leaves", issuer.leaves)
            .set("others_in_use", presented.len() - 1);
        if !anchors.cluster.is_empty() {
            row = row
                .set("verdict", by_go.verdict.name())
                .set("reason", by_go.verdict.reason());
        }
        subjects.push(Subject::cluster("Certificate", issuer.certificate.name()));
        evidence.push(Evidence::of_entry(
            issuer.entry,
            issuer.certificate.in_words(),
        ));
    }
    if let Some((ttl, subject, place)) = told {
        row = row
            .set("remaining_s", ttl)
            .set("days_left", ttl / 86_400.0)
            .set("expired", ttl <= 0.0)
            .set("source", "metrics");
        subjects.insert(0, subject);
        evidence.insert(0, place);
    } else {
        let is_presented = newest.is_some_and(|issuer| issuer.leaves > 0);
        let source = if is_presented { "handshake" } else { "file" };
        row = row.set("source", source);
    }
    if subjects.is_empty() {
        return Vec::new();
    }
    vec![Fact {
        subjects,
        evidence,
        fields: row.build(),
        kept: None,
    }]
}

/// Table `trust_roots`: for each meshed pod whether its proxy trusts what the cluster says now.
pub(super) fn trust_roots(sources: &Sources<'_>, anchors: &Anchors<'_>) -> Vec<Fact> {
    let current = ids(&anchors.cluster);
    let hashes = current_hashes(anchors.cluster_pem);
    let presented = presented(sources);
    let issuer = presented.first();
    let judged = Mutex::new(BTreeMap::new());
    let trusts = |issuer: &Issuer<'_>, own: &[Certificate], ids: &BTreeSet<&str>| {
        let key: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut judged = judged.lock().unwrap_or_else(PoisonError::into_inner);
        *judged.entry(key).or_insert_with(|| {
            let outcome = verify(issuer.chain, own, sources.at(), Rules::Webpki);
            !is_foreign(&outcome.verdict)
        })
    };
    sources.rows("trust_roots", sources.kind("Pod"), |pod| {
        if !is_meshed(&pod.value) {
            return None;
        }
        let told = annotation(&pod.value, "linkerd.io/trust-root-sha256");
        let own = anchors.of_pod(pod).unwrap_or_default();
        let own_ids = ids(own);
        // On pods of the control plane, the hash is of a Helm value that may be empty.
        let is_hash_of_roots = !told.is_empty() && !is_control_plane(&pod.value);
        let differs = if !own_ids.is_empty() && !current.is_empty() {
            own_ids != current
        } else {
            is_hash_of_roots && !hashes.is_empty() && !hashes.iter().any(|h| h == told)
        };
        let issuer = issuer.filter(|_| !own.is_empty());
        let row = trust_root(pod, &own_ids, &current)
            .set("differs", differs)
            .set("known", !own.is_empty() || is_hash_of_roots)
            .opt(
                "trusts_issuer",
                issuer.map(|issuer| trusts(issuer, own, &own_ids)),
            )
            .text("sha256", told)
            .set("from_config_map", takes_config_map(pod));
        Some(trust_root_fact(pod, row))
    })
}

fn trust_root(pod: &Object, own: &BTreeSet<&str>, current: &BTreeSet<&str>) -> Row {
    Row::new()
        .set("namespace", pod.namespace.as_str())
        .set("pod", pod.name.as_str())
        .set("is_control_plane", is_control_plane(&pod.value))
        .set("anchors", own.len())
        .set("shares_one", own.intersection(current).next().is_some())
        .set("lacks", current.difference(own).count())
        .set("has_more", own.difference(current).count())
}

fn trust_root_fact(pod: &Object, row: Row) -> Fact {
    let fields = row.build();
    let differs = fields.get("differs") == Some(&true.into());
    let word = if differs {
        "another set of trust anchors than"
    } else {
        "the trust anchors of"
    };
    let excerpt = format!(
        "Pod {}/{}: its proxy has {word} the cluster's ConfigMap",
        pod.namespace, pod.name
    );
    Fact {
        subjects: vec![pod.subject()],
        evidence: vec![pod.evidence(&excerpt)],
        fields,
        kept: None,
    }
}

/// The hashes that the injector or Helm would write for the cluster's trust anchors: they differ
/// in whether the text ends with a newline.
fn current_hashes(pem: &str) -> Vec<String> {
    if pem.trim().is_empty() {
        return Vec::new();
    }
    let bare = pem.trim();
    let texts = [pem.to_owned(), bare.to_owned(), format!("{bare}\n")];
    let hash = |text: &String| bundle::sha256_hex(text.as_bytes());
    texts.iter().map(hash).collect()
}

/// What decides how far a change of trust anchors has come.
#[derive(Default)]
struct Rotation {
    pods: usize,
    /// Pods whose set does not reach the issuer's root.
    without_root: usize,
    /// Pods that lack one of the cluster's anchors.
    lacking: usize,
    /// Pods that have an anchor which the cluster no longer has.
    with_more: usize,
    /// Leaves that another root signed than the issuer's.
    old_leaves: usize,
}

/// Table `rotation`: one row if the cluster's trust anchors are known.
pub(super) fn rotation(sources: &Sources<'_>, anchors: &Anchors<'_>) -> Vec<Fact> {
    let Some(source) = anchors.source.filter(|_| !anchors.cluster.is_empty()) else {
        return Vec::new();
    };
    let presented = presented(sources);
    let root = presented.first().map(|issuer| {
        let by_cluster = verify(issuer.chain, &anchors.cluster, sources.at(), Rules::Webpki);
        (issuer, by_cluster)
    });
    let counts = count(sources, anchors, &presented);
    let many = anchors.cluster.len() > 1;
    let state = match &root {
        None if counts.lacking > 0 => "unknown-issuer-pods-differ",
        None => "unknown-issuer",
        Some((_, outcome)) if is_foreign(&outcome.verdict) => "issuer-not-trusted",
        Some(_) if counts.without_root > 0 && many => "issuer-replaced-too-early",
        Some(_) if counts.without_root > 0 => "pods-cut-off",
        Some(_) if counts.lacking > 0 => "bundle-rolling-out",
        Some(_) if many && counts.old_leaves > 0 => "issuer-replaced",
        Some(_) if many => "two-anchors",
        Some(_) if counts.with_more > 0 => "finishing",
        Some(_) => "normal",
    };
    let row = Row::new()
        .set("state", state)
        .set(
            "is_broken",
            matches!(
                state,
                "issuer-not-trusted" | "issuer-replaced-too-early" | "pods-cut-off"
            ),
        )
        .set("anchors", anchors.cluster.len())
        .set(
            "anchor_names",
            texts(anchors.cluster.iter().map(Certificate::name)),
        )
        .opt(
            "issuer",
            root.as_ref().map(|(i, _)| i.certificate.name().to_owned()),
        )
        .set("issuers_in_use", presented.len())
        .set("pods", counts.pods)
        .set("pods_without_issuer_root", counts.without_root)
        .set("pods_lacking_an_anchor", counts.lacking)
        .set("pods_with_old_anchors", counts.with_more)
        .set("leaves_of_other_roots", counts.old_leaves);
    let excerpt = format!(
        "{} trust anchors; of {} meshed pods {} lack one, {} do not trust the issuer",
        anchors.cluster.len(),
        counts.pods,
        counts.lacking,
        counts.without_root
    );
    vec![Fact {
        subjects: vec![source.subject()],
        evidence: vec![source.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }]
}

fn is_foreign(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::UnknownIssuer(_) | Verdict::BadSignature(_)
    )
}

fn count(sources: &Sources<'_>, anchors: &Anchors<'_>, presented: &[Issuer<'_>]) -> Rotation {
    let current = ids(&anchors.cluster);
    let mut counts = Rotation::default();
    let mut sets: BTreeMap<&str, (usize, &[Certificate])> = BTreeMap::new();
    for pod in sources.kind("Pod").iter().filter(|p| is_meshed(&p.value)) {
        counts.pods += 1;
        if let Some(set) = anchors.of_pod(pod) {
            sets.entry(env_pem(pod)).or_insert((0, set)).0 += 1;
        }
    }
    for (number, set) in sets.into_values() {
        let own = ids(set);
        counts.lacking += if current.is_subset(&own) { 0 } else { number };
        counts.with_more += if own.is_subset(&current) { 0 } else { number };
        let is_cut_off = presented.first().is_some_and(|issuer| {
            is_foreign(&verify(issuer.chain, set, sources.at(), Rules::Webpki).verdict)
        });
        counts.without_root += if is_cut_off { number } else { 0 };
    }
    let root_of = |issuer: &Issuer<'_>| {
        let outcome = verify(issuer.chain, &anchors.cluster, sources.at(), Rules::Webpki);
        outcome.anchor.map(str::to_owned)
    };
    let newest = presented.first().and_then(root_of);
    let others = presented.iter().filter(|issuer| root_of(issuer) != newest);
    counts.old_leaves = others.map(|issuer| issuer.leaves).sum();
    counts
}
