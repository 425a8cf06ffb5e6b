//! Our tar.gz with its index: every gzip member is decoded alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress, Status};

use super::deliver::problem_of;
use super::pread::{Section, Source, read_exact_at};
use super::{
    Block, EntryInfo, Interest, OpenError, Problem, ProblemKind, Scratch, Task, Visitor, Work,
};
use crate::index::{FOOTER_BYTES, Index, IndexEntry, Member, Piece, parse_footer};
use crate::{FormatVersion, Limits};

/// The largest index that is read, unpacked.
const MAX_INDEX_BYTES: u64 = 1 << 30;
/// The largest member that is decoded in one piece. Ours are little above 1 MiB.
const MAX_MEMBER_BYTES: u64 = 64 << 20;
/// Length of our members' gzip header and trailer.
const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

#[derive(Debug)]
pub(crate) struct Indexed {
    file: Source,
    index: Index,
    infos: Vec<Arc<EntryInfo>>,
}

/// What one task decodes.
#[derive(Debug)]
pub(super) enum Part {
    /// One member, and the pieces of it that are wanted: entry, piece.
    Member(u32, Vec<(usize, usize)>),
    /// All pieces of one entry, in order.
    Entry(usize),
}

impl Indexed {
    /// Opens the index; `Ok(None)` when there is no footer, a problem when it is unsound.
    pub(super) fn open(
        file: &Source,
        size: u64,
        limits: &Limits,
    ) -> Result<Result<Option<Self>, String>, OpenError> {
        match read_index(file, size) {
            Ok(None) => Ok(Ok(None)),
            Err(e) => Ok(Err(e.to_string())),
            Ok(Some((index, offset))) => {
                if !index.format.is_readable() {
                    return Err(OpenError::TooNew {
                        path: std::path::PathBuf::new(),
                        found: index.format.0,
                        known: FormatVersion::CURRENT.0,
                    });
                }
                if let Err(e) = check(&index, offset, limits) {
                    return Ok(Err(e));
                }
                let file = file.clone();
                let infos = index.entries.iter();
                let infos = infos
                    .map(|e| EntryInfo::new(e.path.clone(), Some(e.bytes)))
                    .collect();
                Ok(Ok(Some(Self { file, index, infos })))
            }
        }
    }

    /// The entries in the order of the container.
    pub(super) fn infos(&self) -> &[Arc<EntryInfo>] {
        &self.infos
    }

    /// The first component of the first entry's path as the tar stream has it.
    pub(super) fn top_folder(&self) -> Option<String> {
        let mut scratch = Scratch::default();
        self.decode(0, &mut scratch).ok()?;
        let mut archive = tar::Archive::new(scratch.plain.as_slice());
        let entry = archive.entries().ok()?.next()?.ok()?;
        let path = entry.path().ok()?;
        let first = path.components().next()?.as_os_str().to_str()?;
        Some(first.to_owned())
    }

    /// What the index says.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Some gzip members in a row, as they are in the file.
    pub(crate) fn packed(&self, first: &Member, last: &Member) -> impl Read + '_ {
        Section::new(&self.file, first.offset, last.offset + last.packed)
    }

    pub(super) fn plan(&self, visitor: &dyn Visitor) -> Vec<Task> {
        let mut members: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
        let mut tasks = Vec::new();
        for (number, (info, entry)) in self.infos.iter().zip(&self.index.entries).enumerate() {
            let interest = visitor.interest(info);
            if interest == Interest::Skip {
                continue;
            }
            let in_pieces = interest == Interest::Blocks || entry.pieces.len() == 1;
            if in_pieces && !entry.pieces.is_empty() {
                for (at, piece) in entry.pieces.iter().enumerate() {
                    members.entry(piece.member).or_default().push((number, at));
                }
            } else {
                let weight = entry.pieces.iter().filter_map(|p| self.member(p.member));
                let weight = weight.map(|m| m.packed).sum();
                let work = Work::Indexed(Part::Entry(number));
                tasks.push(Task {
                    weight,
                    is_stream: false,
                    work,
                });
            }
        }
        tasks.extend(members.into_iter().map(|(number, parts)| Task {
            weight: self.member(number).map_or(0, |m| m.packed),
            is_stream: false,
            work: Work::Indexed(Part::Member(number, parts)),
        }));
        tasks
    }

    pub(super) fn run(
        &self,
        part: &Part,
        limits: &Limits,
        scratch: &mut Scratch,
        visitor: &dyn Visitor,
    ) {
        match part {
            Part::Member(number, parts) => self.run_member(*number, parts, scratch, visitor),
            Part::Entry(number) => self.run_entry(*number, limits, scratch, visitor),
        }
    }

    fn run_member(
        &self,
        number: u32,
        parts: &[(usize, usize)],
        scratch: &mut Scratch,
        visitor: &dyn Visitor,
    ) {
        let decoded = self.decode(number, scratch);
        for (entry, at) in parts {
            let (Some(info), Some(entry)) =
                (self.infos.get(*entry), self.index.entries.get(*entry))
            else {
                continue;
            };
            let Some(piece) = entry.pieces.get(*at) else {
                continue;
            };
            match (&decoded, slice(&scratch.plain, piece)) {
                (Ok(()), Some(bytes)) if visitor.interest(info) == Interest::Whole => {
                    visitor.whole(info, bytes.to_vec());
                }
                (Ok(()), Some(bytes)) => visitor.block(info, block(entry, *at, bytes)),
                (Ok(()), None) => {}
                (Err(e), _) => visitor.problem(lost(info, piece, e)),
            }
        }
    }

    /// Decodes an entry piece by piece, on one thread.
    fn run_entry(
        &self,
        number: usize,
        limits: &Limits,
        scratch: &mut Scratch,
        visitor: &dyn Visitor,
    ) {
        let (Some(info), Some(entry)) = (self.infos.get(number), self.index.entries.get(number))
        else {
            return;
        };
        let is_whole = visitor.interest(info) == Interest::Whole;
        if is_whole && entry.bytes > limits.max_whole_bytes {
            let detail = format!("{} bytes, more than can be held as a whole", entry.bytes);
            visitor.problem(problem_of(info, ProblemKind::OverLimit, detail));
            return;
        }
        let mut whole = Vec::new();
        for (at, piece) in entry.pieces.iter().enumerate() {
            if let Err(e) = self.decode(piece.member, scratch) {
                visitor.problem(lost(info, piece, &e));
                continue;
            }
            let bytes = slice(&scratch.plain, piece).unwrap_or_default();
            if is_whole {
                whole.extend_from_slice(bytes);
            } else {
                visitor.block(info, block(entry, at, bytes));
            }
        }
        if is_whole {
            visitor.whole(info, whole);
        } else if entry.pieces.is_empty() {
            visitor.block(info, Block::empty());
        }
    }

    pub(super) fn read(&self, path: &str, limits: &Limits) -> Result<Vec<u8>, Problem> {
        let found = self
            .infos
            .iter()
            .zip(&self.index.entries)
            .find(|(i, _)| i.path.as_str() == path);
        let Some((info, entry)) = found else {
            return Err(Problem::no_such_entry(path));
        };
        if entry.bytes > limits.max_whole_bytes {
            let detail = format!("{} bytes, more than can be held as a whole", entry.bytes);
            return Err(problem_of(info, ProblemKind::OverLimit, detail));
        }
        let mut scratch = Scratch::default();
        let mut whole = Vec::new();
        for piece in &entry.pieces {
            self.decode(piece.member, &mut scratch)
                .map_err(|e| lost(info, piece, &e))?;
            whole.extend_from_slice(slice(&scratch.plain, piece).unwrap_or_default());
        }
        Ok(whole)
    }

    fn member(&self, number: u32) -> Option<&Member> {
        self.index.members.get(usize::try_from(number).ok()?)
    }

    /// Decodes one member into `scratch.plain`.
    fn decode(&self, number: u32, scratch: &mut Scratch) -> io::Result<()> {
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let member = self
            .member(number)
            .ok_or_else(|| damaged("no such gzip member"))?;
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| damaged("too large"));
        scratch.packed.resize(size(member.packed)?, 0);
        read_exact_at(&self.file, &mut scratch.packed, member.offset)?;
        let end = scratch.packed.len().saturating_sub(GZIP_TRAILER);
        let deflated = scratch.packed.get(GZIP_HEADER..end).unwrap_or_default();
        inflate(
            &mut scratch.inflate,
            deflated,
            &mut scratch.plain,
            size(member.plain)?,
        )?;
        if crc32fast::hash(&scratch.plain) == member.crc {
            Ok(())
        } else {
            Err(damaged("the checksum of a block is wrong"))
        }
    }
}

/// Inflates a raw deflate stream of exactly `size` plain bytes.
fn inflate(
    state: &mut Option<Decompress>,
    deflated: &[u8],
    plain: &mut Vec<u8>,
    size: usize,
) -> io::Result<()> {
    let state = state.get_or_insert_with(|| Decompress::new(false));
    state.reset(false);
    plain.resize(size, 0);
    let status = state.decompress(deflated, plain, FlushDecompress::Finish)?;
    let is_whole = state.total_out() == size as u64;
    if is_whole && matches!(status, Status::StreamEnd | Status::Ok) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "a block does not inflate to its size",
    ))
}

fn slice<'a>(plain: &'a [u8], piece: &Piece) -> Option<&'a [u8]> {
    let start = usize::try_from(piece.offset).ok()?;
    plain.get(start..start.checked_add(usize::try_from(piece.bytes).ok()?)?)
}

fn block<'a>(entry: &IndexEntry, at: usize, bytes: &'a [u8]) -> Block<'a> {
    let before = entry.pieces.get(..at).unwrap_or_default();
    let this = entry.pieces.get(at);
    Block {
        bytes,
        offset: before.iter().map(|p| p.bytes).sum(),
        first_line: this.map_or(1, |p| p.first_line),
        starts_mid_line: this.is_some_and(|p| p.starts_mid_line),
        is_last: at + 1 == entry.pieces.len(),
    }
}

fn lost(info: &EntryInfo, piece: &Piece, error: &io::Error) -> Problem {
    let detail = format!(
        "{} bytes from line {} on are lost: {error}",
        piece.bytes, piece.first_line
    );
    problem_of(info, ProblemKind::Damaged, detail)
}

/// Reads the index by way of the footer, with the offset of its member.
fn read_index(file: &Source, size: u64) -> io::Result<Option<(Index, u64)>> {
    let Some(footer_at) = size.checked_sub(FOOTER_BYTES as u64) else {
        return Ok(None);
    };
    let mut footer = [0; FOOTER_BYTES];
    read_exact_at(file, &mut footer, footer_at)?;
    let Some((offset, crc)) = parse_footer(&footer) else {
        return Ok(None);
    };
    if offset >= footer_at {
        return Err(io::Error::other("the footer points behind itself"));
    }
    let packed = io::BufReader::new(Section::new(file, offset, footer_at));
    let tar = flate2::bufread::MultiGzDecoder::new(packed).take(MAX_INDEX_BYTES);
    let mut archive = tar::Archive::new(tar);
    let Some(entry) = archive.entries()?.next() else {
        return Err(io::Error::other("the footer does not point to an index"));
    };
    // As text it would be one of the largest things in memory, so it is read as it is unpacked.
    let mut text = Summed::new(entry?);
    let index = serde_json::from_reader(io::BufReader::new(&mut text));
    io::copy(&mut text, &mut io::sink())?;
    if text.sum.clone().finalize() != crc {
        return Err(io::Error::other("the index's checksum is wrong"));
    }
    Ok(Some((index?, offset)))
}

/// Adds up what passes through.
struct Summed<R> {
    inner: R,
    sum: crc32fast::Hasher,
}

impl<R: Read> Summed<R> {
    fn new(inner: R) -> Self {
        let sum = crc32fast::Hasher::new();
        Self { inner, sum }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(into)?;
        self.sum.update(into.get(..len).unwrap_or_default());
        Ok(len)
    }
}

/// Checks that the index only speaks of what can be there.
fn check(index: &Index, end: u64, limits: &Limits) -> Result<(), String> {
    let mut at = 0;
    for member in &index.members {
        let fits = member.offset == at && member.plain <= MAX_MEMBER_BYTES;
        let ratio_fits = member.packed >= (GZIP_HEADER + GZIP_TRAILER) as u64
            && member.plain / 1100 <= member.packed;
        at = member
            .offset
            .checked_add(member.packed)
            .filter(|at| *at <= end && fits && ratio_fits)
            .ok_or("a gzip member of the index cannot be where it says")?;
    }
    if index.entries.len() > limits.max_entries {
        return Err(format!("more than {} entries", limits.max_entries));
    }
    let mut paths = BTreeSet::new();
    for entry in &index.entries {
        if !paths.insert(&entry.path) {
            return Err(format!("`{}` is there twice", entry.path));
        }
        check_entry(index, entry)
            .ok_or_else(|| format!("`{}` cannot be where it says", entry.path))?;
    }
    Ok(())
}

fn check_entry(index: &Index, entry: &IndexEntry) -> Option<()> {
    let mut total: u64 = 0;
    for piece in &entry.pieces {
        let member = index.members.get(usize::try_from(piece.member).ok()?)?;
        let end = piece.offset.checked_add(piece.bytes)?;
        (end <= member.plain).then_some(())?;
        total = total.checked_add(piece.bytes)?;
    }
    (total == entry.bytes).then_some(())
}
