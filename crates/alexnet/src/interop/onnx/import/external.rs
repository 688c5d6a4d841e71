//! Arrays in files of their own, next to the model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::problem::{Supported, shown};
use crate::interop::onnx::proto::TensorProto;

/// The bytes of an array, and the file that they are from.
#[derive(Debug)]
pub(super) struct ExternalBytes {
    pub(super) bytes: Vec<u8>,
    pub(super) path: PathBuf,
    /// The size of the file.
    pub(super) size: u64,
}

/// Reads the `expected` bytes of an array in a file in `folder`.
///
/// Only regular files in the folder of the model, or folders in it, are read: no path out of it, and no symbolic link.
pub(super) fn bytes(
    folder: Option<&Path>,
    tensor: &TensorProto,
    expected: usize,
) -> Supported<ExternalBytes> {
    let entry =
        |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => {
            text.parse::<u64>().map(Some).map_err(|_| format!("external data: {key} is {:?}", shown(text)))
        }
    };
    let location = entry("location").ok_or("external data without a location")?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != expected as u64) {
        return Err(format!(
            "external data of {} bytes, expected {expected} for its shape and type",
            length.unwrap_or(0)
        ));
    }
    let folder = folder
        .ok_or_else(|| format!("external data in {:?}, and no folder to read it from", shown(location)))?;
    let path = inside(folder, location)?;
    let failed = |error: std::io::Error| format!("external data: cannot read {:?}: {error}", shown(location));
    let mut file = File::open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let end = offset.checked_add(expected as u64).filter(|&end| metadata.is_file() && end <= metadata.len());
    if end.is_none() {
        return Err(format!(
            "external data: {:?} is no file with {expected} bytes at {offset}: it has {} bytes",
            shown(location),
            metadata.len()
        ));
    }
    let mut bytes = vec![0; expected];
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(failed)?;
    Ok(ExternalBytes { bytes, path, size: metadata.len() })
}

/// The path of a file in the folder.
fn inside(folder: &Path, location: &str) -> Supported<PathBuf> {
    let refused = |why: &str| {
        Err(format!(
            "external data in {:?}, which {why}; only files in the folder of the model are read",
            shown(location)
        ))
    };
    let mut path = folder.to_owned();
    for component in Path::new(location).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => continue,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return refused("leads out of the folder");
            }
        }
        if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return refused("is, or leads through, a symbolic link");
        }
    }
    Ok(path)
}
