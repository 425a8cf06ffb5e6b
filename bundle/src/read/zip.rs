//! A zip: ours, whose blocks are decoded in any order, or a foreign one, entry by entry.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;

use super::deliver::{Delivery, kind_of, problem_of, pump};
use super::names::{entry_path, top_folder};
use super::pread::{Section, Source, read_exact_at};
use super::zip_walk;
use super::{Block, EntryInfo, Interest, Problem, ProblemKind, Scratch, Task, Visitor, Work};
use crate::Limits;
use crate::zip_extra::{self, ZipBlock};

const READ_BYTES: usize = 128 << 10;
const CENTRAL_HEADER: usize = 46;
const LOCAL_HEADER: usize = 30;
/// The largest block that is decoded in one piece; a larger entry goes front to back.
const MAX_BLOCK_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Zip {
    file: Source,
    entries: Vec<Member>,
    problems: Vec<Problem>,
}

/// An entry that can be read.
#[derive(Debug)]
struct Member {
    info: Arc<EntryInfo>,
    place: Place,
    blocks: Option<Vec<ZipBlock>>,
}

/// Where an entry's data is, and what it should be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: Vec<u8>,
    pub(super) header_start: u64,
    pub(super) packed: u64,
    pub(super) plain: u64,
    pub(super) crc: u32,
    pub(super) method: Method,
    /// Whether the file ends within it.
    pub(super) is_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// What one task decodes.
#[derive(Debug)]
pub(super) enum Part {
    /// One block of our own entry: entry, block, where it starts in the data, in the entry.
    Block(usize, usize, u64, u64),
    /// A whole entry, front to back.
    Entry(usize),
}

impl Zip {
    pub(super) fn open(file: Source, size: u64, limits: &Limits) -> Self {
        let mut zip = Self {
            file,
            entries: Vec::new(),
            problems: Vec::new(),
        };
        let places = match zip.central_directory(size) {
            Ok(places) => places,
            Err(e) => {
                let detail = format!("its directory cannot be read ({e}); read front to back");
                zip.problem(None, ProblemKind::CutShort, detail);
                zip_walk::walk(&zip.file, size)
            }
        };
        zip.admit(places, size, limits);
        zip.entries.sort_by(|a, b| a.info.path.cmp(&b.info.path));
        zip
    }

    fn problem(&mut self, path: Option<String>, kind: ProblemKind, detail: String) {
        self.problems.push(Problem { path, kind, detail });
    }

    /// Reads the directory through the `zip` crate, which checks it.
    fn central_directory(&mut self, size: u64) -> io::Result<Vec<(Place, Option<Vec<ZipBlock>>)>> {
        let file = self.file.clone();
        let reader = io::BufReader::new(Section::new(&file, 0, size));
        let archive = zip::ZipArchive::new(reader).map_err(io::Error::other)?;
        let mut places = Vec::with_capacity(archive.len());
        for number in 0..archive.len() {
            let entry = archive.by_index_data(number).map_err(io::Error::other)?;
            if entry.is_dir() {
                continue;
            }
            let name = entry.name_raw().to_vec();
            let shown = Some(name.escape_ascii().to_string());
            let method = match entry.compression() {
                zip::CompressionMethod::Stored => Method::Stored,
                zip::CompressionMethod::Deflated => Method::Deflated,
                other => {
                    let detail =
                        format!("is compressed with {other:?}; unpack it and give the folder");
                    self.problem(shown, ProblemKind::TypeRefused, detail);
                    continue;
                }
            };
            if entry.encrypted() || entry.is_symlink() {
                let detail = if entry.encrypted() {
                    "is encrypted"
                } else {
                    "is a link"
                };
                self.problem(shown, ProblemKind::TypeRefused, detail.to_owned());
                continue;
            }
            let blocks = self.blocks(entry.central_header_start(), size);
            places.push((
                Place {
                    name,
                    header_start: entry.header_start(),
                    packed: entry.compressed_size(),
                    plain: entry.size(),
                    crc: entry.crc32(),
                    method,
                    is_cut: false,
                },
                blocks,
            ));
        }
        Ok(places)
    }

    /// Reads our private extra field from the central directory.
    fn blocks(&self, header_start: u64, size: u64) -> Option<Vec<ZipBlock>> {
        let mut header = [0; CENTRAL_HEADER];
        (header_start + CENTRAL_HEADER as u64 <= size).then_some(())?;
        read_exact_at(&self.file, &mut header, header_start).ok()?;
        let name = u16::from_le_bytes(header.get(28..30)?.try_into().ok()?);
        let extra = u16::from_le_bytes(header.get(30..32)?.try_into().ok()?);
        let mut fields = vec![0; usize::from(extra)];
        let at = header_start + CENTRAL_HEADER as u64 + u64::from(name);
        read_exact_at(&self.file, &mut fields, at).ok()?;
        zip_extra::decode(&fields)
    }

    /// Takes the entries whose names and places are sound.
    fn admit(&mut self, places: Vec<(Place, Option<Vec<ZipBlock>>)>, size: u64, limits: &Limits) {
        let top = top_folder(places.iter().map(|(p, _)| p.name.as_slice()));
        let mut seen = BTreeSet::new();
        let mut packed_total: u64 = 0;
        for (place, blocks) in places {
            let path = match entry_path(&place.name, top.as_deref(), limits) {
                Ok(path) => path,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let shown = Some(path.to_string());
            packed_total = packed_total.saturating_add(place.packed);
            if packed_total > size || place.header_start >= size {
                // Entries that share bytes are how small files claim petabytes.
                let detail = "overlaps other entries or the end of the file".to_owned();
                self.problem(shown, ProblemKind::Damaged, detail);
            } else if self.entries.len() >= limits.max_entries {
                let detail = format!("more than {} entries", limits.max_entries);
                self.problem(shown, ProblemKind::OverLimit, detail);
            } else if !seen.insert(path.clone()) {
                let detail = "is there twice; the first counts".to_owned();
                self.problem(shown, ProblemKind::Duplicate, detail);
            } else {
                let info = EntryInfo::new(path, Some(place.plain));
                let blocks = blocks.filter(|blocks| are_sound(blocks, &place));
                self.entries.push(Member {
                    info,
                    place,
                    blocks,
                });
            }
        }
    }

    pub(super) fn has_blocks(&self) -> bool {
        self.entries.iter().any(|e| e.blocks.is_some())
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = &Arc<EntryInfo>> {
        self.entries.iter().map(|e| &e.info)
    }

    pub(super) fn plan(&self, visitor: &dyn Visitor) -> Vec<Task> {
        for problem in &self.problems {
            visitor.problem(problem.clone());
        }
        let mut tasks = Vec::new();
        for (number, member) in self.entries.iter().enumerate() {
            match (visitor.interest(&member.info), &member.blocks) {
                (Interest::Skip, _) => {}
                (Interest::Blocks, Some(blocks)) => {
                    let (mut packed, mut plain) = (0, 0);
                    for (at, block) in blocks.iter().enumerate() {
                        let part = Part::Block(number, at, packed, plain);
                        let work = Work::Zip(part);
                        tasks.push(Task {
                            weight: block.packed,
                            is_stream: false,
                            work,
                        });
                        packed += block.packed;
                        plain += block.plain;
                    }
                }
                _ => {
                    let work = Work::Zip(Part::Entry(number));
                    tasks.push(Task {
                        weight: member.place.packed,
                        is_stream: false,
                        work,
                    });
                }
            }
        }
        tasks
    }

    pub(super) fn run(
        &self,
        part: &Part,
        limits: &Limits,
        scratch: &mut Scratch,
        visitor: &dyn Visitor,
    ) {
        match *part {
            Part::Entry(number) => {
                if let Some(member) = self.entries.get(number) {
                    self.run_entry(member, limits, scratch, visitor);
                }
            }
            Part::Block(number, at, packed, plain) => {
                let Some(member) = self.entries.get(number) else {
                    return;
                };
                let blocks = member.blocks.as_deref().unwrap_or_default();
                let Some(this) = blocks.get(at) else { return };
                match self.decode(member, *this, packed, scratch) {
                    Ok(()) => {
                        let block = Block {
                            bytes: &scratch.plain,
                            offset: plain,
                            first_line: this.first_line,
                            starts_mid_line: this.starts_mid_line,
                            is_last: at + 1 == blocks.len(),
                        };
                        visitor.block(&member.info, block);
                    }
                    Err(e) => {
                        let (bytes, line) = (this.plain, this.first_line);
                        let detail = format!("{bytes} bytes from line {line} on are lost: {e}");
                        visitor.problem(problem_of(&member.info, ProblemKind::Damaged, detail));
                    }
                }
            }
        }
    }

    /// Inflates one block into `scratch.plain`. The checksum of an entry covers all of its
    /// blocks and is checked where an entry is read front to back.
    fn decode(
        &self,
        member: &Member,
        block: ZipBlock,
        at: u64,
        scratch: &mut Scratch,
    ) -> io::Result<()> {
        let too_large = |_| io::Error::other("a block is too large");
        let start = self.data_start(&member.place)? + at;
        scratch
            .packed
            .resize(usize::try_from(block.packed).map_err(too_large)?, 0);
        read_exact_at(&self.file, &mut scratch.packed, start)?;
        scratch
            .plain
            .resize(usize::try_from(block.plain).map_err(too_large)?, 0);
        let inflate = scratch
            .inflate
            .get_or_insert_with(|| flate2::Decompress::new(false));
        inflate.reset(false);
        let sync = flate2::FlushDecompress::Sync;
        inflate.decompress(&scratch.packed, &mut scratch.plain, sync)?;
        if inflate.total_out() == block.plain {
            Ok(())
        } else {
            Err(io::Error::other("a block does not inflate to its size"))
        }
    }

    fn run_entry(
        &self,
        member: &Member,
        limits: &Limits,
        scratch: &mut Scratch,
        visitor: &dyn Visitor,
    ) {
        let delivery = Delivery::new(&member.info, limits, visitor);
        match self.reader(&member.place) {
            Ok(mut reader) => {
                pump(&mut reader, &mut scratch.plain, delivery);
            }
            Err(e) => delivery.problem(kind_of(&e), e.to_string()),
        }
    }

    pub(super) fn read(&self, path: &str, limits: &Limits) -> Result<Vec<u8>, Problem> {
        let found = self.entries.iter().find(|e| e.info.path.as_str() == path);
        let member = found.ok_or_else(|| Problem::no_such_entry(path))?;
        let failed = |e: io::Error| problem_of(&member.info, kind_of(&e), e.to_string());
        let mut bytes = Vec::new();
        let mut reader = self
            .reader(&member.place)
            .map_err(failed)?
            .take(limits.max_whole_bytes);
        reader.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// An entry's plain bytes as a stream that checks size and checksum at its end.
    fn reader<'a>(&'a self, place: &'a Place) -> io::Result<Checked<'a>> {
        let start = self.data_start(place)?;
        let section = Section::new(&self.file, start, start.saturating_add(place.packed));
        let section = io::BufReader::with_capacity(READ_BYTES, section);
        let inner: Box<dyn Read> = match place.method {
            Method::Stored => Box::new(section),
            Method::Deflated => Box::new(DeflateDecoder::new(section)),
        };
        Ok(Checked {
            inner,
            place,
            crc: crc32fast::Hasher::new(),
            total: 0,
        })
    }

    /// The local header repeats the name with lengths of its own.
    fn data_start(&self, place: &Place) -> io::Result<u64> {
        let mut header = [0; LOCAL_HEADER];
        read_exact_at(&self.file, &mut header, place.header_start)?;
        let [.., name_low, name_high, extra_low, extra_high] = header;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "no local header where it should be",
            ));
        }
        let name = u64::from(u16::from_le_bytes([name_low, name_high]));
        let extra = u64::from(u16::from_le_bytes([extra_low, extra_high]));
        Ok(place.header_start + LOCAL_HEADER as u64 + name + extra)
    }
}

/// Whether the blocks add up to the entry and are small enough to be decoded alone.
fn are_sound(blocks: &[ZipBlock], place: &Place) -> bool {
    let packed: u64 = blocks.iter().map(|b| b.packed).sum();
    let plain: u64 = blocks.iter().map(|b| b.plain).sum();
    place.method == Method::Deflated
        && packed <= place.packed
        && plain == place.plain
        && blocks
            .iter()
            .all(|b| b.plain <= MAX_BLOCK_BYTES && b.plain / 1100 <= b.packed)
}

/// Ends in an error when the bytes are not those that the directory announced.
struct Checked<'a> {
    inner: Box<dyn Read + 'a>,
    place: &'a Place,
    crc: crc32fast::Hasher,
    total: u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()));
        let count = self.inner.read(buffer)?;
        self.crc.update(buffer.get(..count).unwrap_or_default());
        self.total += count as u64;
        if self.place.is_cut {
            return if count == 0 {
                Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file ends in the middle",
                ))
            } else {
                Ok(count)
            };
        }
        if self.total > self.place.plain {
            return damaged("it is longer than the size announced");
        }
        if count == 0 && !buffer.is_empty() {
            if self.total < self.place.plain {
                return damaged("it is shorter than the size announced");
            }
            if self.crc.clone().finalize() != self.place.crc {
                return damaged("its checksum is wrong");
            }
        }
        Ok(count)
    }
}
