//! Image files compressed with gzip: some of ImageNet's 2010 images are.

use std::io::{ErrorKind, Read};

use flate2::read::GzDecoder;

use crate::defect::{Defect, DefectKind};

/// The maximum decompressed size.
const MAX_BYTES: u64 = 64 << 20;

/// The first two bytes of a gzip file.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Returns whether the bytes start a gzip file.
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Decompresses a file.
///
/// # Errors
/// Returns an error if the file is damaged, empty, too large or holds another gzip file.
pub(crate) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, Defect> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut out).map_err(|error| {
        let kind = match error.kind() {
            ErrorKind::UnexpectedEof => DefectKind::Truncated,
            _ => DefectKind::Broken,
        };
        Defect::new(kind, format!("broken gzip file: {error}"))
    })?;
    if out.is_empty() {
        return Err(Defect::new(DefectKind::Broken, "empty gzip file: expected an image"));
    }
    // Some gzip files decompress to themselves.
    if is_gzip(&out) {
        return Err(Defect::new(DefectKind::Unsupported, "gzip file inside a gzip file: expected an image"));
    }
    if out.len() as u64 > MAX_BYTES {
        return Err(Defect::new(
            DefectKind::Unsupported,
            format!("gzip file decompresses to more than {MAX_BYTES} bytes: expected an image"),
        ));
    }
    Ok(out)
}

/// Returns the first `len` decompressed bytes, or as many as can be read.
pub(crate) fn prefix(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(len);
    let mut reader = GzDecoder::new(bytes).take(len as u64);
    let mut chunk = [0; 64];
    while let Ok(n @ 1..) = reader.read(&mut chunk) {
        prefix.extend_from_slice(&chunk[..n]);
    }
    prefix
}
