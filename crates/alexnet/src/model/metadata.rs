//! The string metadata of model files.

use std::collections::HashMap;

use serde::de::DeserializeOwned;

use super::contents::FORMAT_VERSION;
use crate::error::Kind;
use crate::net::Recipe;
use crate::{Error, Result};

/// The version of the files of quantized models. Programs that know only [`FORMAT_VERSION`] refuse it as too new.
pub const QUANTIZED_FORMAT_VERSION: u32 = 3;

/// The version of the files of ensembles. Programs that know only [`QUANTIZED_FORMAT_VERSION`] refuse it as too new.
pub const ENSEMBLE_FORMAT_VERSION: u32 = 4;

/// The first version of model files that contain a digest.
const FIRST_SEALED: u32 = 2;

/// What a model file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// A model in f32; versions before 2 have no digest.
    F32 { is_sealed: bool },
    /// A quantized model.
    Quantized,
    /// An ensemble of models.
    Ensemble,
}

/// The string metadata of a file.
pub(super) struct Metadata {
    strings: HashMap<String, String>,
}

impl Metadata {
    pub(super) fn new(strings: Option<HashMap<String, String>>) -> Self {
        Self { strings: strings.unwrap_or_default() }
    }

    /// The strings whose keys start with `prefix`, without it.
    pub(super) fn under(&self, prefix: &str) -> Self {
        let strings = self.strings.iter();
        let own =
            strings.filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())));
        Self { strings: own.collect() }
    }

    pub(super) fn get(&self, key: &str) -> Result<&str> {
        self.strings.get(key).map(String::as_str).ok_or_else(|| {
            Error::model(format!(
                "`{key}` is missing from the metadata, expected a model file of this program"
            ))
            .help("`alexnet train SRC --recipe small` writes a model to its run folder")
        })
    }

    /// What the file contains, by its version.
    pub(super) fn contents(&self) -> Result<Contents> {
        let text = self.get("format_version")?;
        match text.parse() {
            Ok(version @ 1..=FORMAT_VERSION) => Ok(Contents::F32 { is_sealed: version >= FIRST_SEALED }),
            Ok(QUANTIZED_FORMAT_VERSION) => Ok(Contents::Quantized),
            Ok(ENSEMBLE_FORMAT_VERSION) => Ok(Contents::Ensemble),
            Ok(version) if version > ENSEMBLE_FORMAT_VERSION => Err(Error::model(format!(
                "`format_version` is {version}, this program supports versions up to {ENSEMBLE_FORMAT_VERSION}"
            ))
            .help("use the version of the program that saved the model, or a newer one")),
            _ => Err(Error::model(format!(
                "`format_version` is {text:?}, expected an integer from 1 to {ENSEMBLE_FORMAT_VERSION}"
            ))),
        }
    }

    pub(super) fn recipe(&self) -> Result<Recipe> {
        Recipe::parse(self.get("recipe")?, "recipe").map_err(|error| Error { kind: Kind::Model, ..error })
    }

    pub(super) fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        serde_json::from_str(self.get(key)?)
            .map_err(|error| Error::model(format!("invalid metadata `{key}`: {error}")))
    }
}
