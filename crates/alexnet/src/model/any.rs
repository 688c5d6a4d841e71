//! A model of either kind.

use std::path::Path;

use serde::Serialize;

use super::contents::{Model, Summary};
use super::foreign;
use super::golden::{Agreement, Golden};
use super::load::{f32_model, not_one_model};
use super::metadata::Contents;
use super::parts::File;
use super::quantized::{self, QuantizedModel};
use super::save::FileContent;
use crate::data::Preprocess;
use crate::engine::Engine;
use crate::files::container;
use crate::net::{Precision, Recipe};
use crate::{Error, Result};

/// The precision of a model's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightPrecision {
    /// 32-bit floats.
    F32,
    /// 8-bit integers.
    Int8,
}

/// A model for inference, in f32 or quantized.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyModel {
    /// In 32-bit floats.
    F32(Model),
    /// In 8-bit integers.
    Int8(QuantizedModel),
}

impl AnyModel {
    /// Reads a model of either kind from a file. Memory use is bounded by the size of the file.
    ///
    /// # Errors
    /// Returns an error as [`Model::load`] does, but not for quantized models. [`ModelFile::load`](super::ModelFile::load)
    /// reads ensembles too.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = container::bytes(path)?;
        log::debug!("{}: loading a model of {} bytes", path.display(), bytes.len());
        let read = || Self::read(&File::open(&bytes)?);
        read().map_err(|error| foreign::explain(error, &bytes, path))
    }

    /// Reads the model in a file, which must be a single one.
    pub(super) fn read(file: &File<'_>) -> Result<Self> {
        match file.contents {
            Contents::F32 { .. } => f32_model(file).map(Self::F32),
            Contents::Quantized => quantized::read(file).map(Self::Int8),
            Contents::Ensemble => Err(not_one_model()),
        }
    }

    /// The content of the model's file.
    pub(super) fn content(&self) -> Result<FileContent<'_>> {
        match self {
            Self::F32(model) => model.content(),
            Self::Int8(model) => model.content(),
        }
    }

    /// How closely the logits of `engine` must agree with those of the golden samples.
    pub(super) fn agreement(&self, engine: &dyn Engine) -> Agreement {
        match self {
            Self::F32(model) => model.agreement(engine),
            Self::Int8(model) => model.agreement(),
        }
    }

    /// Opens an engine for inference on up to `batch` images at once with `threads` threads, and verifies it with the golden
    /// samples. `precision` is that of the products of an f32 model; `None`, that of its recipe.
    ///
    /// # Errors
    /// Returns an error as [`Model::engine_at`] or [`QuantizedModel::engine`] does, or if a precision is requested of a
    /// quantized model.
    pub fn engine_at(
        &self,
        batch: usize,
        threads: usize,
        precision: Option<Precision>,
    ) -> Result<Box<dyn Engine>> {
        match (self, precision) {
            (Self::F32(model), precision) => {
                model.engine_at(batch, threads, precision.unwrap_or(model.recipe.precision))
            }
            (Self::Int8(model), None) => model.engine(batch, threads),
            (Self::Int8(_), Some(_)) => {
                Err(Error::usage("the model is quantized: its products are those of 8-bit integers")
                    .help("the same command without --precision"))
            }
        }
    }

    /// The precision of the weights.
    pub fn precision(&self) -> WeightPrecision {
        match self {
            Self::F32(_) => WeightPrecision::F32,
            Self::Int8(_) => WeightPrecision::Int8,
        }
    }

    /// The recipe that the model was trained with.
    pub fn recipe(&self) -> &Recipe {
        match self {
            Self::F32(model) => &model.recipe,
            Self::Int8(model) => &model.recipe,
        }
    }

    /// The class names, in the order of the outputs.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::F32(model) => &model.classes,
            Self::Int8(model) => &model.classes,
        }
    }

    /// How an image becomes the input of the network.
    pub fn preprocess(&self) -> &Preprocess {
        match self {
            Self::F32(model) => &model.preprocess,
            Self::Int8(model) => &model.preprocess,
        }
    }

    /// Sample images with their logits.
    pub fn golden(&self) -> &Golden {
        match self {
            Self::F32(model) => &model.golden,
            Self::Int8(model) => &model.golden,
        }
    }

    /// How the model was trained.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::F32(model) => &model.summary,
            Self::Int8(model) => &model.summary,
        }
    }
}
