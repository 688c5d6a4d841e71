//! Reads model files. Every part is checked, alone and against the others.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::check::{check_tensors, expected_tensors};
use super::contents::{Model, Summary};
use super::foreign;
use super::metadata::Contents;
use super::parts::{File, Layers, OTHER_TENSORS, Rest, Tensors, check_seal, is_sealed};
use crate::engine::Tensor;
use crate::error::Kind;
use crate::files::container;
use crate::format::hex;
use crate::net::Network;
use crate::{Error, Result};

impl Model {
    /// Reads a model from a file. Memory use is bounded by the size of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a safetensors file, is truncated or damaged, was written by a newer
    /// version, is a quantized model or an ensemble, or has missing parts or parts that do not fit the recipe. The message names the file and
    /// the part.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = container::bytes(path)?;
        log::debug!("{}: loading a model of {} bytes", path.display(), bytes.len());
        Self::from_bytes(&bytes, path)
    }

    /// Reads a model from the bytes of its file ([`ModelFile::bytes`](super::ModelFile::bytes)), whose `path` errors name.
    ///
    /// # Errors
    /// Returns an error as [`Model::load`] does.
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self> {
        model(bytes).map_err(|error| foreign::explain(error, bytes, path.as_ref()))
    }

    /// Returns the digest in a model file, in hexadecimal, after verifying it. For a file of version 1, which contains no
    /// digest, returns the SHA-256 of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a safetensors file, or is damaged.
    pub fn digest(path: &Path) -> Result<String> {
        let bytes = container::bytes(path)?;
        Self::digest_of(&bytes).map_err(|error| error.context(path.display()))
    }

    /// [`Model::digest`] of the bytes of a model file.
    ///
    /// # Errors
    /// Returns an error if they are not those of a safetensors file, or are damaged.
    pub fn digest_of(bytes: &[u8]) -> Result<String> {
        digest(bytes)
    }
}

impl Summary {
    /// Reads the summary of a model file, and nothing else of it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a model.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let file = std::fs::File::open(path)
                .map_err(|error| Error::model(format!("cannot read the file: {error}")))?;
            let size = file.metadata().map_or(0, |found| found.len());
            let header = container::Header::read(&file, size)?;
            serde_json::from_str(header.text("summary")?)
                .map_err(|error| Error::model(format!("invalid metadata `summary`: {error}")))
        };
        read().map_err(|error: Error| Error { kind: Kind::Model, ..error }.context(path.display()))
    }
}

/// Parses the bytes of a model file.
pub(super) fn model(bytes: &[u8]) -> Result<Model> {
    let file = File::open(bytes)?;
    match file.contents {
        Contents::F32 { .. } => f32_model(&file),
        Contents::Quantized => Err(Error::model("the model is quantized to 8-bit integers, expected one in f32").help(
            "use the model that it was quantized from; `alexnet eval`, `classify` and `bench --model` use quantized models",
        )),
        Contents::Ensemble => Err(not_one_model()),
    }
}

/// The error if one model is needed and the file contains an ensemble.
pub(super) fn not_one_model() -> Error {
    Error::model("the file contains an ensemble of models, expected a single model").help(
        "use one of the models that the ensemble was made from; `alexnet eval` and `alexnet classify` use ensembles",
    )
}

/// Reads a model in f32.
pub(super) fn f32_model(file: &File<'_>) -> Result<Model> {
    let layers = file.layers()?;
    let parameters = parameters(&file.tensors, &layers.network)?;
    let Rest { preprocess, golden, summary } = file.rest(&layers)?;
    let Layers { recipe, classes, .. } = layers;
    Ok(Model { recipe, classes, preprocess, parameters, summary, golden })
}

/// Returns the digest in the bytes of a model file, or of the bytes if it contains none.
pub(super) fn digest(bytes: &[u8]) -> Result<String> {
    let (file, _) = container::parse(bytes)?;
    match is_sealed(&file) {
        true => check_seal(bytes),
        false => Ok(hex(&Sha256::digest(bytes))),
    }
}

fn parameters(file: &Tensors<'_>, network: &Network) -> Result<Vec<Tensor>> {
    let shapes = file.shapes();
    let found: Vec<(&str, &[usize])> = shapes
        .iter()
        .map(|(name, shape)| (*name, shape.as_slice()))
        .filter(|(name, _)| !OTHER_TENSORS.contains(name))
        .collect();
    check_tensors(network, &found)?;
    expected_tensors(network)
        .into_iter()
        .map(|(name, _)| {
            let (shape, data) = file.floats(&name)?;
            Ok(Tensor { name, shape, data })
        })
        .collect()
}
