//! A corpus of planted secrets: every kind in every position, with evidence around it that must
//! come out as it went in. Values are drawn at random; the prefixes here are no secrets.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use linkerd_collect::redact::{Counts, TextRedactor, object};
use serde_json::json;

/// Kinds: a name and a text with `{alphabet length}` for what is drawn at random. What stands
/// between `<<` and `>>` must not be seen afterwards; without them, no drawn part must.
const KINDS: &[(&str, &str)] = &[
    (
        "rsa private key",
        "-----BEGIN RSA PRIVATE KEY-----\n{b64}\n{b64}\n{b20}==\n-----END RSA PRIVATE KEY-----",
    ),
    (
        "pkcs8 private key",
        "-----BEGIN PRIVATE KEY-----\n{b64}\n{b64}\n{b20}==\n-----END PRIVATE KEY-----",
    ),
    (
        "encrypted private key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{b64}\n{b64}\n-----END ENCRYPTED PRIVATE KEY-----",
    ),
    (
        "legacy encrypted key",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{c32}\n\n{b64}\n{b30}=\n-----END EC PRIVATE KEY-----",
    ),
    (
        "openssh private key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{b70}\n{b70}\n{b30}\n-----END OPENSSH PRIVATE KEY-----",
    ),
    (
        "pgp private key",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{b64}\n{b64}\n={b4}\n-----END PGP PRIVATE KEY BLOCK-----",
    ),
    (
        "dsa private key",
        "-----BEGIN DSA PRIVATE KEY-----\n{b64}\n{b64}\n-----END DSA PRIVATE KEY-----",
    ),
    ("jwt", "eyJhbGciOiJSUzI1NiJ9.eyJ{u60}.{u86}"),
    ("unsigned jwt", "eyJhbGciOiJub25lIn0.eyJ{u60}."),
    ("jwe", "eyJhbGciOiJkaXIifQ..{u16}.{u40}.{u22}"),
    ("bearer header", "Authorization: Bearer {u40}"),
    ("bearer logfmt", "authorization=\"Bearer {w24}\""),
    ("bearer alone", "sending bearer {w24}"),
    ("basic header", "Authorization: Basic dXNlcjpw{b24}"),
    ("proxy authorization", "Proxy-Authorization: Basic {b24}"),
    (
        "digest header",
        "Authorization: Digest username=\"bob\", response=\"{h32}\"",
    ),
    ("opaque authorization", "authorization: {w32}"),
    (
        "go header map",
        "map[Accept:[*/*] Authorization:[Bearer {w30}] Host:[web]]",
    ),
    (
        "rust header map",
        "headers={\"authorization\": \"Bearer {w30}\", \"host\": \"web\"}",
    ),
    ("header pair", "[\"authorization\",\"Bearer {w30}\"]"),
    ("cookie", "Cookie: session={w32}; theme={w12}"),
    ("set-cookie", "Set-Cookie: sid={w32}; Path=/; HttpOnly"),
    ("cookie in json", "{\"cookie\":\"sid={w32}\"}"),
    ("api key header", "X-Api-Key: {w32}"),
    ("gitlab header", "PRIVATE-TOKEN: {w20}"),
    ("aws access key", "AKIA{c16}"),
    ("aws secret key", "aws_secret_access_key = {b40}"),
    ("aws pair", "using AKIA{c16} / {b38}7x"),
    ("aws session", "AWS_SESSION_TOKEN=IQoJb3JpZ2luX2Vj{b200}"),
    (
        "aws presigned",
        "https://b.s3.amazonaws.com/k?X-Amz-Date=20261123&X-Amz-Signature={h64}",
    ),
    ("gcp api key", "AIza{u35}"),
    ("gcp oauth", "ya29.{u60}"),
    (
        "gcp service account",
        "{\"type\":\"service_account\",\"private_key\":\"-----BEGIN PRIVATE KEY-----\\n{b64}\\n{b64}\\n-----END PRIVATE KEY-----\\n\"}",
    ),
    ("gcp client secret", "GOCSPX-{u28}"),
    (
        "azure storage",
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={b86}==;EndpointSuffix=core.windows.net",
    ),
    (
        "azure sas",
        "https://shop.blob.core.windows.net/c?sv=2022-11-02&sp=r&sig={b40}%3D",
    ),
    (
        "azure service bus",
        "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey={b43}=",
    ),
    ("azure client secret", "{w3}8Q~{w34}"),
    ("github classic", "ghp_{w36}"),
    ("github oauth", "gho_{w36}"),
    ("github app", "ghs_{w36}"),
    ("github refresh", "ghr_{w36}"),
    ("github fine-grained", "github_pat_{w22}_{w59}"),
    ("gitlab pat", "glpat-{w20}"),
    ("gitlab runner", "glrt-{w20}"),
    ("slack bot", "xoxb-{d12}-{d12}-{w24}"),
    ("slack app", "xapp-1-{c11}-{d13}-{h64}"),
    (
        "slack webhook",
        "https://hooks.slack.com/services/T{c8}/B{c10}/{w24}",
    ),
    (
        "discord webhook",
        "https://discord.com/api/webhooks/{d18}/{w60}",
    ),
    ("telegram bot", "{d10}:AA{w33}"),
    ("stripe", "sk_live_{w24}"),
    ("stripe restricted", "rk_live_{w24}"),
    ("sendgrid", "SG.{w22}.{w43}"),
    ("twilio", "SK{h32}"),
    ("mailgun", "key-{h32}"),
    ("mailchimp", "{h32}-us14"),
    ("npm", "npm_{w36}"),
    ("pypi", "pypi-AgEIcHlwaS5vcmc{u80}"),
    ("docker hub", "dckr_pat_{w27}"),
    ("vault", "hvs.{u90}"),
    ("vault batch", "hvb.{u90}"),
    ("digitalocean", "dop_v1_{h64}"),
    ("hugging face", "hf_{w34}"),
    ("openai", "sk-{w48}"),
    ("openai project", "sk-proj-{w48}"),
    ("anthropic", "sk-ant-api03-{u93}"),
    ("shopify", "shpat_{h32}"),
    ("databricks", "dapi{h32}"),
    ("grafana", "glsa_{w32}_{h8}"),
    ("atlassian", "ATATT3{u180}"),
    ("tailscale", "tskey-auth-{w17}-{w32}"),
    ("terraform cloud", "{w14}.atlasv1.{w67}"),
    ("age key", "AGE-SECRET-KEY-1{c58}"),
    (
        "postgres url",
        "postgres://shop:<<{w16}>>@db.shop:5432/orders",
    ),
    ("redis url", "redis://:<<{w20}>>@redis:6379/0"),
    (
        "mongodb url",
        "mongodb+srv://app:<<{w16}>>@cluster0.example.net/db",
    ),
    ("amqp url", "amqp://guest:<<{w16}>>@rabbit:5672/"),
    ("url with odd password", "mysql://root:<<p@{w8}#{w4}>>@db/x"),
    ("http url", "https://bob:<<{w12}>>@registry.example.com/v2/"),
    ("git url with token", "https://{w40}@git.example.com/x.git"),
    (
        "jdbc query",
        "jdbc:mysql://db/x?user=root&password=<<{w16}>>",
    ),
    (
        "jdbc sqlserver",
        "jdbc:sqlserver://db:1433;user=sa;password=<<{w16}>>;encrypt=true",
    ),
    (
        "jdbc oracle",
        "jdbc:oracle:thin:scott/<<{w12}>>@//db:1521/x",
    ),
    (
        "ado string",
        "Server=db;User Id=sa;Password=<<{w12}!x>>;Encrypt=true",
    ),
    ("go mysql dsn", "root:<<{w14}>>@tcp(db:3306)/shop"),
    (
        "libpq string",
        "host=db user=shop password=<<{w14}>> dbname=x",
    ),
    (
        "docker config",
        "{\"auths\":{\"r.example.com\":{\"auth\":\"dXNlcjpw{b28}\"}}}",
    ),
    (
        "kubeconfig key",
        "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ{b60}",
    ),
    ("kubeconfig token", "    token: {u40}"),
    ("kubeconfig password", "    password: {w12}"),
    ("helm release", "release: H4sIAAAAAAAC{b120}"),
    (
        "json password",
        "{\"user\":\"bob\",\"password\":\"<<{w12} {w4}>>\"}",
    ),
    (
        "json in json",
        "{\"body\":\"{\\\"password\\\":\\\"<<{w12}>>\\\"}\"}",
    ),
    ("python dict", "{'secret_key': '<<{w20}>>'}"),
    ("go struct", "{User:bob Password:<<{w12}>> Port:5432}"),
    (
        "rust struct",
        "Config { user: \"bob\", password: Some(\"<<{w12}>>\") }",
    ),
    ("ruby hash", ":password=>\"<<{w12}>>\""),
    ("xml", "<password><<{w12}>></password>"),
    ("env dump", "DB_PASSWORD=<<{w12}>>"),
    (
        "env pair in json",
        "{\"name\":\"DB_PASSWORD\",\"value\":\"<<{w12}>>\"}",
    ),
    (
        "env pair in go",
        "EnvVar{Name:API_TOKEN,Value:<<{w16}>>,ValueFrom:nil,}",
    ),
    ("flag", "serve --db-password <<{w12}>> --port 80"),
    ("flag with equals", "serve --token=<<{w20}>>"),
    ("mysql flag", "mysql -uroot -p<<{w12}>> -h db"),
    ("curl user", "curl -s -u bob:<<{w12}>> https://api"),
    ("query token", "GET /v1/x?token=<<{w24}>>&page=2"),
    (
        "query access token",
        "GET /v1/x?access_token=<<{u40}>>&page=2",
    ),
    ("query api key", "GET /v1/x?api_key=<<{w24}>>"),
    (
        "client secret",
        "grant_type=client_credentials&client_secret=<<{w24}>>&scope=x",
    ),
    ("yaml secret", "clientSecret: <<{w24}>>"),
    ("jwk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"{u43}\"}"),
    ("bcrypt", "$2y$10${w53}"),
    (
        "netrc",
        "machine api.example.com login bob password <<{w12}>>",
    ),
    ("sql", "CREATE USER shop IDENTIFIED BY '<<{w12}>>'"),
    ("npmrc", "//registry.npmjs.org/:_authToken=<<{w36}>>"),
    ("xml attribute", "<add key=\"ApiKey\" value=\"<<{w24}>>\"/>"),
    ("env pair with a blank", "{Name:SECRET_KEY Value:<<{w24}>>}"),
    ("escaped equals sign", "password\\u003d<<{w24}>>"),
    ("arrow", "password -> <<{w24}>>"),
    ("vault login", "vault login <<{w24}>>"),
];

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBgzCCASigAwIBAgIIOnF3NDElXqUwCgYIKoZIzj0EAwIwJTEjMCEGA1UEAwwa\ncm9vdC5saW5rZXJkLmNsdXN0ZXIubG9jYWwwHhcNMjYxMTIyMjM0MTEzWhcNMzYx\n-----END CERTIFICATE-----\n";

/// Lines that are evidence.
const EVIDENCE: &[&str] = &[
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

struct Planted {
    name: &'static str,
    text: String,
    /// None of these may be seen.
    secrets: Vec<String>,
}

fn planted(random: &mut fastrand::Rng) -> Vec<Planted> {
    KINDS
        .iter()
        .map(|(name, template)| fill(name, template, random))
        .collect()
}

fn fill(name: &'static str, template: &str, random: &mut fastrand::Rng) -> Planted {
    let (mut text, mut secrets, mut marked, mut drawn) =
        (String::new(), Vec::new(), None, Vec::new());
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("<<") {
            marked = Some(text.len());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(">>").filter(|_| marked.is_some()) {
            secrets.push(text[marked.take().unwrap()..].to_owned());
            rest = after;
        } else if let Some((part, after)) = placeholder(rest) {
            let value = draw(&part, random);
            text.push_str(&value);
            drawn.push(value);
            rest = after;
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if secrets.is_empty() {
        secrets = drawn.into_iter().filter(|d| d.len() > 8).collect();
    }
    Planted {
        name,
        text,
        secrets,
    }
}

/// `{w36}`: the alphabet's letter and the length.
fn placeholder(text: &str) -> Option<((char, usize), &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let alphabet = inner.chars().next().filter(|c| "bwuhcd".contains(*c))?;
    Some(((alphabet, inner[1..].parse().ok()?), after))
}

fn draw((alphabet, length): &(char, usize), random: &mut fastrand::Rng) -> String {
    let set: &[u8] = match alphabet {
        'h' => b"0123456789abcdef",
        'd' => b"0123456789",
        'c' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        'b' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        'u' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
        _ => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    };
    let mut text: Vec<u8> = (0..*length)
        .map(|_| set[random.usize(..set.len())])
        .collect();
    // Drawn of one kind of letter only, a text would be no example of its kind; it neither begins
    // nor ends with a sign.
    if *alphabet != 'h' && *alphabet != 'd' && (8..=12).contains(length) || *length == 4 {
        text[0] = b'K';
        text[1] = b'7';
        text[2] = if *alphabet == 'c' { b'Q' } else { b'q' };
        *text.last_mut().unwrap() = b'3';
    }
    String::from_utf8(text).unwrap()
}

fn redact(text: &str, chunk: usize) -> (String, Counts) {
    let mut redactor = TextRedactor::default();
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(chunk) {
        redactor.push(chunk, &mut out);
    }
    let counts = redactor.finish(&mut out);
    (String::from_utf8(out).unwrap(), counts)
}

/// Where the secret is put. What comes back is the text, and further texts that must go.
type Position = fn(&str) -> String;

const POSITIONS: &[(&str, Position)] = &[
    ("at the start", |s| format!("{s} after it\n")),
    ("at the end", |s| {
        format!("2026-11-23T00:49:10.1Z before it {s}")
    }),
    ("alone", |s| format!("{s}\n")),
    ("in the middle of lines", |s| {
        format!(
            "{}panic: {s}\n  at main.go:12\n{}",
            EVIDENCE[0], EVIDENCE[2]
        )
    }),
    ("in a JSON string", |s| {
        format!(
            "{}\n",
            json!({"level": "info", "msg": format!("got {s} from upstream"), "port": 4191})
        )
    }),
    ("in JSON within JSON", |s| {
        json!({"log": json!({"msg": format!("got {s}")}).to_string()}).to_string() + "\n"
    }),
];

/// What of a planted secret is left.
fn left(planted: &Planted, out: &str) -> Option<String> {
    let forms = planted.secrets.iter().flat_map(|secret| {
        let escaped = json!(secret).to_string();
        [secret.clone(), escaped.trim_matches('"').to_owned()]
    });
    let mut left = forms.filter(|form| out.contains(form.as_str()));
    left.next()
}

fn assert_none(leaks: &[String]) {
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
}

#[test]
fn no_kind_is_left_in_any_position_and_evidence_stays() {
    assert!(KINDS.len() >= 60);
    let evidence = EVIDENCE.concat() + CERTIFICATE;
    let mut random = fastrand::Rng::with_seed(4711);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        for (position, put) in POSITIONS {
            let text = format!("{evidence}{}\n{evidence}", put(&planted.text));
            let (out, _) = redact(&text, usize::MAX);
            let middle = out.get(evidence.len()..out.len() - evidence.len());
            let left = left(&planted, &out);
            leaks.extend(left.map(|l| format!("{} {position}: `{l}` in {middle:?}", planted.name)));
            assert!(
                out.starts_with(&evidence),
                "{} {position}: damage\n{out}",
                planted.name
            );
            assert!(
                out.ends_with(&evidence),
                "{} {position}: damage\n{out}",
                planted.name
            );
            for chunk in [1, 7, 64] {
                assert_eq!(redact(&text, chunk).0, out, "{} {position}", planted.name);
            }
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_in_base64_once_or_twice() {
    let mut random = fastrand::Rng::with_seed(815);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let once = STANDARD.encode(&planted.text);
        let twice = STANDARD.encode(&once);
        let behind = STANDARD.encode(format!("config:\n  {}\n", planted.text));
        for (position, encoded) in [
            ("base64", once),
            ("base64 twice", twice),
            ("base64 of a file", behind),
        ] {
            for text in [
                format!("data: {encoded}\n"),
                format!("{{\"data\":\"{encoded}\"}}\n"),
                format!("x={encoded}"),
            ] {
                let (out, _) = redact(&text, 5);
                let middle = &encoded[..encoded.len().min(40)];
                if out.contains(middle) {
                    leaks.push(format!("{} {position}: {out}", planted.name));
                }
            }
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_across_the_border_of_a_block() {
    let mut random = fastrand::Rng::with_seed(99);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let line = json!(planted.text).to_string();
        for back in [line.len() / 2, 1024 + line.len() / 2] {
            let (before, after) = ("word ".repeat(((1 << 20) - back) / 5), "word ".repeat(4000));
            let (out, _) = redact(&format!("{before} {line} {after}"), 61_001);
            let left = left(&planted, &out);
            leaks.extend(left.map(|l| format!("{} {back} back: {l}", planted.name)));
            assert!(
                out.starts_with(&before) && out.ends_with(&after),
                "{}",
                planted.name
            );
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_in_an_object() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let mut pod = json!({
            "kind": "Pod",
            "metadata": {"name": "web-5f6b9c7d8-x2z4q", "uid": "6f1b1f6e-8a3e-4f43-a7b8-58a3a4b5c6d7",
                "annotations": {"note": planted.text, "linkerd.io/inject": "enabled"}},
            "spec": {"containers": [{
                "args": ["serve", planted.text],
                "env": [{"name": "X", "value": planted.text}, {"name": "IP", "value": "10.1.2.3"}],
            }]},
            "status": {"message": planted.text},
        });
        let mut counts = Counts::default();
        object::redact(&mut pod, &mut counts);
        let text = pod.to_string();
        let left = left(&planted, &text);
        leaks.extend(left.map(|l| format!("{}: `{l}` in {text}", planted.name)));
        for kept in [
            "web-5f6b9c7d8-x2z4q",
            "6f1b1f6e-8a3e-4f43-a7b8-58a3a4b5c6d7",
            "10.1.2.3",
            "enabled",
        ] {
            assert!(text.contains(kept), "{}: {text}", planted.name);
        }
    }
    assert_none(&leaks);
}

#[test]
fn key_files_in_wrapped_base64_go_with_all_their_lines() {
    let mut random = fastrand::Rng::with_seed(3);
    let key = fill("key", KINDS[0].1, &mut random);
    let encoded = STANDARD.encode(format!("{}\n", key.text));
    let lines: Vec<String> = encoded
        .as_bytes()
        .chunks(76)
        .map(|l| String::from_utf8(l.to_vec()).unwrap())
        .collect();
    let text = format!("cat key | base64\n{}\nlevel=info done\n", lines.join("\n"));
    for chunk in [3, 4096] {
        let (out, _) = redact(&text, chunk);
        for line in &lines {
            assert!(!out.contains(line.as_str()), "`{line}` is left in\n{out}");
        }
        assert!(
            out.ends_with("level=info done\n") && out.starts_with("cat key | base64\n"),
            "{out}"
        );
    }
}

#[test]
fn no_kind_is_left_whatever_is_drawn() {
    let mut leaks = Vec::new();
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        for planted in planted(&mut random) {
            for (position, put) in POSITIONS {
                let (out, _) = redact(&put(&planted.text), 4096);
                let left = left(&planted, &out);
                leaks.extend(left.map(|l| format!("{} {position}: `{l}` in {out}", planted.name)));
            }
        }
    }
    assert_none(&leaks);
}
