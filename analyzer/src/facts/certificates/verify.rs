//! Whether a chain holds against a set of trust anchors at a given time.
//!
//! Two sets of rules: that of the proxies (webpki), which look at nothing of an anchor but its
//! name and key, and that of Go, with which identity, the API server and `linkerd check` judge,
//! and for which an anchor must be valid itself.

use jiff::Timestamp;

use super::parse::Certificate;

/// By whose rules a chain is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    Webpki,
    Go,
}

/// How a verification ended. Later ones tell more of what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ok,
    UnknownIssuer(String),
    WrongUse(String),
    NameLimit(String),
    PathTooLong(String),
    NotCa(String),
    BadSignature(String),
    NotYetValid(String, Timestamp),
    Expired(String, Timestamp),
}

impl Verdict {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Expired(..) => "expired",
            Self::NotYetValid(..) => "not-yet-valid",
            Self::UnknownIssuer(_) => "unknown-issuer",
            Self::BadSignature(_) => "bad-signature",
            Self::NotCa(_) => "not-a-ca",
            Self::PathTooLong(_) => "path-too-long",
            Self::WrongUse(_) => "wrong-usage",
            Self::NameLimit(_) => "name-constraint",
        }
    }

    pub(super) fn reason(&self) -> String {
        match self {
            Self::Ok => "the chain holds".to_owned(),
            Self::Expired(name, at) => format!("`{name}` ended at {at}"),
            Self::NotYetValid(name, at) => format!("`{name}` is valid only from {at}"),
            Self::UnknownIssuer(issuer) => format!("no trust anchor is called `{issuer}`"),
            Self::BadSignature(issuer) => {
                format!("a trust anchor is called `{issuer}`, but its key did not sign this chain")
            }
            Self::NotCa(name) => format!("`{name}` signs others but is no CA"),
            Self::PathTooLong(name) => format!("`{name}` allows fewer certificates below it"),
            Self::WrongUse(name) => {
                format!("`{name}` is not meant for servers and clients of TLS")
            }
            Self::NameLimit(name) => format!("`{name}` does not allow the leaf's name"),
        }
    }
}

/// A chain that holds, or why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome<'a> {
    pub(super) verdict: Verdict,
    /// The anchor that the chain ends at, if it holds.
    pub(super) anchor: Option<&'a str>,
}

struct Path<'a> {
    /// What the server sent beside its leaf.
    pool: &'a [Certificate],
    anchors: &'a [Certificate],
    leaf: &'a Certificate,
    at: Timestamp,
    rules: Rules,
}

/// Longer paths are not followed.
const MAX_DEPTH: usize = 6;

/// Verifies a chain, leaf first.
pub(super) fn verify<'a>(
    chain: &'a [Certificate],
    anchors: &'a [Certificate],
    at: Timestamp,
    rules: Rules,
) -> Outcome<'a> {
    let Some((leaf, pool)) = chain.split_first() else {
        return Outcome {
            verdict: Verdict::UnknownIssuer(String::new()),
            anchor: None,
        };
    };
    let path = Path {
        pool,
        anchors,
        leaf,
        at,
        rules,
    };
    match path.leaf() {
        Ok(anchor) => Outcome {
            verdict: Verdict::Ok,
            anchor: Some(anchor),
        },
        Err(verdict) => Outcome {
            verdict,
            anchor: None,
        },
    }
}

impl<'a> Path<'a> {
    fn leaf(&self) -> Result<&'a str, Verdict> {
        self.is_in_time(self.leaf)?;
        self.is_for_tls(self.leaf)?;
        // Go accepts a leaf that is itself among the anchors; servers of webhooks often have
        // such a certificate.
        let own = self
            .anchors
            .iter()
            .find(|a| a.fingerprint == self.leaf.fingerprint);
        if let Some(own) = own.filter(|own| self.rules == Rules::Go || own.is_ca) {
            return Ok(&own.fingerprint);
        }
        self.above(self.leaf, 0)
    }

    /// Looks for what signed a certificate, up to an anchor.
    fn above(&self, child: &Certificate, depth: usize) -> Result<&'a str, Verdict> {
        if depth > MAX_DEPTH {
            return Err(Verdict::PathTooLong(child.name().to_owned()));
        }
        let mut worst = Verdict::UnknownIssuer(child.issuer.clone());
        let is_parent = |c: &&Certificate| c.subject_id == child.issuer_id;
        for anchor in self.anchors.iter().filter(is_parent) {
            match self.is_anchored(child, anchor, depth) {
                Ok(()) => return Ok(&anchor.fingerprint),
                Err(verdict) => worst = worst.max(verdict),
            }
        }
        let parents = self.pool.iter().filter(is_parent);
        for parent in parents.filter(|p| p.fingerprint != child.fingerprint) {
            let found = self.is_below(child, parent, depth);
            match found.and_then(|()| self.above(parent, depth + 1)) {
                Ok(anchor) => return Ok(anchor),
                Err(verdict) => worst = worst.max(verdict),
            }
        }
        Err(worst)
    }

    fn is_anchored(
        &self,
        child: &Certificate,
        anchor: &Certificate,
        depth: usize,
    ) -> Result<(), Verdict> {
        self.is_named_within(anchor)?;
        if self.rules == Rules::Webpki {
            if !anchor.is_ca {
                return Err(Verdict::UnknownIssuer(child.issuer.clone()));
            }
            return is_signed_by(child, anchor);
        }
        self.is_below(child, anchor, depth)
    }

    /// Whether one certificate may sign another, and did.
    fn is_below(
        &self,
        child: &Certificate,
        parent: &Certificate,
        depth: usize,
    ) -> Result<(), Verdict> {
        let name = || parent.name().to_owned();
        is_signed_by(child, parent)?;
        self.is_in_time(parent)?;
        let may_sign = parent.usages.is_empty() || parent.usages.iter().any(|u| u == "cert-sign");
        if !parent.is_ca || !may_sign {
            return Err(Verdict::NotCa(name()));
        }
        if parent.path_len.is_some_and(|max| (max as usize) < depth) {
            return Err(Verdict::PathTooLong(name()));
        }
        self.is_for_tls(parent)?;
        self.is_named_within(parent)
    }

    fn is_in_time(&self, certificate: &Certificate) -> Result<(), Verdict> {
        let name = certificate.name().to_owned();
        if self.at > certificate.not_after {
            return Err(Verdict::Expired(name, certificate.not_after));
        }
        if self.at < certificate.not_before {
            return Err(Verdict::NotYetValid(name, certificate.not_before));
        }
        Ok(())
    }

    /// A proxy presents its certificate as a server and as a client; a Go client asks for
    /// servers only.
    fn is_for_tls(&self, certificate: &Certificate) -> Result<(), Verdict> {
        let has = |purpose: &str| {
            let mut stated = certificate.purposes.iter();
            !certificate.has_purposes || stated.any(|p| p == "any" || p == purpose)
        };
        if has("server") && (self.rules == Rules::Go || has("client")) {
            Ok(())
        } else {
            Err(Verdict::WrongUse(certificate.name().to_owned()))
        }
    }

    fn is_named_within(&self, parent: &Certificate) -> Result<(), Verdict> {
        let is_within = |name: &String| {
            parent.permitted.iter().any(|domain| {
                let domain = domain.trim_start_matches('.');
                name == domain || name.strip_suffix(domain).is_some_and(|r| r.ends_with('.'))
            })
        };
        if parent.permitted.is_empty() || self.leaf.names.iter().all(is_within) {
            Ok(())
        } else {
            Err(Verdict::NameLimit(parent.name().to_owned()))
        }
    }
}

fn is_signed_by(certificate: &Certificate, parent: &Certificate) -> Result<(), Verdict> {
    let is_signed = if certificate.der.is_empty() {
        certificate.signed_by.contains(&parent.public_key)
    } else if parent.der.is_empty() {
        // The signature was seen to hold or not before the parent's names went, and is not known.
        certificate.issuer_id == parent.subject_id
    } else {
        bundle::is_signed_by(&certificate.der, &parent.der)
    };
    if is_signed {
        Ok(())
    } else {
        Err(Verdict::BadSignature(certificate.issuer.clone()))
    }
}
