//! A model that becomes a member of an ensemble.

use std::path::PathBuf;

use alexnet::model::{AnyModel, Model, ModelFile};
use alexnet::{Error, Result};

/// A model of the ensemble.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) model: AnyModel,
    pub(super) digest: String,
}

impl Source {
    pub(super) fn load(path: PathBuf) -> Result<Self> {
        // Read once: a training run may replace the file.
        let bytes = ModelFile::bytes(&path)?;
        let model = match ModelFile::from_bytes(&bytes, &path)? {
            ModelFile::Single(model) => *model,
            ModelFile::Ensemble(ensemble) => {
                return Err(Error::model(format!(
                    "{} contains an ensemble of {} models, expected a single model",
                    path.display(),
                    ensemble.members.len()
                ))
                .help("name the models that it was made from"));
            }
        };
        let digest = Model::digest_of(&bytes).map_err(|error| error.context(path.display()))?;
        Ok(Self { path, model, digest })
    }
}
