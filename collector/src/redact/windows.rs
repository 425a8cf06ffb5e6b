//! Secrets told by what surrounds them, each by a pattern of its own that is tried only near
//! words without which it cannot match.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::detect::Found;
use super::names;

/// Bytes of a line break or colour that may stand before a word.
const MARK: usize = 8;

/// A pattern and where it is tried.
pub(super) struct Window {
    kind: &'static str,
    /// Beginnings of four bytes, or of three and any fourth.
    pub(super) anchors: &'static [&'static str],
    /// Bytes before and after the anchor that the pattern may see.
    reach: (usize, usize),
    /// Bytes of which the pattern needs one; none if this is not worth a look.
    needs: &'static [u8],
    /// Whether the value must look drawn at random.
    is_random: bool,
    /// Has exactly one capture group: what is replaced.
    pattern: &'static str,
}

const fn window(
    kind: &'static str,
    anchors: &'static [&'static str],
    reach: (usize, usize),
    pattern: &'static str,
) -> Window {
    Window {
        kind,
        anchors,
        reach,
        needs: b"",
        is_random: false,
        pattern,
    }
}

/// The patterns.
pub(super) const WINDOWS: &[Window] = &[
    window(
        "webhook-url",
        &["slac"],
        (10, 300),
        r"hooks\.slack(?:-gov)?\.com\\?/(?:services|workflows|triggers)\\?/([A-Za-z0-9_/\\+-]{16,})",
    ),
    window(
        "webhook-url",
        &["webh"],
        (40, 500),
        r"(?:/api\\?/webhooks\\?/|webhook\.office\.com\\?/)([^\s\x22'<>]{20,})",
    ),
    window(
        "telegram-token",
        &[":AA"],
        (16, 80),
        r"\b([0-9]{8,12}:AA[A-Za-z0-9_-]{30,})",
    ),
    window(
        "azure-secret",
        &["8Q~", "7Q~"],
        (4, 60),
        r"(?:^|[^A-Za-z0-9_.~-]|\\[nrt]|\[[0-9;]*m)([A-Za-z0-9_.~-]{3}[78]Q~[A-Za-z0-9_.~-]{30,})",
    ),
    window(
        "terraform-token",
        &[".atl"],
        (20, 120),
        r"\b([A-Za-z0-9]{10,}\.atlasv1\.[A-Za-z0-9_=-]{40,})",
    ),
    window(
        "mailchimp-key",
        &[
            "-us1", "-us2", "-us3", "-us4", "-us5", "-us6", "-us7", "-us8", "-us9",
        ],
        (40, 8),
        r"\b([0-9a-f]{32}-us[0-9]{1,2})\b",
    ),
    window(
        "url-password",
        &["3a%2"],
        (10, 300),
        r"(?i:%3A%2F%2F)[^%\s]*%3A([^\s&\x22']+?)%40",
    ),
    window(
        "url-password",
        &["e:th"],
        (8, 300),
        r"thin:[^/\s@:]+/([^@\s]+)@",
    ),
    window(
        "private-key",
        &[
            "\"d\":", "\"d\" ", "\"p\":", "\"q\":", "dp\":", "dq\":", "qi\":", "\"k\":", "d\\\":",
            "k\\\":", "d\\\\\\", "k\\\\\\",
        ],
        (4, 900),
        r#"\\*"(?:d|p|q|dp|dq|qi|k)\\*"\s*:\s*\\*"([A-Za-z0-9_-]{20,})"#,
    ),
    window(
        "private-key",
        &["<d>", "<p>", "<q>", "<dp>", "<dq>", "rseq"],
        (16, 900),
        r"<(?:D|P|Q|DP|DQ|InverseQ)>([A-Za-z0-9+/=]{20,})",
    ),
    window(
        "argument",
        &["curl", "CURL"],
        (0, 500),
        r#"\b(?i:curl)\b.{0,400}?\s(?:-u|--user|--proxy-user|-U)[ =]?\\*['"]?[^\s:'"\\]+:([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["mysq", "mari", "mong"],
        (0, 500),
        r#"\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb|mariadb-dump|mongo|mongosh|mongodump|mongorestore)\b.{0,400}?\s-p ?\\*['"]?([^\s'"-][^\s'"]*)"#,
    ),
    window(
        "argument",
        &["t lo"],
        (8, 200),
        r#"\bvault login \\*['"]?([^\s'"=-]{12,})"#,
    ),
    window(
        "argument",
        &["sshp"],
        (0, 200),
        r#"\bsshpass\s+-p ?\\*['"]?([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["s-cl"],
        (8, 400),
        r#"\bredis-cli\b.{0,300}?\s(?:-a|--pass)[ =]\\*['"]?([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["ldap"],
        (0, 500),
        r#"\bldap(?:search|modify|add|whoami|delete|passwd|compare)\b.{0,400}?\s-w ?\\*['"]?([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["logi"],
        (60, 400),
        r#"\blogin\b.{0,300}?\s(?:-p|--password)[ =]\\*['"]?([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["logi", "mach"],
        (0, 300),
        r"\blogin\s+\S+\s+password\s+(\S+)",
    ),
    window(
        "argument",
        &["smbc"],
        (0, 400),
        r#"\bsmbclient\b.{0,300}?\s-U ?\\*['"]?[^%\s]+%([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["sqlc"],
        (0, 400),
        r#"\bsqlcmd\b.{0,300}?\s-P ?\\*['"]?([^\s'"-][^\s'"]*)"#,
    ),
    window(
        "argument",
        &["mqct"],
        (8, 200),
        r#"\brabbitmqctl\s+(?:add_user|change_password)\s+\S+\s+\\*['"]?([^\s'"]+)"#,
    ),
    window(
        "argument",
        &["stdi"],
        (200, 20),
        r#"\becho\s+(?:-n\s+)?\\*['"]?([^'"|\\]+?)\\*['"]?\s*\|[^|]*--password-stdin"#,
    ),
    window(
        "argument",
        &["chpa"],
        (200, 20),
        r#"[^\s:'"|]+:([^\s'"|\\]+)\\*['"]?\s*\|\s*(?:sudo\s+)?chpasswd"#,
    ),
    window(
        "argument",
        &["irep", "tera", "indp", "ootp"],
        (12, 200),
        r#"\b(?:requirepass|masterauth|bindpw|rootpw)\s+\\*['"]?([^\s'"\\]+)"#,
    ),
    window(
        "argument",
        &["auth"],
        (0, 200),
        r"\bAUTH\s+(?:PLAIN|LOGIN|default)\s+([^\s\x22'\\]{8,})",
    ),
    window(
        "argument",
        &["-sec"],
        (10, 300),
        r#"(?i)ConvertTo-SecureString\s+(?:-String\s+)?\\*["']([^"'\\]+)"#,
    ),
    window(
        "pass-phrase",
        &["phra"],
        (12, 200),
        r"(?i)\bpass phrase[^:\n]{0,60}:\s*(\S+)",
    ),
    window(
        "url-password",
        &["5432"],
        (2, 200),
        r#":5432:[^\s:]+:[^\s:]+:([^\s'"\\]+)"#,
    ),
    // Every line of a proxy has the anchor.
    Window {
        needs: b"@",
        ..window(
            "url-password",
            &["oxy=", "oxy:", "oxy\""],
            (8, 300),
            r#"(?i)proxy\\*['"]?\s*[=:]\s*\\*['"]?[^\s:/@'"=,]+:([^\s:@'"/]+)@"#,
        )
    },
    window(
        "bearer",
        &["bear"],
        (12, 600),
        r"\bbase64url\.bearer\.authorization\.k8s\.io\.([A-Za-z0-9_-]{12,})",
    ),
    window(
        "argument",
        &["etcd"],
        (0, 400),
        r#"\betcdctl\b.{0,300}?\s--user[ =]\\*['"]?[^\s:'"\\]+:([^\s'"\\]+)"#,
    ),
    window(
        "url-password",
        &["sip:", "sips"],
        (0, 300),
        r"\bsips?:[^\s:@/;]+:([^\s@]+)@",
    ),
    window(
        "paypal-token",
        &["en$p", "en$s"],
        (12, 120),
        r"\baccess_token\$(?:production|sandbox)\$([0-9a-z]{8,}\$[0-9a-f]{32})",
    ),
    window(
        "launchdarkly-key",
        &["sdk-", "mob-"],
        (1, 48),
        r"\b((?:sdk|mob)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    ),
    window(
        "k3s-token",
        &["K10"],
        (1, 200),
        r"\b(K10[0-9a-f]{64}(?:::[A-Za-z0-9_.:-]+)?)",
    ),
    window(
        "1password-key",
        &["A3-"],
        (1, 60),
        r"\b(A3-[A-Z0-9]{6}-(?:[A-Z0-9]{6}|[A-Z0-9]{5})(?:-[A-Z0-9]{5,6}){3,5})",
    ),
    window(
        "google-key",
        &[":APA"],
        (40, 300),
        r"\b(AAAA[A-Za-z0-9_-]{5,20}:APA91[A-Za-z0-9_-]{60,})",
    ),
    window(
        "azure-secret",
        &["AZDO", "+ACR"],
        (90, 30),
        r"([A-Za-z0-9]{40,}AZDO[A-Za-z0-9]{4}|[A-Za-z0-9+/]{30,}\+ACR[A-Za-z0-9]{6})",
    ),
    window(
        "cloudflare-key",
        &["v1.0"],
        (1, 300),
        r"\b(v1\.0-[0-9a-f]{24}-[0-9a-f]{100,})",
    ),
    window(
        "airtable-token",
        &["pat"],
        (1, 100),
        r"\b(pat[A-Za-z0-9]{14}\.[0-9a-f]{64})",
    ),
    Window {
        needs: b"'\"",
        ..window(
            "sql-password",
            &["d by"],
            (12, 300),
            r"(?i)identified\s+(?:with\s+\S+\s+)?by\s+(?:password\s+)?\\*['\x22]([^'\x22\\]+)",
        )
    },
    window(
        "sql-password",
        &["pass"],
        (0, 300),
        r"(?i)\bpassword\s+\\*'([^'\\]+)",
    ),
    window(
        "password-hash",
        &[
            "$2a$", "$2b$", "$2x$", "$2y$", "$apr", "$arg", "$pbk", "$scr", "$6$", "$5$", "$y$",
            "pbkd", "{ssh", "{sha", "{smd", "{cry",
        ],
        (0, 300),
        r"(\$(?:2[abxy]|5|6|y|apr1|argon2i?d?|pbkdf2[a-z0-9-]*|scrypt)\$(?:v=\d+\$)?(?:[a-z]+=\d+,?)*[^\s:\x22'<>,;]{20,}|pbkdf2_sha\d+\$\d+\$[^\s:\x22'<>,;]{20,}|(?i:\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT)\})[A-Za-z0-9+/=$.]{16,})",
    ),
    Window {
        is_random: true,
        ..window(
            "aws-secret-key",
            &["akia", "asia"],
            (400, 400),
            r"(?:^|[^A-Za-z0-9/+=]|\\[nrt]|\[[0-9;]*m)([A-Za-z0-9/+]{40})(?:$|[^A-Za-z0-9/+=])",
        )
    },
];

static PATTERNS: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| WINDOWS.iter().map(|w| compile(w.pattern).ok()).collect());

/// Compiles a pattern. Where it begins with a word, that may also stand behind `\n`, `%3D` or a
/// colour.
fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    let begins = r"(?:\b|\\[nrt]|%[0-9A-Fa-f]{2}|\[[0-9;]*m)";
    let pattern = pattern
        .strip_prefix(r"\b")
        .map_or_else(|| pattern.to_owned(), |rest| format!("{begins}{rest}"));
    Regex::new(&format!("(?-u){pattern}"))
}

/// Tries one pattern around `at`, within its line.
pub(super) fn look(number: usize, text: &[u8], at: usize, found: &mut Vec<Found>) {
    let (Some(window), Some(Some(pattern))) = (WINDOWS.get(number), PATTERNS.get(number)) else {
        return;
    };
    let from = at.saturating_sub(window.reach.0 + MARK);
    let before = text.get(from..at).unwrap_or_default();
    let from = memchr::memrchr(b'\n', before).map_or(from, |end| from + end + 1);
    let rest = text.get(at..).unwrap_or_default();
    let rest = rest.get(..window.reach.1).unwrap_or(rest);
    let to = at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let seen = text.get(from..to).unwrap_or_default();
    let has = |byte: &u8| memchr::memchr(*byte, seen).is_some();
    if !window.needs.is_empty() && !window.needs.iter().any(has) {
        return;
    }
    for captures in pattern.captures_iter(seen) {
        let (Some(whole), Some(group)) = (captures.get(0), captures.get(1)) else {
            continue;
        };
        let told = String::from_utf8_lossy(group.as_bytes());
        let is_secret = if window.is_random {
            names::looks_random(&told)
        } else {
            !names::is_harmless(&told)
        };
        if !is_secret {
            continue;
        }
        let shift = |range: std::ops::Range<usize>| from + range.start..from + range.end;
        let secret = shift(group.range());
        // What the window cut off goes along.
        let more = text.get(secret.end..).unwrap_or_default().iter();
        let is_cut = whole.end() == seen.len() && group.end() == seen.len();
        let more = more
            .take_while(|b| is_cut && b.is_ascii_alphanumeric())
            .count();
        let whole = shift(whole.range());
        let whole = whole.start.min(at)..(secret.end + more).max(at);
        found.push(Found::new(
            window.kind,
            whole,
            secret.start..secret.end + more,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_rare_programs_go() {
        for (text, secret) in [
            (
                "etcdctl --endpoints x --user root:s3cr3tPa55 get /",
                "s3cr3tPa55",
            ),
            (
                "registering sip:alice:h0neyP0t9@pbx.example:5060",
                "h0neyP0t9",
            ),
            (
                "access_token$production$x0lb4r69dvmmnufd$3ea7cb281754b7da7dac131ef5783321",
                "x0lb4r69dvmmnufd$3ea7cb281754b7da7dac131ef5783321",
            ),
        ] {
            let found = super::super::detect::find(text.as_bytes());
            let taken: Vec<&str> = found.iter().map(|f| &text[f.secret.clone()]).collect();
            assert_eq!(taken, [secret], "{text}");
        }
    }

    #[test]
    fn every_pattern_compiles_and_has_one_group() {
        for window in WINDOWS {
            let pattern = compile(window.pattern).unwrap();
            assert_eq!(pattern.captures_len(), 2, "{}", window.pattern);
        }
    }
}
