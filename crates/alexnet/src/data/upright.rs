//! Single image files: reading, and decoding with the EXIF orientation applied.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Image, Stored, decode};
use crate::error::shell;
use crate::format::counted;
use crate::net::Orientation;
use crate::{Error, Result};

/// Reads an image file, or standard input for `-`, without decoding it.
///
/// # Errors
/// Returns an error if it cannot be read, or has more than [`Stored::MAX_BYTES`] bytes. The message does not name the file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::data(format!("cannot read the file: {error}"));
    let mut bytes = Vec::new();
    let most = Stored::MAX_BYTES + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(failed)?;
    } else if path.is_dir() {
        return Err(without_images(path));
    } else {
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > Stored::MAX_BYTES {
            return Err(Stored::too_large(size));
        }
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    }
    match bytes.len() as u64 {
        size if size > Stored::MAX_BYTES => Err(Stored::too_large(size)),
        _ => Ok(bytes),
    }
}

/// The error for a folder without images; those of its folders do not count as its own.
fn without_images(folder: &Path) -> Error {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    match entries.filter(|entry| entry.path().is_dir()).count() {
        0 => Error::data("this folder contains no images"),
        folders => Error::data(format!(
            "this folder contains no images directly, but {}: to classify the images in those, specify {}/*",
            counted(folders, "folder"),
            shell(folder).trim_end_matches('/')
        )),
    }
}

/// Decodes an image file and, if required, rotates and mirrors it by its EXIF orientation.
///
/// # Errors
/// Returns an error if the image does not decode.
pub fn decode(bytes: &[u8], orientation: Orientation) -> Result<Image> {
    let image = decode::decode(bytes)?;
    let exif = match orientation {
        Orientation::Stored => 1,
        Orientation::Exif => decode::orientation(bytes),
    };
    Ok(match exif {
        1 => image,
        turned => decode::apply_orientation(image, turned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_far_larger_than_images_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.jpg");
        std::fs::write(&path, b"bytes").unwrap();
        assert_eq!(read(&path).unwrap(), b"bytes");
        File::options().write(true).open(&path).unwrap().set_len(Stored::MAX_BYTES + 1).unwrap();
        assert_eq!(
            read(&path).unwrap_err().message,
            "file of 268435457 bytes: expected at most 268435456 for an image"
        );
        assert!(read(folder.path()).unwrap_err().message.contains("this folder contains no images"));
        assert!(read(&folder.path().join("none.jpg")).unwrap_err().message.contains("cannot read the file"));
    }
}
