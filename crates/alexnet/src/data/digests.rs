//! Whole files against what they should be: ImageNet's archives by MD5, packed shards by SHA-256. Reads every byte, so only
//! on request.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};
use serde::Serialize;
use sha2::Sha256;

use super::pack::{Manifest, PackedShard};
use crate::format::hex;
use crate::{Error, Result};

/// The files of 2012 as ImageNet hands them out, with their MD5.
const ILSVRC2012: [(&str, &str); 3] = [
    ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
];

/// A file, its digest, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The file's name.
    pub file: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected == self.found {
            true => write!(f, "{} is as it should be: {}", self.file, self.found),
            false => write!(f, "{} is {}, expected {}: fetch it again", self.file, self.found, self.expected),
        }
    }
}

/// Compares every file of a folder whose digest is known.
///
/// # Errors
/// When there is none, or one cannot be read.
pub fn compare(folder: &Path) -> Result<Vec<Compared>> {
    if folder.join(Manifest::FILE).is_file() {
        let manifest = Manifest::read(folder)?;
        let shards = manifest.splits.into_iter().flat_map(|split| split.shards);
        let compare = |shard: PackedShard| {
            let (_, found) = of::<Sha256>(&folder.join(&shard.file))?;
            Ok(Compared { file: shard.file, expected: shard.sha256, found })
        };
        return shards.map(compare).collect();
    }
    let there = ILSVRC2012.iter().filter(|(file, _)| folder.join(file).is_file());
    let compare = |(file, expected): &(&str, &str)| {
        let (_, found) = of::<Md5>(&folder.join(file))?;
        Ok(Compared { file: (*file).to_owned(), expected: (*expected).to_owned(), found })
    };
    let compared: Vec<Compared> = there.map(compare).collect::<Result<_>>()?;
    if compared.is_empty() {
        return Err(Error::data(format!("{}: no file whose digest is known", folder.display()))
            .help("--digests is for ImageNet's archives of 2012, and for what `alexnet data pack` made"));
    }
    Ok(compared)
}

/// Size and digest of a file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn of<D: Digest>(path: &Path) -> Result<(u64, String)> {
    let cannot = |error: std::io::Error| Error::io(path, "read the file", &error);
    let mut file = File::open(path).map_err(cannot)?;
    let (mut digest, mut buffer, mut bytes) = (D::new(), vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer).map_err(cannot)? {
            0 => break Ok((bytes, hex(&digest.finalize()))),
            read => {
                digest.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}
