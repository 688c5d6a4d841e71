//! What a model file contains.

use std::path::Path;

use super::any::AnyModel;
use super::ensemble::{self, Ensemble};
use super::foreign;
use super::metadata::Contents;
use super::parts::File;
use crate::Result;
use crate::files::container;

/// The content of a model file.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelFile {
    /// A single model.
    Single(Box<AnyModel>),
    /// Several models and their weights.
    Ensemble(Ensemble),
}

impl ModelFile {
    /// Reads a model or an ensemble from a file. Memory use is bounded by the size of the file.
    ///
    /// # Errors
    /// Returns an error as [`Model::load`](super::Model::load) does, but not for quantized models and ensembles.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = container::bytes(path)?;
        log::debug!("{}: loading {} bytes", path.display(), bytes.len());
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of a model file, for [`ModelFile::from_bytes`].
    ///
    /// # Errors
    /// Returns an error if the file does not exist, is not a regular file, or cannot be read.
    pub fn bytes(path: impl AsRef<Path>) -> Result<Vec<u8>> {
        container::bytes(path.as_ref())
    }

    /// Reads a model or an ensemble from the bytes of its file, whose `path` errors name.
    ///
    /// # Errors
    /// Returns an error as [`ModelFile::load`] does.
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self> {
        Self::read(bytes).map_err(|error| foreign::explain(error, bytes, path.as_ref()))
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let file = File::open(bytes)?;
        match file.contents {
            Contents::Ensemble => ensemble::read(&file).map(Self::Ensemble),
            Contents::F32 { .. } | Contents::Quantized => {
                AnyModel::read(&file).map(|model| Self::Single(Box::new(model)))
            }
        }
    }
}
