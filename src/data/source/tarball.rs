//! A tar of class folders, read in place: one pass lists where each file's bytes are, nothing is unpacked.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

use tar::EntryType;

use super::tree::{self, Listing, leaves_root};
use super::{Dataset, Place, Store};
use crate::{Error, Result};

pub(super) fn open(path: &Path) -> Result<Dataset> {
    let failed = |error: std::io::Error| {
        Error::data(format!("{}: not a whole tar archive: {error}", path.display()))
            .help("a folder, or an uncompressed tar, with one folder of pictures for each class; for IDX and CIFAR files, their folder")
    };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut listing = Listing::default();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            listing.add_folder(&name);
        } else if kind.is_file() {
            let (offset, len) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(len).is_none_or(|end| end > size) {
                let cut = format!("{name} would end past the archive's {size} bytes");
                return Err(failed(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, cut)));
            }
            let len =
                usize::try_from(len).map_err(|_| Error::data(format!("{name}: {len} bytes are too many")))?;
            if leaves_root(&name) {
                listing.odd.push(name);
            } else {
                listing.add_file(&name, Place::Bytes { offset, len });
            }
        } else if !matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            listing.odd.push(name);
        }
    }
    let store = Store::Archive(path.to_owned(), Mutex::new(archive.into_inner()));
    tree::dataset(listing, store, path.display().to_string())
}

/// Reads `len` bytes at `offset`.
pub(super) fn read(file: &Mutex<File>, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
    let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; len];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
