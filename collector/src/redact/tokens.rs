//! Tokens that are told by their own shape: a prefix, an alphabet and a length.

use std::ops::Range;

use super::marks;

/// Characters that a token's body is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Hex,
    Capital,
    Word,
    Url,
    Base64,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Capital => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Url => byte.is_ascii_alphanumeric() || b"_-.".contains(&byte),
            Self::Base64 => byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte),
        }
    }

    /// Characters that may follow a prefix, without regard to case.
    pub(super) fn folded(self) -> impl Iterator<Item = u8> {
        let has = move |b: &u8| self.has(*b) || self.has(b.to_ascii_uppercase());
        (b' '..=b'~').filter(move |b| !b.is_ascii_uppercase() && has(b))
    }
}

/// The shape of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) kind: &'static str,
    pub(super) prefix: &'static str,
    pub(super) body: Alphabet,
    /// Characters of the body at least.
    pub(super) least: usize,
}

const fn shape(kind: &'static str, prefix: &'static str, body: Alphabet, least: usize) -> Shape {
    Shape {
        kind,
        prefix,
        body,
        least,
    }
}

use Alphabet::{Base64, Capital, Hex, Url, Word};

/// The shapes that are known. Prefixes have two bytes or more.
pub(super) const SHAPES: &[Shape] = &[
    shape("aws-key", "AKIA", Capital, 12),
    shape("aws-key", "ASIA", Capital, 12),
    shape("aws-key", "ABIA", Capital, 12),
    shape("aws-key", "ACCA", Capital, 12),
    shape("aws-key", "ABSK", Base64, 80),
    shape("aws-key", "bedrock-api-key-", Base64, 30),
    shape("aws-session-token", "IQoJb3JpZ2lu", Base64, 40),
    shape("aws-session-token", "FwoGZXIvYXdz", Base64, 40),
    shape("aws-session-token", "FQoGZXIvYXdz", Base64, 40),
    shape("google-key", "AIza", Url, 30),
    shape("google-token", "ya29.", Url, 20),
    shape("google-token", "1//0", Url, 30),
    shape("google-secret", "GOCSPX-", Url, 20),
    shape("github-token", "ghp_", Word, 30),
    shape("github-token", "gho_", Word, 30),
    shape("github-token", "ghu_", Word, 30),
    shape("github-token", "ghs_", Word, 30),
    shape("github-token", "ghr_", Word, 30),
    shape("github-token", "github_pat_", Word, 22),
    shape("gitlab-token", "glpat-", Url, 18),
    shape("gitlab-token", "gldt-", Url, 18),
    shape("gitlab-token", "glrt-", Url, 18),
    shape("gitlab-token", "glrtr-", Url, 18),
    shape("gitlab-token", "glcbt-", Url, 16),
    shape("gitlab-token", "glptt-", Url, 18),
    shape("gitlab-token", "glft-", Url, 18),
    shape("gitlab-token", "glsoat-", Url, 18),
    shape("gitlab-token", "glimt-", Url, 18),
    shape("gitlab-token", "glagent-", Url, 18),
    shape("gitlab-token", "glffct-", Url, 18),
    shape("gitlab-token", "gloas-", Url, 18),
    shape("gitlab-token", "GR1348941", Url, 18),
    shape("slack-token", "xoxa-", Url, 10),
    shape("slack-token", "xoxb-", Url, 10),
    shape("slack-token", "xoxc-", Url, 10),
    shape("slack-token", "xoxd-", Url, 10),
    shape("slack-token", "xoxe-", Url, 10),
    shape("slack-token", "xoxe.xox", Url, 10),
    shape("slack-token", "xoxo-", Url, 10),
    shape("slack-token", "xoxp-", Url, 10),
    shape("slack-token", "xoxr-", Url, 10),
    shape("slack-token", "xoxs-", Url, 10),
    shape("slack-token", "xapp-", Url, 10),
    shape("stripe-key", "sk_live_", Word, 16),
    shape("stripe-key", "sk_test_", Word, 16),
    shape("stripe-key", "rk_live_", Word, 16),
    shape("stripe-key", "rk_test_", Word, 16),
    shape("stripe-key", "whsec_", Base64, 16),
    shape("sendgrid-key", "SG.", Url, 40),
    shape("mailgun-key", "key-", Hex, 32),
    shape("twilio-key", "SK", Hex, 32),
    shape("npm-token", "npm_", Word, 30),
    shape("pypi-token", "pypi-", Url, 30),
    shape("docker-token", "dckr_pat_", Url, 20),
    shape("docker-token", "dckr_oat_", Url, 20),
    shape("vault-token", "hvs.", Url, 20),
    shape("vault-token", "hvb.", Url, 20),
    shape("vault-token", "hvr.", Url, 20),
    shape("digitalocean-token", "dop_v1_", Word, 30),
    shape("digitalocean-token", "doo_v1_", Word, 30),
    shape("digitalocean-token", "dor_v1_", Word, 30),
    shape("huggingface-token", "hf_", Word, 30),
    shape("huggingface-token", "api_org_", Word, 30),
    shape("ai-key", "sk-", Url, 20),
    shape("ai-key", "gsk_", Word, 30),
    shape("ai-key", "xai-", Url, 40),
    shape("ai-key", "pplx-", Word, 30),
    shape("ai-key", "r8_", Word, 30),
    shape("ai-key", "nvapi-", Url, 40),
    shape("shop-token", "shpat_", Word, 30),
    shape("shop-token", "shpss_", Word, 30),
    shape("shop-token", "shpca_", Word, 30),
    shape("shop-token", "shppa_", Word, 30),
    shape("square-token", "sq0atp-", Url, 20),
    shape("square-token", "sq0csp-", Url, 20),
    shape("databricks-token", "dapi", Hex, 32),
    shape("grafana-token", "glsa_", Word, 30),
    shape("grafana-token", "glc_", Base64, 30),
    shape("newrelic-key", "NRAK-", Capital, 20),
    shape("newrelic-key", "NRII-", Url, 20),
    shape("sentry-token", "sntrys_", Base64, 30),
    shape("sentry-token", "sntryu_", Hex, 30),
    shape("atlassian-token", "ATATT3", Base64, 40),
    shape("atlassian-token", "ATCTT3", Base64, 40),
    shape("atlassian-token", "ATBB", Word, 24),
    shape("linear-key", "lin_api_", Word, 30),
    shape("notion-token", "ntn_", Word, 40),
    shape("postman-key", "PMAK-", Url, 30),
    shape("figma-token", "figd_", Url, 30),
    shape("doppler-token", "dp.pt.", Url, 30),
    shape("doppler-token", "dp.st.", Url, 30),
    shape("pulumi-token", "pul-", Hex, 40),
    shape("heroku-key", "HRKU-", Url, 30),
    shape("netlify-token", "nfp_", Word, 30),
    shape("supabase-token", "sbp_", Hex, 30),
    shape("planetscale-token", "pscale_tkn_", Url, 30),
    shape("planetscale-token", "pscale_pw_", Url, 30),
    shape("rubygems-key", "rubygems_", Hex, 30),
    shape("circleci-token", "CCIPAT_", Word, 20),
    shape("buildkite-token", "bkua_", Word, 30),
    shape("tailscale-key", "tskey-", Url, 16),
    shape("fly-token", "FlyV1 fm", Base64, 30),
    shape("fly-token", "fo1_", Url, 30),
    shape("artifactory-key", "AKCp", Word, 60),
    shape("age-key", "AGE-SECRET-KEY-", Capital, 40),
    shape("typeform-token", "tfp_", Url, 30),
    shape("age-key", "AGE-PLUGIN-", Url, 40),
    shape("minisign-key", "RWRTY0Iy", Base64, 60),
    shape("artifactory-key", "cmVmdGtu", Word, 40),
    shape("honeycomb-key", "hcaik_", Word, 30),
    shape("dynatrace-token", "dt0c01.", Url, 60),
    shape("dynatrace-token", "dt0s01.", Url, 60),
    shape("1password-token", "ops_eyJ", Base64, 60),
    shape("sonar-token", "squ_", Hex, 40),
    shape("sonar-token", "sqp_", Hex, 40),
    shape("sonar-token", "sqa_", Hex, 40),
    shape("posthog-key", "phx_", Word, 30),
    shape("readme-key", "rdme_", Word, 40),
    shape("prefect-key", "pnu_", Word, 30),
    shape("prefect-key", "pnb_", Word, 30),
    shape("sourcegraph-token", "sgp_", Word, 40),
    shape("hubspot-token", "pat-na1-", Url, 30),
    shape("hubspot-token", "pat-eu1-", Url, 30),
    shape("crates-token", "cio", Word, 32),
    shape("nuget-key", "oy2", Word, 43),
    shape("encoded-secret", "H4sIAAAA", Base64, 16),
    shape("facebook-token", "EAAC", Word, 60),
    shape("alibaba-key", "LTAI", Word, 16),
    shape("authress-key", "sc_", Url, 50),
    shape("authress-key", "scauth_", Url, 40),
    shape("clojars-token", "CLOJARS_", Word, 50),
    shape("clickup-token", "pk_", Word, 34),
    shape("contentful-token", "CFPAT-", Url, 40),
    shape("defined-key", "dnkey-", Url, 40),
    shape("dropbox-token", "sl.", Url, 100),
    shape("duffel-token", "duffel_live_", Url, 30),
    shape("duffel-token", "duffel_test_", Url, 30),
    shape("easypost-key", "EZAK", Word, 50),
    shape("easypost-key", "EZTK", Word, 50),
    shape("facebook-token", "EAAM", Word, 60),
    shape("flutterwave-key", "FLWSECK", Url, 12),
    shape("frameio-token", "fio-u-", Url, 50),
    shape("grafana-token", "eyJrIjoi", Base64, 40),
    shape("harness-key", "pat.", Url, 60),
    shape("intra42-secret", "s-s4t2ud-", Hex, 60),
    shape("intra42-secret", "u-s4t2ud-", Hex, 60),
    shape("lob-key", "live_", Hex, 35),
    shape("lob-key", "test_", Hex, 35),
    shape("newrelic-key", "NRJS-", Hex, 19),
    shape("octopus-key", "API-", Capital, 25),
    shape("openshift-token", "sha256~", Url, 40),
    shape("plaid-token", "access-production-", Url, 36),
    shape("plaid-token", "access-development-", Url, 36),
    shape("plaid-token", "access-sandbox-", Url, 36),
    shape("planetscale-token", "pscale_oauth_", Url, 30),
    shape("scalingo-token", "tk-us-", Url, 40),
    shape("brevo-key", "xkeysib-", Url, 60),
    shape("brevo-key", "xsmtpsib-", Url, 60),
    shape("settlemint-token", "sm_pat_", Word, 16),
    shape("settlemint-token", "sm_aat_", Word, 16),
    shape("settlemint-token", "sm_sat_", Word, 16),
    shape("shippo-token", "shippo_live_", Hex, 40),
    shape("shippo-token", "shippo_test_", Hex, 40),
    shape("sourcegraph-token", "slk_", Hex, 60),
    shape("square-token", "EAAAE", Url, 50),
    shape("square-token", "EAAAF", Url, 50),
    shape("square-token", "EAAAl", Url, 50),
    shape("yandex-token", "t1.9eue", Url, 60),
    shape("yandex-key", "AQVN", Url, 34),
    shape("runpod-key", "rpa_", Capital, 40),
    shape("langsmith-key", "lsv2_pt_", Word, 32),
    shape("langsmith-key", "lsv2_sk_", Word, 32),
    shape("supabase-token", "sb_secret_", Url, 25),
    shape("mailersend-token", "mlsn.", Hex, 60),
    shape("nats-seed", "SUA", Capital, 55),
    shape("nats-seed", "SAA", Capital, 55),
    shape("nats-seed", "SOA", Capital, 55),
    shape("nats-seed", "SNA", Capital, 55),
    shape("nats-seed", "SCA", Capital, 55),
    shape("razorpay-key", "rzp_live_", Word, 14),
    shape("razorpay-key", "rzp_test_", Word, 14),
    shape("linear-key", "lin_oauth_", Hex, 60),
    shape("ubidots-token", "BBFF-", Word, 30),
    shape("render-key", "rnd_", Word, 28),
    shape("ramp-secret", "ramp_sec_", Word, 30),
    shape("stytch-secret", "secret-live-", Url, 30),
    shape("stytch-secret", "secret-test-", Url, 30),
    shape("unkey-token", "unkey_", Word, 20),
    shape("zoho-token", "1000.", Url, 65),
    shape("ai-key", "fw_", Word, 22),
    shape("ai-key", "e2b_", Hex, 40),
    shape("ai-key", "jina_", Url, 40),
    shape("ai-key", "csk-", Word, 40),
    shape("ai-key", "sk_", Url, 32),
    shape("amazon-token", "amzn.mws.", Url, 36),
    shape("amazon-token", "amzn1.oa2-cs.v1.", Hex, 60),
    shape("ssh-key", "b3BlbnNzaC1rZXktdjE", Base64, 20),
];

/// The token of this shape that begins at `at`.
pub(super) fn at(shape: &Shape, text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?.strip_prefix(shape.prefix.as_bytes())?;
    if marks::is_joined(text, at) {
        return None;
    }
    let len = rest.iter().take_while(|b| shape.body.has(**b)).count();
    let body = rest.get(..len)?;
    // A sentence's full stop is not the token's.
    let body = body.trim_ascii_end();
    let trimmed = body.iter().rev().take_while(|b| **b == b'.').count();
    let body = body.get(..body.len() - trimmed)?;
    let start = at + shape.prefix.len();
    (body.len() >= shape.least && is_drawn(shape, body)).then(|| at..start + body.len())
}

/// Bodies of names such as `sk-learn-something-else` are words; those of tokens have digits, or
/// letters of both cases.
fn is_drawn(shape: &Shape, body: &[u8]) -> bool {
    let has = |of: fn(&u8) -> bool| body.iter().any(of);
    let (digit, small, capital) = (
        has(u8::is_ascii_digit),
        has(u8::is_ascii_lowercase),
        has(u8::is_ascii_uppercase),
    );
    let is_mixed = digit || (small && capital);
    let is_long = |run: &[u8]| run.len() >= 12;
    match shape.body {
        Alphabet::Url | Alphabet::Word if shape.prefix.len() < 4 => {
            is_mixed && (body.split(|b| b"-._".contains(b)).any(is_long) || (small && capital))
        }
        Alphabet::Url | Alphabet::Word if shape.prefix.len() < 6 => is_mixed,
        _ => true,
    }
}

/// Beginnings of a JSON object's base64, which a JWT begins with: `{"`, `{ "`, `{` and a line break.
pub(super) const JSON_BEGINNINGS: &[&str] = &["eyJ", "eyAi", "ewog", "ewoJ", "ew0K"];

/// The JWT or JWE whose header begins at `at`.
pub(super) fn jwt(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let is_header = JSON_BEGINNINGS
        .iter()
        .any(|b| rest.starts_with(b.as_bytes()));
    let in_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'=');
    let is_joined = matches!(before(text, at), Some(b'_' | b'-')) || marks::is_joined(text, at);
    if !is_header || is_joined {
        return None;
    }
    let (mut end, mut parts, mut chars) = (0, 0, 0);
    loop {
        let part = rest.get(end..)?.iter().take_while(|b| in_part(b)).count();
        // A JWE without a wrapped key has an empty second part.
        if parts == 0 && part < 10 {
            return None;
        }
        end += part;
        chars += if parts == 0 { 0 } else { part };
        parts += 1;
        if parts == 5 || rest.get(end) != Some(&b'.') {
            break;
        }
        end += 1;
    }
    // What follows a sentence's full stop is no part; an unsigned token ends with one.
    let token = rest.get(..end)?;
    let stops = token.iter().rev().take_while(|b| **b == b'.').count();
    let stops = stops.saturating_sub(usize::from(parts == 3));
    (parts >= 2 && chars >= 6).then(|| at..at + end - stops)
}

/// The byte before `at`.
pub(super) fn before(text: &[u8], at: usize) -> Option<u8> {
    text.get(at.checked_sub(1)?).copied()
}
