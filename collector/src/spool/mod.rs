//! Where an entry waits until it is whole: in memory while small, then in a nameless temporary
//! file. Only redacted bytes ever get here.

mod ends;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use ends::Ends;

/// Makes temporary files beside the bundle, where there is room for it.
#[derive(Debug, Clone)]
pub struct SpoolFolder {
    folder: PathBuf,
    memory: usize,
}

impl SpoolFolder {
    /// Spools that keep up to `memory` bytes each before they open a file in `folder`.
    pub fn new(folder: &Path, memory: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            memory,
        }
    }

    /// An empty spool.
    pub fn spool(&self) -> Spool {
        Spool {
            folder: self.clone(),
            memory: Vec::new(),
            file: None,
            bytes: 0,
        }
    }
}

/// One entry in the making.
#[derive(Debug)]
pub struct Spool {
    folder: SpoolFolder,
    memory: Vec<u8>,
    file: Option<File>,
    bytes: u64,
}

impl Spool {
    /// Appends redacted bytes.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > self.folder.memory {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<&mut File> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder.folder)?),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(file)
    }

    /// The file with everything written so far in it.
    fn in_file(&mut self) -> io::Result<&mut File> {
        if !self.memory.is_empty() || self.file.is_none() {
            return self.spill();
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The whole content, to be read once.
    pub fn finish(mut self) -> Content {
        let mut stretches = Vec::new();
        let in_file = self.bytes - self.memory.len() as u64;
        if in_file > 0 {
            stretches.push(Stretch::File(0, in_file));
        }
        let mut rest = std::mem::take(&mut self.memory);
        rest.shrink_to_fit();
        stretches.push(Stretch::Bytes(rest));
        self.into_content(stretches)
    }

    /// Content made of stretches of the file and of other bytes.
    fn into_content(self, stretches: Vec<Stretch>) -> Content {
        Content {
            file: self.file.map(Arc::new),
            stretches,
        }
    }
}

/// Several entries in the making that share one temporary file: the per-namespace parts of a
/// cluster-wide list, whose number nobody knows before.
#[derive(Debug)]
pub struct SharedSpool {
    folder: SpoolFolder,
    file: Option<File>,
    file_bytes: u64,
    buffered: usize,
}

/// One part of a [`SharedSpool`].
#[derive(Debug, Default)]
pub struct Part {
    before: Vec<u8>,
    segments: Vec<(u64, u64)>,
    buffer: Vec<u8>,
}

impl Part {
    /// The same with something before and something after it. To be called once, when all is
    /// written.
    #[must_use]
    pub fn framed(mut self, before: &[u8], after: &[u8]) -> Self {
        self.before = before.to_vec();
        self.buffer.extend_from_slice(after);
        self
    }
}

impl SharedSpool {
    /// Bytes of all parts together that stay in memory.
    const MEMORY: usize = 2 << 20;

    /// A spool with no parts.
    pub fn new(folder: &SpoolFolder) -> Self {
        Self {
            folder: folder.clone(),
            file: None,
            file_bytes: 0,
            buffered: 0,
        }
    }

    /// Appends redacted bytes to a part. Says whether it is time to call [`SharedSpool::spill`]
    /// with all parts.
    pub fn write(&mut self, part: &mut Part, bytes: &[u8]) -> bool {
        part.buffer.extend_from_slice(bytes);
        self.buffered += bytes.len();
        self.buffered > Self::MEMORY
    }

    /// Moves what the parts hold in memory to the file.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn spill<'a>(&mut self, parts: impl Iterator<Item = &'a mut Part>) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder.folder)?),
        };
        for part in parts.filter(|p| !p.buffer.is_empty()) {
            file.write_all(&part.buffer)?;
            let len = part.buffer.len() as u64;
            part.segments.push((self.file_bytes, len));
            self.file_bytes += len;
            part.buffer = Vec::new();
        }
        self.buffered = 0;
        Ok(())
    }

    /// The content of every part, to be read once, each on one thread at a time.
    pub fn finish<K>(self, parts: impl IntoIterator<Item = (K, Part)>) -> Vec<(K, Content)> {
        let file = self.file.map(Arc::new);
        let content = |part: Part| {
            let in_file = part.segments.into_iter();
            let in_file = in_file.map(|(offset, len)| Stretch::File(offset, len));
            let before = std::iter::once(Stretch::Bytes(part.before));
            let after = std::iter::once(Stretch::Bytes(part.buffer));
            Content {
                file: file.clone(),
                stretches: before.chain(in_file).chain(after).collect(),
            }
        };
        let parts = parts.into_iter();
        parts.map(|(key, part)| (key, content(part))).collect()
    }
}

/// The bytes of a whole entry.
#[derive(Debug)]
pub struct Content {
    file: Option<Arc<File>>,
    stretches: Vec<Stretch>,
}

/// A part of an entry.
#[derive(Debug)]
enum Stretch {
    Bytes(Vec<u8>),
    /// Offset and length in the file.
    File(u64, u64),
}

impl Stretch {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }
}

impl Content {
    /// Content that is all in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            file: None,
            stretches: vec![Stretch::Bytes(bytes)],
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.stretches.iter().map(Stretch::len).sum()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads it from its start. Two contents that share a file must not be read at one time.
    pub fn reader(&self) -> impl Read + '_ {
        Reader {
            content: self,
            stretch: 0,
            done: 0,
        }
    }
}

struct Reader<'a> {
    content: &'a Content,
    stretch: usize,
    /// Bytes read of the current stretch.
    done: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(stretch) = self.content.stretches.get(self.stretch) {
            if self.done == stretch.len() {
                self.stretch += 1;
                self.done = 0;
                continue;
            }
            let read = match stretch {
                Stretch::Bytes(bytes) => {
                    let done = usize::try_from(self.done).unwrap_or(usize::MAX);
                    bytes.get(done..).unwrap_or_default().read(buffer)?
                }
                Stretch::File(offset, len) => {
                    let Some(mut file) = self.content.file.as_deref() else {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    };
                    file.seek(SeekFrom::Start(offset + self.done))?;
                    let read = file.take(len - self.done).read(buffer)?;
                    if read == 0 && !buffer.is_empty() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    read
                }
            };
            self.done += read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        content.reader().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, content.len());
        bytes
    }

    #[test]
    fn a_spool_gives_back_what_was_written_whether_it_spilled_or_not() {
        let folder = tempfile::tempdir().unwrap();
        for memory in [0, 10, 1000] {
            let mut spool = SpoolFolder::new(folder.path(), memory).spool();
            let mut all = Vec::new();
            for i in 0..100u8 {
                let bytes = vec![i; usize::from(i % 7)];
                spool.write(&bytes).unwrap();
                all.extend(bytes);
            }
            assert_eq!(read(&spool.finish()), all);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn parts_that_share_a_file_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = SharedSpool::new(&SpoolFolder::new(folder.path(), 10));
        let mut parts = [Part::default(), Part::default()];
        for round in 0..5u8 {
            for (i, part) in (0u8..).zip(&mut parts) {
                spool.write(part, &[i * 100 + round; 3]);
            }
            if round % 2 == 0 {
                spool.spill(parts.iter_mut()).unwrap();
            }
        }
        let contents = spool.finish((0u8..).zip(parts));
        for (i, content) in contents {
            let expected: Vec<u8> = (0..5).flat_map(|r| [i * 100 + r; 3]).collect();
            assert_eq!(read(&content), expected);
        }
    }
}
