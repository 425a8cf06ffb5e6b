//! The tar.gz container: one gzip member per block, the index as the last tar entry.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};

use flate2::{Compression, GzBuilder};

use super::blocks::{BLOCK_BYTES, Blocks};
use super::json;
use super::output::Output;
use super::pool::{Packed, Pool};
use super::tally::Tally;
use super::{AppendError, Size, WriterOptions};
use crate::EntryPath;
use crate::index::{FOOTER_BYTES, INDEX_NAME, Index, IndexEntry, Member, Piece, footer};

/// Deflate level of every block.
const LEVEL: u32 = 6;
const TAR_BLOCK: usize = 512;

#[derive(Debug)]
pub(super) struct TarGzWriter {
    pub(super) file: Output,
    pool: Pool,
    options: WriterOptions,
    /// The part of the tar stream that is not yet handed to the pool.
    open: Vec<u8>,
    pub(super) tar_bytes: u64,
    pub(super) next_member: u32,
    pub(super) members: VecDeque<Member>,
    pub(super) written: u64,
    /// Bytes that those in the file were made from.
    pub(super) plain_written: u64,
    pub(super) entries: Vec<IndexEntry>,
}

impl TarGzWriter {
    pub(super) fn new(file: Output, options: WriterOptions) -> Self {
        let pool = Pool::new(options.threads, compress);
        let (members, entries, open) = (VecDeque::new(), Vec::new(), Vec::new());
        let (tar_bytes, next_member, written, plain_written) = (0, 0, 0, 0);
        Self {
            file,
            pool,
            options,
            open,
            tar_bytes,
            next_member,
            members,
            written,
            plain_written,
            entries,
        }
    }

    pub(super) fn append(
        &mut self,
        path: &EntryPath,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), AppendError> {
        let fits = self.open.len() as u64 + blocks.total() <= BLOCK_BYTES as u64;
        if !self.open.is_empty() && !fits {
            self.cut()?;
        }
        let tar_offset = self.tar_bytes;
        let header = header(&self.options, path.as_str(), blocks.total())?;
        self.push(&header);
        let mut pieces = Vec::new();
        let mut filled = false;
        while let Some(block) = blocks.next()? {
            // A block that fills a member closes it, so that the next one starts its own.
            if filled {
                self.cut()?;
            }
            pieces.push(Piece {
                member: self.next_member,
                offset: self.open.len() as u64,
                bytes: block.bytes.len() as u64,
                first_line: block.first_line,
                starts_mid_line: block.starts_mid_line,
                times: block.times,
            });
            self.push(&block.bytes);
            filled = true;
        }
        let padding = blocks.total().next_multiple_of(TAR_BLOCK as u64) - blocks.total();
        self.push(&vec![0; usize::try_from(padding).unwrap_or_default()]);
        if self.open.len() >= BLOCK_BYTES {
            self.cut()?;
        }
        let bytes = blocks.total();
        // There may be tens of thousands, most of them with one piece.
        pieces.shrink_to_fit();
        self.entries.push(IndexEntry {
            path: path.clone(),
            tar_offset,
            bytes,
            pieces,
        });
        Ok(())
    }

    /// Ends the open member and writes everything.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.cut()?;
        self.drain()
    }

    /// The top folder.
    pub(super) fn name(&self) -> &str {
        &self.options.name
    }

    /// Bytes in the file, what they were made from, and bytes that are yet to be compressed.
    pub(super) fn size(&self) -> Size {
        Size {
            packed: self.written,
            plain: self.plain_written,
            pending: self.tar_bytes - self.plain_written,
        }
    }

    /// Writes the index, tar's end, and the footer; gives the size of the file.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.cut()?;
        self.drain()?;
        let index_offset = self.written;
        let index = Index {
            format: crate::FormatVersion::CURRENT,
            members: std::mem::take(&mut self.members).into(),
            entries: std::mem::take(&mut self.entries),
        };
        let (packed, crc) = self.write_index(&index)?;
        self.file.write_all(&footer(index_offset, crc))?;
        let bytes = index_offset + packed + FOOTER_BYTES as u64;
        self.file.finish(bytes)
    }

    /// Writes the index as a member of its own, packed while it is made: as text it would be one of
    /// the largest things in memory. Gives the member's size, and the CRC-32 of the text.
    fn write_index(&mut self, index: &Index) -> io::Result<(u64, u32)> {
        let length = json::length(|out| json::line(index, out))?;
        let head = header(&self.options, INDEX_NAME, length as u64)?;
        let padding = length.next_multiple_of(TAR_BLOCK) - length + 2 * TAR_BLOCK;
        let packed = Tally::new(BufWriter::new(&mut self.file));
        let mut encoder = GzBuilder::new()
            .mtime(0)
            .write(packed, Compression::new(LEVEL));
        encoder.write_all(&head)?;
        let mut text = Tally::new(BufWriter::new(&mut encoder));
        json::line(index, &mut text)?;
        text.flush()?;
        let crc = text.crc();
        drop(text);
        encoder.write_all(&vec![0; padding])?;
        let mut packed = encoder.finish()?;
        packed.flush()?;
        Ok((packed.bytes(), crc))
    }

    fn push(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
        self.tar_bytes += bytes.len() as u64;
    }

    /// Ends the open member.
    fn cut(&mut self) -> io::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        while self.pool.is_full() {
            self.write_next()?;
        }
        let member = std::mem::replace(&mut self.open, self.pool.buffer());
        self.pool.submit(member)?;
        self.next_member += 1;
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        while self.write_next()? {}
        Ok(())
    }

    /// Writes the next finished member; false when none is in flight.
    fn write_next(&mut self) -> io::Result<bool> {
        let Some(packed) = self.pool.next().transpose()? else {
            return Ok(false);
        };
        self.file.write_all(&packed.bytes)?;
        let (offset, bytes) = (self.written, packed.bytes.len() as u64);
        self.members.push_back(Member {
            offset,
            packed: bytes,
            plain: packed.plain,
            crc: packed.crc,
        });
        self.written += bytes;
        self.plain_written += packed.plain;
        Ok(true)
    }
}

/// Makes one gzip member, without name and time.
fn compress(block: &[u8]) -> io::Result<Packed> {
    let out = Vec::with_capacity(block.len() / 6 + 64);
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(out, Compression::new(LEVEL));
    encoder.write_all(block)?;
    let crc = crc32fast::hash(block);
    Ok(Packed {
        bytes: encoder.finish()?,
        plain: block.len() as u64,
        crc,
    })
}

/// The tar header of an entry, with a pax record before it where its path needs one.
fn header(options: &WriterOptions, path: &str, bytes: u64) -> io::Result<Vec<u8>> {
    let full = format!("{}/{path}", options.name);
    let mut out = Vec::new();
    let mut header = blank_header(options, tar::EntryType::Regular, bytes);
    let fits = full.is_ascii() && header.set_path(&full).is_ok();
    if !fits {
        let record = pax_record("path", &full);
        let mut before = blank_header(options, tar::EntryType::XHeader, record.len() as u64);
        // Some readers take a header without a name for the end of the archive.
        before.set_path("pax-header")?;
        before.set_cksum();
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(record.as_bytes());
        out.resize(out.len().next_multiple_of(TAR_BLOCK), 0);
        let short: String = full.chars().filter(char::is_ascii).take(90).collect();
        header.set_path(short)?;
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    Ok(out)
}

fn blank_header(options: &WriterOptions, kind: tar::EntryType, bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(u64::try_from(options.mtime.as_second()).unwrap_or_default());
    header
}

/// `LENGTH KEY=VALUE\n`, the length counting itself.
fn pax_record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    format!("{length}{rest}")
}
