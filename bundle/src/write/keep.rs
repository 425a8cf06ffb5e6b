//! Takes entries of an existing tar.gz over as they are: whole gzip members are copied, without
//! being decompressed.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::tar_gz::TarGzWriter;
use crate::index::{Index, IndexEntry, Member};
use crate::read::Indexed;
use crate::{EntryPath, EntryRecord};

/// Entries that share gzip members, and those members. Both ends are where an entry begins or
/// ends, so that they can be copied without the rest.
struct Run {
    members: Range<usize>,
    entries: Range<usize>,
    /// Where its first entry begins in the tar stream.
    start: u64,
}

impl TarGzWriter {
    /// Copies every run of which all entries are wanted, and gives those entries.
    pub(super) fn keep<'a>(
        &mut self,
        from: &Indexed,
        wanted: &'a BTreeMap<EntryPath, EntryRecord>,
    ) -> io::Result<Vec<&'a EntryRecord>> {
        let index = from.index();
        let mut kept = Vec::new();
        for run in runs(index) {
            let members = index.members.get(run.members.clone()).unwrap_or_default();
            let entries = index.entries.get(run.entries.clone()).unwrap_or_default();
            let records: Option<Vec<&EntryRecord>> =
                entries.iter().map(|e| wanted.get(&e.path)).collect();
            let (Some(records), [first, .., last] | [first @ last]) = (records, members) else {
                continue;
            };
            let entries = entries.iter().map(|e| shifted(e, &run));
            self.append_packed(&mut from.packed(first, last), members, entries)?;
            kept.extend(records);
        }
        Ok(kept)
    }
}

/// An entry with its places counted from the start of its run.
fn shifted(entry: &IndexEntry, run: &Run) -> IndexEntry {
    let mut entry = entry.clone();
    entry.tar_offset -= run.start;
    let before = u32::try_from(run.members.start).unwrap_or(u32::MAX);
    for piece in &mut entry.pieces {
        piece.member = piece.member.saturating_sub(before);
    }
    entry
}

/// All runs of a bundle. An index whose places do not fit together has fewer of them.
fn runs(index: &Index) -> Vec<Run> {
    let mut starts = vec![0];
    for member in &index.members {
        let end = starts.last().copied().unwrap_or(0) + member.plain;
        starts.push(end);
    }
    let mut runs = Vec::new();
    let mut first = 0;
    for next in 1..=index.entries.len() {
        let end = match index.entries.get(next) {
            Some(entry) => entry.tar_offset,
            None => starts.last().copied().unwrap_or(0),
        };
        let is_border = starts.binary_search(&end);
        let (Ok(member), Some(entry)) = (is_border, index.entries.get(first)) else {
            continue;
        };
        let start = entry.tar_offset;
        let entries = first..next;
        let are_sound = sound(index.entries.get(entries.clone()), start..end);
        if let (Ok(from), true) = (starts.binary_search(&start), are_sound && end > start) {
            let run = Run {
                members: from..member,
                entries,
                start,
            };
            let holds = |e: &IndexEntry| {
                let mut members = e
                    .pieces
                    .iter()
                    .filter_map(|p| usize::try_from(p.member).ok());
                members.all(|m| run.members.contains(&m))
            };
            if index
                .entries
                .get(run.entries.clone())
                .is_some_and(|e| e.iter().all(holds))
            {
                runs.push(run);
            }
        }
        first = next;
    }
    runs
}

/// Whether entries follow each other within a part of the tar stream.
fn sound(entries: Option<&[IndexEntry]>, range: Range<u64>) -> bool {
    let offsets = entries.unwrap_or_default().iter().map(|e| e.tar_offset);
    offsets.clone().is_sorted() && offsets.clone().all(|at| range.contains(&at))
}

impl TarGzWriter {
    /// Appends gzip members that are packed already, with the entries in them.
    fn append_packed(
        &mut self,
        packed: &mut dyn io::Read,
        members: &[Member],
        entries: impl Iterator<Item = IndexEntry>,
    ) -> io::Result<()> {
        self.flush()?;
        let (tar_offset, first_member) = (self.tar_bytes, self.next_member);
        self.entries.extend(entries.map(|mut entry| {
            entry.tar_offset += tar_offset;
            for piece in &mut entry.pieces {
                piece.member += first_member;
            }
            entry
        }));
        let expected: u64 = members.iter().map(|m| m.packed).sum();
        let copied = io::copy(packed, &mut self.file)?;
        if copied != expected {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for member in members {
            let offset = self.written;
            self.members.push_back(Member { offset, ..*member });
            self.written += member.packed;
            self.tar_bytes += member.plain;
            self.plain_written += member.plain;
            self.next_member += 1;
        }
        Ok(())
    }
}
