//! What a model file contains.

use std::path::Path;

use super::any::AnyModel;
use super::ensemble::{self, Ensemble};
use super::metadata::Contents;
use super::parts::File;
use crate::Result;
use crate::files::container;

/// The content of a model file.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelFile {
    /// A single model.
    Single(AnyModel),
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
        let read = || {
            let file = File::open(&bytes)?;
            match file.contents {
                Contents::Ensemble => ensemble::read(&file).map(Self::Ensemble),
                Contents::F32 { .. } | Contents::Quantized => AnyModel::read(&file).map(Self::Single),
            }
        };
        read().map_err(|error| error.context(path.display()))
    }
}
