//! One file on its way into a bundle: what it is, and how secrets are taken out of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::redact::{Counts, TextRedactor, object, yaml};
use crate::sources::read_page;
use crate::spool::{Content, SpoolFolder};

/// Bytes of a file of objects that is read as a whole.
const MAX_WHOLE: u64 = 512 << 20;

/// Beginnings of files whose content is packed and so cannot be redacted.
const PACKED: &[&[u8]] = &[
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ",
    b"BZh",
    b"7z\xbc\xaf",
];

/// The redacted content of a file, or why it is left out.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn clean(
    file: &Path,
    name: &str,
    spools: &SpoolFolder,
    counts: &mut Counts,
) -> io::Result<Result<Content, String>> {
    let mut open = File::open(file)?;
    let mut start = Vec::new();
    (&mut open).take(8 << 10).read_to_end(&mut start)?;
    if PACKED.iter().any(|p| start.starts_with(p)) {
        let reason = "it is compressed, so no secret can be taken out of it; unpack it first";
        return Ok(Err(reason.to_owned()));
    }
    let is_utf16 = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    if start.contains(&0) && !is_utf16 {
        let reason = "it is binary, so no secret can be taken out of it";
        return Ok(Err(reason.to_owned()));
    }
    let shape = shape(name, &start);
    if shape == Shape::Text && !is_utf16 {
        return stream(start, open, spools, counts).map(Ok);
    }
    if open.metadata()?.len() > MAX_WHOLE {
        let reason =
            format!("it is larger than {MAX_WHOLE} bytes, too large for a file of objects");
        return Ok(Err(reason));
    }
    let mut bytes = start;
    open.read_to_end(&mut bytes)?;
    if is_utf16 {
        // As PowerShell's `>` writes it.
        bytes = from_utf16(&bytes).into_bytes();
    }
    let clean = match shape {
        Shape::Json => json(bytes, counts),
        Shape::Yaml => yaml_text(&bytes, counts),
        Shape::Text => text(&bytes, counts),
    };
    Ok(Ok(Content::from_bytes(clean)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Yaml,
    Text,
}

fn shape(name: &str, start: &[u8]) -> Shape {
    let name = name.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let first = start.trim_ascii_start();
    let is_yaml = [&b"apiVersion:"[..], b"kind:", b"---\n", b"items:"]
        .iter()
        .any(|begin| first.starts_with(begin));
    if ends(&[".json"]) || (first.starts_with(b"{") && !ends(&[".log", ".txt", ".ndjson"])) {
        Shape::Json
    } else if ends(&[".yaml", ".yml"]) || (is_yaml && !ends(&[".log"])) {
        Shape::Yaml
    } else {
        Shape::Text
    }
}

fn stream(
    start: Vec<u8>,
    mut rest: File,
    spools: &SpoolFolder,
    counts: &mut Counts,
) -> io::Result<Content> {
    let mut redactor = TextRedactor::default();
    let mut spool = spools.spool();
    let mut clean = Vec::new();
    let mut chunk = start;
    while !chunk.is_empty() {
        redactor.push(&chunk, &mut clean);
        spool.write(&clean)?;
        clean.clear();
        chunk.resize(64 << 10, 0);
        let read = rest.read(&mut chunk)?;
        chunk.truncate(read);
    }
    counts.merge(&redactor.finish(&mut clean));
    spool.write(&clean)?;
    Ok(spool.finish())
}

fn text(bytes: &[u8], counts: &mut Counts) -> Vec<u8> {
    let mut redactor = TextRedactor::default();
    let mut clean = Vec::with_capacity(bytes.len());
    redactor.push(bytes, &mut clean);
    counts.merge(&redactor.finish(&mut clean));
    clean
}

fn yaml_text(bytes: &[u8], counts: &mut Counts) -> Vec<u8> {
    let clean = yaml::redact(&String::from_utf8_lossy(bytes), counts);
    text(clean.as_bytes(), counts)
}

/// Objects as JSON; as they were if there is no secret in them, else one object per line.
fn json(bytes: Vec<u8>, counts: &mut Counts) -> Vec<u8> {
    let mut found = Counts::default();
    let clean = list(&bytes, &mut found).or_else(|| {
        let mut value: Value = serde_json::from_slice(&bytes).ok()?;
        object::redact(&mut value, &mut found);
        Some(value.to_string() + "\n")
    });
    match clean {
        Some(_) if found.is_empty() => bytes,
        Some(clean) => {
            counts.merge(&found);
            clean.into_bytes()
        }
        // Not JSON after all, or several documents one after the other.
        None => yaml_text(&bytes, counts),
    }
}

/// A Kubernetes list; `None` if it is something else.
fn list(bytes: &[u8], counts: &mut Counts) -> Option<String> {
    let kind = list_kind(bytes)?;
    let mut items = Vec::new();
    let head = read_page(bytes, &mut |mut item| {
        object::redact_item(&mut item, &kind, counts);
        items.push(item.to_string());
        Ok(())
    });
    let head = head.ok()?;
    Some(format!(
        "{},\"items\":[\n{}\n]}}\n",
        head.open(),
        items.join(",\n")
    ))
}

/// The kind of a list, read without building its objects.
fn list_kind(bytes: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        kind: String,
        #[serde(rename = "items")]
        _items: Vec<serde::de::IgnoredAny>,
    }
    let head: Head = serde_json::from_slice(bytes).ok()?;
    head.kind.ends_with("List").then_some(head.kind)
}

fn from_utf16(bytes: &[u8]) -> String {
    let is_big = bytes.starts_with(b"\xfe\xff");
    let units = bytes.chunks_exact(2).skip(1).filter_map(|pair| {
        let pair: [u8; 2] = pair.try_into().ok()?;
        Some(if is_big {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        })
    });
    char::decode_utf16(units)
        .map(|c| c.unwrap_or('\u{fffd}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(name: &str, bytes: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, bytes).unwrap();
        let spools = SpoolFolder::new(folder.path(), 10);
        let content = clean(&file, name, &spools, &mut Counts::default()).unwrap()?;
        let mut text = String::new();
        content.reader().read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn a_file_without_secrets_stays_as_it_was() {
        for (name, text) in [
            ("pods.json", "{\n \"kind\": \"PodList\",\n \"items\": []\n}"),
            ("x.yaml", "a: 1\nb:\n- c\n"),
            ("a.log", "line\nlast"),
            ("half.json", "{\"a\": 1"),
        ] {
            assert_eq!(cleaned(name, text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn secrets_go_in_every_shape_of_file() {
        let utf16: Vec<u8> = "\u{feff}password: hunter2-hunter2\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for (name, bytes) in [
            (
                "s.json",
                &br#"{"kind":"SecretList","items":[{"data":{"a":"hunter2-hunter2"}}]}"#[..],
            ),
            ("s", br#"{"kind":"Secret","data":{"a":"hunter2-hunter2"}}"#),
            ("s.yaml", b"kind: Secret\ndata:\n  a: hunter2-hunter2\n"),
            (
                "kubeconfig",
                b"apiVersion: v1\nusers:\n- user:\n    token: hunter2-hunter2\n",
            ),
            ("app.log", b"GET /?password=hunter2-hunter2\n"),
            ("w.yaml", &utf16),
        ] {
            let clean = cleaned(name, bytes).unwrap();
            assert!(
                !clean.contains("hunter2") && !clean.is_empty(),
                "{name}: {clean}"
            );
        }
    }

    #[test]
    fn what_cannot_be_redacted_is_left_out() {
        assert!(
            cleaned("a.gz", b"\x1f\x8b\x08")
                .unwrap_err()
                .contains("compressed")
        );
        assert!(cleaned("a.bin", b"a\0b").unwrap_err().contains("binary"));
    }
}
