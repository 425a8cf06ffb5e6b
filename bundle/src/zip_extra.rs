//! The private extra field of our zip entries: where each block lies in the deflate stream.

/// One block of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ZipBlock {
    /// Bytes in the deflate stream.
    pub(crate) packed: u64,
    /// Bytes unpacked.
    pub(crate) plain: u64,
    /// Number of its first line, from 1.
    pub(crate) first_line: u64,
    /// Whether it starts within a line that was cut.
    pub(crate) starts_mid_line: bool,
}

/// The field's id: `LB`, Linkerd bundle.
pub(crate) const FIELD_ID: u16 = u16::from_le_bytes(*b"LB");
/// Bytes of one block in the field: two sizes, then the number of lines with [`MID_LINE`].
const BLOCK_FIELD_BYTES: usize = 12;
/// Set beside the number of lines of a block that starts within a line.
const MID_LINE: u32 = 1 << 31;
/// An extra field is shorter than 64 KiB; the zip64 field and two headers need some of it.
const MAX_BLOCKS: usize = (u16::MAX as usize - 64) / BLOCK_FIELD_BYTES;

/// Writes the field, header included; empty for an entry without blocks. More blocks than an
/// extra field can hold are joined, so that the field stays within its size.
pub(crate) fn encode(blocks: &[ZipBlock]) -> Vec<u8> {
    if blocks.is_empty() {
        return Vec::new();
    }
    let per_group = blocks.len().div_ceil(MAX_BLOCKS);
    let mut body = Vec::new();
    let mut groups = blocks.chunks(per_group).peekable();
    while let Some(group) = groups.next() {
        let packed: u64 = group.iter().map(|b| b.packed).sum();
        let plain: u64 = group.iter().map(|b| b.plain).sum();
        let first = group.first().map_or(1, |b| b.first_line);
        let next = groups
            .peek()
            .and_then(|g| g.first())
            .map_or(first, |b| b.first_line);
        let mid_line = if group.first().is_some_and(|b| b.starts_mid_line) {
            MID_LINE
        } else {
            0
        };
        for (value, flag) in [(packed, 0), (plain, 0), (next - first, mid_line)] {
            let Ok(value) = u32::try_from(value) else {
                return Vec::new();
            };
            body.extend_from_slice(&(value | flag).to_le_bytes());
        }
    }
    let Ok(length) = u16::try_from(body.len()) else {
        return Vec::new();
    };
    let mut out = FIELD_ID.to_le_bytes().to_vec();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&body);
    out
}

/// Finds and reads the field among the extra fields of a central directory record. `None` when
/// it is missing or unsound.
pub(crate) fn decode(mut extra: &[u8]) -> Option<Vec<ZipBlock>> {
    loop {
        let (header, rest) = extra.split_at_checked(4)?;
        let id = u16::from_le_bytes(header.get(..2)?.try_into().ok()?);
        let length = u16::from_le_bytes(header.get(2..)?.try_into().ok()?);
        let (body, rest) = rest.split_at_checked(usize::from(length))?;
        if id == FIELD_ID {
            return blocks(body);
        }
        extra = rest;
    }
}

fn blocks(body: &[u8]) -> Option<Vec<ZipBlock>> {
    let (fields, rest) = body.as_chunks::<BLOCK_FIELD_BYTES>();
    rest.is_empty().then_some(())?;
    let mut first_line = 1;
    let mut out = Vec::with_capacity(fields.len());
    for field in fields {
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(field.get(at..at + 4)?.try_into().ok()?))
        };
        let (packed, plain) = (u64::from(number(0)?), u64::from(number(4)?));
        let lines = number(8)?;
        let starts_mid_line = lines & MID_LINE != 0;
        out.push(ZipBlock {
            packed,
            plain,
            first_line,
            starts_mid_line,
        });
        first_line += u64::from(lines & !MID_LINE);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_read_back() {
        let blocks = [
            ZipBlock {
                packed: 100,
                plain: 1000,
                first_line: 1,
                starts_mid_line: false,
            },
            ZipBlock {
                packed: 90,
                plain: 900,
                first_line: 11,
                starts_mid_line: true,
            },
        ];
        assert_eq!(decode(&encode(&blocks)), Some(blocks.to_vec()));
    }

    #[test]
    fn too_many_blocks_are_joined() {
        let block = |i: u64| ZipBlock {
            packed: 10,
            plain: 100,
            first_line: 1 + i * 7,
            starts_mid_line: false,
        };
        let blocks: Vec<_> = (0..20_000).map(block).collect();
        let read = decode(&encode(&blocks)).unwrap();
        assert!(read.len() <= MAX_BLOCKS);
        assert_eq!(read.iter().map(|b| b.plain).sum::<u64>(), 2_000_000);
        assert_eq!(
            read[1].first_line,
            blocks[20_000_usize.div_ceil(MAX_BLOCKS)].first_line
        );
    }

    #[test]
    fn a_cut_field_is_no_field() {
        assert_eq!(decode(&[b'L', b'B', 12, 0, 1, 2]), None);
        assert_eq!(decode(&[]), None);
    }
}
