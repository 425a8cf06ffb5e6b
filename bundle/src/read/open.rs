//! Opens a file by what it holds, whatever its name says.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::detect::{Content, detect, is_tar};
use super::folder::Folder;
use super::indexed::Indexed;
use super::pread::{self, Source};
use super::stream::Stream;
use super::{Inner, Problem, ProblemKind, zip};
use crate::Limits;
use crate::seal::{Identity, MAGIC};

/// How many bytes of a file are looked at to tell what it is.
const HEAD_BYTES: u64 = 4096;

/// Why a path could not be opened as a bundle at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The host could not open it.
    #[error("cannot open `{path}`")]
    Io {
        /// What was to be opened.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("`{path}` is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Content of a form that is no bundle; the text says what to do instead.
    #[error("`{path}` is {what}")]
    WrongForm {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do instead.
        what: String,
    },
    /// The manifest says a format that this program does not know.
    #[error("`{path}` is in bundle format {found}; this program reads up to {known}")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The manifest's format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
}

pub(super) fn open_file(
    path: &Path,
    size: u64,
    limits: &Limits,
    identities: &[Identity],
) -> Result<Inner, OpenError> {
    let failed = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    if size == 0 {
        return Err(OpenError::Empty {
            path: path.to_owned(),
        });
    }
    let wrong = |what: String| OpenError::WrongForm {
        path: path.to_owned(),
        what,
    };
    let file = File::open(path).map_err(failed)?;
    let mut file = Source::plain(file);
    let mut size = size;
    let mut start = head(&file, size).map_err(failed)?;
    let is_sealed = start.starts_with(MAGIC);
    if is_sealed && !identities.is_empty() {
        let sealed = File::open(path).map_err(failed)?;
        (file, size) = Source::sealed(sealed, size, identities).map_err(wrong)?;
        start = head(&file, size).map_err(failed)?;
    }
    let head = start;
    match detect(&head) {
        Content::Gzip => open_gzip(path, file, size, limits),
        Content::Tar => {
            let stream = Stream::new(file, size, false, None);
            Ok(Inner::Stream {
                stream,
                is_packed: false,
            })
        }
        Content::Zip => {
            let zip = zip::Zip::open(file, size, limits);
            let infos = zip.infos().map(Arc::clone).collect();
            Ok(Inner::Zip(zip, infos))
        }
        Content::Text if is_sealed => Err(wrong(
            "encrypted, and no archive; decrypt it with `age --decrypt` and give the file"
                .to_owned(),
        )),
        Content::Text => Ok(Inner::Single(Folder::of_file(path, size))),
        Content::Foreign(what) => Err(wrong(what.to_owned())),
    }
}

/// Opens a tar.gz with or without our index, or a single file packed with gzip.
fn open_gzip(path: &Path, file: Source, size: u64, limits: &Limits) -> Result<Inner, OpenError> {
    let notice = match Indexed::open(&file, size, limits) {
        Ok(Ok(Some(indexed))) => return Ok(Inner::Indexed(Box::new(indexed))),
        Ok(Ok(None)) => None,
        Ok(Err(detail)) => {
            let detail = format!("the index is not used: {detail}");
            Some(Problem {
                path: None,
                kind: ProblemKind::IndexUnsound,
                detail,
            })
        }
        Err(OpenError::TooNew { found, known, .. }) => {
            return Err(OpenError::TooNew {
                path: path.to_owned(),
                found,
                known,
            });
        }
        Err(other) => return Err(other),
    };
    let packed = io::BufReader::new(pread::Section::new(&file, 0, size));
    let mut plain = Vec::new();
    let decoded = flate2::bufread::MultiGzDecoder::new(packed)
        .take(HEAD_BYTES)
        .read_to_end(&mut plain);
    if is_tar(&plain) {
        let stream = Stream::new(file, size, true, notice);
        return Ok(Inner::Stream {
            stream,
            is_packed: true,
        });
    }
    match (decoded, detect(&plain)) {
        (Err(e), _) if plain.is_empty() => Err(OpenError::WrongForm {
            path: path.to_owned(),
            what: format!("a gzip file that cannot be decoded: {e}"),
        }),
        (Ok(0), _) => Err(OpenError::Empty {
            path: path.to_owned(),
        }),
        (_, Content::Foreign(what)) => {
            let what = format!("gzip around {what}");
            Err(OpenError::WrongForm {
                path: path.to_owned(),
                what,
            })
        }
        _ => Ok(Inner::Single(Folder::of_file(path, size))),
    }
}

/// The first bytes of a file.
fn head(file: &Source, size: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    pread::Section::new(file, 0, size)
        .take(HEAD_BYTES)
        .read_to_end(&mut head)?;
    Ok(head)
}
