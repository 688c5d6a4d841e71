//! Verifies whole files: ImageNet's archives by MD5, packed shards by SHA-256. Reads every byte, so only on request.

use std::fmt;
use std::path::Path;

use md5::Md5;
use serde::Serialize;
use sha2::Sha256;

use super::digest::FileDigest;
use super::pack::{Manifest, PackedShard};
use crate::{Error, Result};

/// A file with a published checksum.
struct Published {
    file: &'static str,
    md5: &'static str,
}

/// The files of 2012 as distributed by ImageNet.
const ILSVRC2012: [Published; 3] = [
    Published { file: "ILSVRC2012_img_train.tar", md5: "1d675b47d978889d74fa0da5fadfb00e" },
    Published { file: "ILSVRC2012_img_val.tar", md5: "29b22e2961454d5413ddabcf34fc5622" },
    Published { file: "ILSVRC2012_devkit_t12.tar.gz", md5: "fa75699e90414af021442c21a62c3abf" },
];

/// The checksum of a file, and the expected one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checksum {
    /// The file name.
    pub file: String,
    /// The expected checksum.
    pub expected: String,
    /// The actual checksum.
    pub found: String,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected == self.found {
            true => write!(f, "{} is correct: {}", self.file, self.found),
            false => {
                write!(
                    f,
                    "{} is damaged: {}, expected {}; download it again",
                    self.file, self.found, self.expected
                )
            }
        }
    }
}

/// Computes the checksum of every file in a folder whose expected checksum is known.
///
/// # Errors
/// Returns an error if there is no such file, or one cannot be read.
pub fn verify(folder: &Path) -> Result<Vec<Checksum>> {
    if folder.join(Manifest::FILE).is_file() {
        let manifest = Manifest::read(folder)?;
        let shards = manifest.splits.into_iter().flat_map(|split| split.shards);
        let verify = |shard: PackedShard| {
            let found = FileDigest::of::<Sha256>(&folder.join(&shard.file))?.hex;
            Ok(Checksum { file: shard.file, expected: shard.sha256, found })
        };
        return shards.map(verify).collect();
    }
    let existing = ILSVRC2012.iter().filter(|published| folder.join(published.file).is_file());
    let verify = |Published { file, md5 }: &Published| {
        let found = FileDigest::of::<Md5>(&folder.join(file))?.hex;
        Ok(Checksum { file: (*file).to_owned(), expected: (*md5).to_owned(), found })
    };
    let checksums: Vec<Checksum> = existing.map(verify).collect::<Result<_>>()?;
    if checksums.is_empty() {
        return Err(Error::data(format!("{}: no files with known checksums", folder.display())).help(
            "--digests verifies ImageNet's archives of 2012 and folders written by `alexnet data pack`",
        ));
    }
    Ok(checksums)
}
