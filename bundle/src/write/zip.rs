//! The zip container: each entry's deflate stream is a run of independently compressed blocks,
//! each ended by a full flush, so that a block decodes alone.

use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use jiff::tz::TimeZone;

use super::blocks::Blocks;
use super::output::Output;
use super::pool::{Packed, Pool};
use super::{AppendError, Size, WriterOptions};
use crate::EntryPath;
use crate::zip_extra::{self, ZipBlock};

/// Deflate level of every block.
const LEVEL: u32 = 6;
/// An empty final block of the fixed kind: ends a deflate stream after a full flush.
const STREAM_END: [u8; 2] = [3, 0];
/// Version 4.5: the reader needs zip64.
const VERSION: u16 = 45;
/// Sizes follow the data (bit 3), names are UTF-8 (bit 11).
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATE: u16 = 8;
const UNKNOWN_SIZE: u32 = u32::MAX;
/// A regular file with mode 0644, in the upper half of the external attributes.
const FILE_MODE: u32 = 0o100_644 << 16;

#[derive(Debug)]
pub(super) struct ZipWriter {
    file: Output,
    pool: Pool,
    options: WriterOptions,
    written: u64,
    plain: u64,
    entries: Vec<ZipEntry>,
}

#[derive(Debug)]
struct ZipEntry {
    name: String,
    offset: u64,
    packed: u64,
    plain: u64,
    crc: u32,
    blocks: Vec<ZipBlock>,
}

impl ZipWriter {
    pub(super) fn new(file: Output, options: WriterOptions) -> Self {
        let pool = Pool::new(options.threads, compress);
        Self {
            file,
            pool,
            options,
            written: 0,
            plain: 0,
            entries: Vec::new(),
        }
    }

    pub(super) fn append(
        &mut self,
        path: &EntryPath,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), AppendError> {
        let mut entry = ZipEntry {
            name: format!("{}/{path}", self.options.name),
            offset: self.written,
            packed: 0,
            plain: 0,
            crc: 0,
            blocks: Vec::new(),
        };
        self.put(&self.local_header(&entry.name))?;
        let mut starts = Vec::new();
        while let Some(block) = blocks.next()? {
            starts.push((block.first_line, block.starts_mid_line));
            while self.pool.is_full() {
                self.put_next(&mut entry, &starts)?;
            }
            self.pool.submit(block.bytes)?;
        }
        while self.put_next(&mut entry, &starts)? {}
        self.put(&STREAM_END)?;
        entry.packed += STREAM_END.len() as u64;
        self.put(&data_descriptor(&entry))?;
        self.plain += entry.plain;
        self.entries.push(entry);
        Ok(())
    }

    /// Bytes in the file and what they were made from; nothing of an entry is ever pending.
    pub(super) fn size(&self) -> Size {
        Size {
            packed: self.written,
            plain: self.plain,
            pending: 0,
        }
    }

    /// Writes the central directory; gives the size of the file.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let start = self.written;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.put(&self.central_header(entry))?;
        }
        let size = self.written - start;
        self.put(&end_records(entries.len() as u64, start, size))?;
        self.file.finish(self.written)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes the next finished block of the entry; false when none is in flight.
    fn put_next(&mut self, entry: &mut ZipEntry, starts: &[(u64, bool)]) -> io::Result<bool> {
        let Some(packed) = self.pool.next().transpose()? else {
            return Ok(false);
        };
        self.put(&packed.bytes)?;
        let mut crc = crc32fast::Hasher::new_with_initial_len(entry.crc, entry.plain);
        crc.combine(&crc32fast::Hasher::new_with_initial_len(
            packed.crc,
            packed.plain,
        ));
        entry.crc = crc.finalize();
        let start = starts.get(entry.blocks.len()).copied();
        let (first_line, starts_mid_line) = start.unwrap_or((1, false));
        let bytes = packed.bytes.len() as u64;
        let plain = packed.plain;
        entry.blocks.push(ZipBlock {
            packed: bytes,
            plain,
            first_line,
            starts_mid_line,
        });
        entry.packed += bytes;
        entry.plain += packed.plain;
        Ok(true)
    }

    /// MS-DOS time and date of the capture, in UTC.
    fn dos_time(&self) -> (u16, u16) {
        let at = self.options.mtime.to_zoned(TimeZone::UTC);
        let field = |value: i8| u16::try_from(value).unwrap_or_default();
        let year = u16::try_from((at.year() - 1980).clamp(0, 127)).unwrap_or_default();
        let time = field(at.hour()) << 11 | field(at.minute()) << 5 | (field(at.second()) / 2);
        (time, year << 9 | field(at.month()) << 5 | field(at.day()))
    }

    fn local_header(&self, name: &str) -> Vec<u8> {
        let (time, date) = self.dos_time();
        let mut out = Record::new(*b"PK\x03\x04");
        out.u16(VERSION).u16(FLAGS).u16(DEFLATE).u16(time).u16(date);
        out.u32(0)
            .u32(UNKNOWN_SIZE)
            .u32(UNKNOWN_SIZE)
            .name_lengths(name, 20);
        out.bytes(name.as_bytes());
        // The zip64 field says that the sizes behind the data have eight bytes.
        out.u16(1).u16(16).u64(0).u64(0);
        out.0
    }

    fn central_header(&self, entry: &ZipEntry) -> Vec<u8> {
        let (time, date) = self.dos_time();
        let private = zip_extra::encode(&entry.blocks);
        let mut out = Record::new(*b"PK\x01\x02");
        // Made by version 4.5 on Unix.
        out.u16(3 << 8 | VERSION)
            .u16(VERSION)
            .u16(FLAGS)
            .u16(DEFLATE)
            .u16(time)
            .u16(date);
        out.u32(entry.crc).u32(UNKNOWN_SIZE).u32(UNKNOWN_SIZE);
        out.name_lengths(&entry.name, 28 + private.len());
        out.u16(0).u16(0).u16(0).u32(FILE_MODE).u32(u32::MAX);
        out.bytes(entry.name.as_bytes());
        out.u16(1)
            .u16(24)
            .u64(entry.plain)
            .u64(entry.packed)
            .u64(entry.offset);
        out.bytes(&private);
        out.0
    }
}

fn data_descriptor(entry: &ZipEntry) -> Vec<u8> {
    let mut out = Record::new(*b"PK\x07\x08");
    out.u32(entry.crc).u64(entry.packed).u64(entry.plain);
    out.0
}

/// The zip64 end record, its locator, and the classic end record.
fn end_records(entries: u64, start: u64, size: u64) -> Vec<u8> {
    let mut out = Record::new(*b"PK\x06\x06");
    out.u64(44).u16(3 << 8 | VERSION).u16(VERSION).u32(0).u32(0);
    out.u64(entries).u64(entries).u64(size).u64(start);
    out.bytes(b"PK\x06\x07").u32(0).u64(start + size).u32(1);
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    out.bytes(b"PK\x05\x06").u16(0).u16(0).u16(count).u16(count);
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    out.u32(small(size)).u32(small(start)).u16(0);
    out.0
}

/// Compresses a block from a fresh state and ends it with a full flush.
fn compress(block: &[u8]) -> io::Result<Packed> {
    let mut deflate = Compress::new(Compression::new(LEVEL), false);
    let mut out = Vec::with_capacity(block.len() / 4 + 1024);
    loop {
        let used = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
        let rest = block.get(used..).unwrap_or_default();
        let status = deflate.compress_vec(rest, &mut out, FlushCompress::Full)?;
        let all_in = deflate.total_in() == block.len() as u64;
        // Room left over means that the flush itself is out as well.
        if status == Status::Ok && all_in && out.len() < out.capacity() {
            break;
        }
        out.reserve(out.capacity().max(4096));
    }
    Ok(Packed {
        bytes: out,
        plain: block.len() as u64,
        crc: crc32fast::hash(block),
    })
}

/// Little-endian fields, one after the other.
struct Record(Vec<u8>);

impl Record {
    fn new(signature: [u8; 4]) -> Self {
        Self(signature.to_vec())
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Lengths of the name and of the extra field; both are below 64 KiB by construction.
    fn name_lengths(&mut self, name: &str, extra: usize) -> &mut Self {
        let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        self.u16(short(name.len())).u16(short(extra))
    }
}
