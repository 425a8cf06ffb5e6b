//! Finds the entries of a zip that has no directory, by walking from local header to local
//! header: what is left when the writer was killed.

use std::io::{self, BufRead, BufReader, Read};

use super::pread::{Section, Source, read_exact_at};
use super::zip::{Method, Place};
use crate::zip_extra::ZipBlock;

const LOCAL_HEADER: usize = 30;
const DESCRIPTOR_FLAG: u16 = 1 << 3;
const READ_BYTES: usize = 256 << 10;

/// The entries up to where the file ends or stops making sense.
pub(super) fn walk(file: &Source, size: u64) -> Vec<(Place, Option<Vec<ZipBlock>>)> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Ok(Some((place, next))) = local_entry(file, at, size) {
        let is_cut = place.is_cut;
        places.push((place, None));
        if is_cut || next <= at {
            break;
        }
        at = next;
    }
    places
}

/// Reads the entry whose header is at `at`; gives it and where the next one starts.
fn local_entry(file: &Source, at: u64, size: u64) -> io::Result<Option<(Place, u64)>> {
    let mut header = [0; LOCAL_HEADER];
    read_exact_at(file, &mut header, at)?;
    let mut fields = Fields(&header);
    if fields.bytes(4) != b"PK\x03\x04" {
        return Ok(None);
    }
    let (_version, flags, method) = (fields.u16(), fields.u16(), fields.u16());
    let (_time, crc) = (fields.u32(), fields.u32());
    let (packed, plain) = (u64::from(fields.u32()), u64::from(fields.u32()));
    let (name_bytes, extra_bytes) = (fields.u16(), fields.u16());
    let mut name = vec![0; usize::from(name_bytes)];
    read_exact_at(file, &mut name, at + LOCAL_HEADER as u64)?;
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        _ => return Ok(None),
    };
    let data = at + LOCAL_HEADER as u64 + u64::from(name_bytes) + u64::from(extra_bytes);
    let place = Place {
        name,
        header_start: at,
        packed,
        plain,
        crc,
        method,
        is_cut: false,
    };
    if flags & DESCRIPTOR_FLAG == 0 {
        let end = data.saturating_add(packed);
        let is_cut = end > size;
        let packed = packed.min(size.saturating_sub(data));
        return Ok(Some((
            Place {
                packed,
                is_cut,
                ..place
            },
            end,
        )));
    }
    if method == Method::Stored {
        return Ok(None);
    }
    Ok(Some(measured(file, place, data, size)))
}

/// Finds the end of an entry whose sizes are not told before its data, by inflating it.
fn measured(file: &Source, place: Place, data: u64, size: u64) -> (Place, u64) {
    let source = BufReader::with_capacity(READ_BYTES, Section::new(file, data, size));
    let mut decoder = flate2::bufread::DeflateDecoder::new(source);
    let mut crc = crc32fast::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    let is_cut = loop {
        match decoder.read(&mut buffer) {
            Ok(0) => break false,
            Ok(count) => crc.update(buffer.get(..count).unwrap_or_default()),
            Err(_) => break true,
        }
    };
    let (packed, plain) = (decoder.total_in(), decoder.total_out());
    if is_cut {
        let packed = size.saturating_sub(data);
        return (
            Place {
                packed,
                plain,
                is_cut,
                ..place
            },
            size,
        );
    }
    let mut rest = decoder.into_inner();
    let descriptor = descriptor_bytes(&mut rest, packed, plain);
    let crc = crc.finalize();
    (
        Place {
            packed,
            plain,
            crc,
            ..place
        },
        data + packed + descriptor,
    )
}

/// The length of the data descriptor, which comes with or without a signature and with sizes
/// of four or eight bytes.
fn descriptor_bytes(rest: &mut dyn BufRead, packed: u64, plain: u64) -> u64 {
    let mut bytes = Vec::new();
    if rest.take(24).read_to_end(&mut bytes).is_err() {
        return 0;
    }
    let signature = if bytes.starts_with(b"PK\x07\x08") {
        4
    } else {
        0
    };
    let mut fields = Fields(bytes.get(signature..).unwrap_or_default());
    let _crc = fields.u32();
    let long = fields.u64() == packed && fields.u64() == plain;
    signature as u64 + if long { 20 } else { 12 }
}

/// Little-endian fields, one after the other; zero behind the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = rest;
        head
    }

    fn u16(&mut self) -> u16 {
        self.bytes(2)
            .try_into()
            .map(u16::from_le_bytes)
            .unwrap_or_default()
    }

    fn u32(&mut self) -> u32 {
        self.bytes(4)
            .try_into()
            .map(u32::from_le_bytes)
            .unwrap_or_default()
    }

    fn u64(&mut self) -> u64 {
        self.bytes(8)
            .try_into()
            .map(u64::from_le_bytes)
            .unwrap_or_default()
    }
}
