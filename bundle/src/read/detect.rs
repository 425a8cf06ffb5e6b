//! Tells by content what a file is.

/// What a file is, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Gzip,
    Zip,
    Tar,
    /// Text, or at least nothing that is known not to be.
    Text,
    /// Something that cannot be read; the words say what it is and what to do.
    Foreign(&'static str),
}

const TAR_HEADER: usize = 512;

/// Magic bytes at the start, and what to tell the user.
const FOREIGN: [(&[u8], &str); 12] = [
    (
        b"\x28\xb5\x2f\xfd",
        "a zstd archive; unpack it with `tar --zstd -xf` and give the folder",
    ),
    (
        b"\xfd7zXZ\0",
        "an xz archive; unpack it with `tar -xJf` and give the folder",
    ),
    (
        b"BZh",
        "a bzip2 archive; unpack it with `tar -xjf` and give the folder",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "a 7z archive; unpack it with `7z x` and give the folder",
    ),
    (b"Rar!", "a RAR archive; unpack it and give the folder"),
    (b"\x7fELF", "a program, not a bundle"),
    (b"MZ\x90", "a program, not a bundle"),
    (b"%PDF", "a PDF document, not a bundle"),
    (b"\x89PNG", "a picture, not a bundle"),
    (
        b"age-encryption.org",
        "encrypted with age; give the file of your secret key with `--identity FILE`",
    ),
    (
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        "encrypted with age, as text; decrypt it first with `age --decrypt`",
    ),
    (b"SQLite format 3", "a database, not a bundle"),
];

/// Tells what a file is from its first bytes, at least 512 where it has them.
pub(super) fn detect(head: &[u8]) -> Content {
    if head.starts_with(&[0x1f, 0x8b]) {
        return Content::Gzip;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Content::Zip;
    }
    if is_tar(head) {
        return Content::Tar;
    }
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Content::Foreign(what);
    }
    let start = head.trim_ascii_start();
    let lower: Vec<u8> = start.iter().take(16).map(u8::to_ascii_lowercase).collect();
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        return Content::Foreign("a web page; it may be a login or error page saved by mistake");
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Content::Foreign(
            "UTF-16 text; convert it to UTF-8 first, as with `iconv -f UTF-16`",
        );
    }
    // A log may hold a few odd bytes; data that is no text is full of them.
    let odd = head
        .iter()
        .filter(|b| b.is_ascii_control() && !b.is_ascii_whitespace() && **b != 0x1b);
    if odd.count() * 20 > head.len() {
        return Content::Foreign("binary data of no known kind, not a bundle");
    }
    Content::Text
}

/// Whether these bytes start with a tar header with a right checksum.
pub(super) fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..TAR_HEADER) else {
        return false;
    };
    let (Some(stored), Some(before), Some(after)) =
        (header.get(148..156), header.get(..148), header.get(156..))
    else {
        return false;
    };
    let sum: u64 = before
        .iter()
        .chain(after)
        .map(|b| u64::from(*b))
        .sum::<u64>()
        + 8 * 32;
    let digits: Vec<u8> = stored.iter().copied().filter(u8::is_ascii_digit).collect();
    let text = std::str::from_utf8(&digits).unwrap_or_default();
    header.first() != Some(&0) && u64::from_str_radix(text, 8) == Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_starts_with_any_words_is_text() {
        assert_eq!(detect(b"[     0.001s]  INFO main: hello\n"), Content::Text);
        assert_eq!(detect(b"{\"kind\":\"List\"}"), Content::Text);
        assert_eq!(detect(b"MARK\n"), Content::Text);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let named = |head: &[u8]| matches!(detect(head), Content::Foreign(_));
        assert!(named(b"\x28\xb5\x2f\xfd...."));
        assert!(named(b"\n <!DOCTYPE HTML><html>"));
        assert!(named(&[0; 600]));
    }
}
