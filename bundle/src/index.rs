//! The index of a tar.gz bundle: which part of which gzip member holds which part of which
//! entry, and the footer that says where the index is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EntryPath, FormatVersion};

/// The name of the index below the bundle's top folder.
pub(crate) const INDEX_NAME: &str = ".index.json";

/// All members and all entries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) format: FormatVersion,
    pub(crate) members: Vec<Member>,
    pub(crate) entries: Vec<IndexEntry>,
}

/// One gzip member.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Where it starts in the file.
    pub(crate) offset: u64,
    /// Its size in the file.
    pub(crate) packed: u64,
    /// Its size unpacked.
    pub(crate) plain: u64,
    /// CRC-32 of its unpacked bytes.
    pub(crate) crc: u32,
}

/// One entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndexEntry {
    pub(crate) path: EntryPath,
    /// Where its header starts in the tar stream.
    pub(crate) tar_offset: u64,
    /// Its unpacked size.
    pub(crate) bytes: u64,
    /// Its blocks, in order; none if it is empty.
    pub(crate) pieces: Vec<Piece>,
}

/// One block of an entry.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Number of the member that holds it, from 0.
    pub(crate) member: u32,
    /// Where it starts in the unpacked member.
    pub(crate) offset: u64,
    /// Its size.
    pub(crate) bytes: u64,
    /// Number of its first line, from 1.
    pub(crate) first_line: u64,
    /// Whether it starts within a line that was cut because it is longer than a block.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) starts_mid_line: bool,
    /// Kubelet timestamps of its first and last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<(Timestamp, Timestamp)>,
}

/// Size of the footer.
pub(crate) const FOOTER_BYTES: usize = 50;
/// The subfield id of the footer's extra field: Linkerd bundle.
const SUBFIELD: [u8; 2] = *b"LB";
/// gzip header with FEXTRA, no time, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
/// An empty final deflate block of the stored kind, then CRC and size, all zero.
const EMPTY_BODY: [u8; 13] = [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
/// Version byte in front of the two numbers.
const PAYLOAD_BYTES: u16 = 21;

/// An empty gzip member whose extra field says where the index's member starts and what the
/// CRC-32 of the index is, both in lower-case hexadecimal.
pub(crate) fn footer(index_offset: u64, index_crc: u32) -> Vec<u8> {
    let payload = format!("{index_offset:013x}{index_crc:08x}");
    let mut out = GZIP_HEADER.to_vec();
    out.extend_from_slice(&(PAYLOAD_BYTES + 4).to_le_bytes());
    out.extend_from_slice(&SUBFIELD);
    out.extend_from_slice(&PAYLOAD_BYTES.to_le_bytes());
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(&EMPTY_BODY);
    out
}

/// Reads a footer: offset of the index's member, CRC-32 of the index.
pub(crate) fn parse_footer(bytes: &[u8]) -> Option<(u64, u32)> {
    let rest = bytes.strip_prefix(&GZIP_HEADER)?;
    let (lengths, rest) = rest.split_at_checked(6)?;
    let expected = footer(0, 0);
    (lengths == expected.get(10..16)?).then_some(())?;
    let (payload, body) = rest.split_at_checked(usize::from(PAYLOAD_BYTES))?;
    (body == EMPTY_BODY).then_some(())?;
    let text = std::str::from_utf8(payload).ok()?;
    let (offset, crc) = text.split_at_checked(13)?;
    Some((
        u64::from_str_radix(offset, 16).ok()?,
        u32::from_str_radix(crc, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_reads_back_and_has_its_size() {
        let bytes = footer(0x12_3456_789a, 0xdead_beef);
        assert_eq!(bytes.len(), FOOTER_BYTES);
        assert_eq!(parse_footer(&bytes), Some((0x12_3456_789a, 0xdead_beef)));
    }

    #[test]
    fn the_footer_is_an_empty_gzip_member() {
        let mut out = Vec::new();
        let bytes = footer(7, 9);
        let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut out).unwrap();
        assert!(out.is_empty());
    }
}
