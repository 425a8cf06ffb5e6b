//! One file on its way into a bundle: what it is, and how secrets are taken out of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::redact::entry::{self, Shape, shape};
use crate::redact::{Counts, FileRedactor};
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
    (&mut open)
        .take(entry::HEAD_BYTES as u64)
        .read_to_end(&mut start)?;
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
    let clean = entry::redact(shape, bytes, counts);
    Ok(Ok(Content::from_bytes(clean)))
}

fn stream(
    start: Vec<u8>,
    mut rest: File,
    spools: &SpoolFolder,
    counts: &mut Counts,
) -> io::Result<Content> {
    let mut redactor = FileRedactor::default();
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
