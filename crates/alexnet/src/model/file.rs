//! What stands in a model file, and how it is saved.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Golden, load};
use crate::data::Preprocess;
use crate::engine::{self, Device, Engine, Options, Tensor};
use crate::error::Kind;
use crate::files::container::{self, Array, Values};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Version of the model file that this program writes, and the newest that it reads.
///
/// Files of version 1 have no digest.
pub const FORMAT_VERSION: u32 = 2;

/// A trained network with all that judging an image needs.
///
/// The file is a safetensors file. Tensors, 32-bit: weights and biases as [`crate::net::Layer::parameter_shapes`]
/// says (`conv1.weight`, `conv1.bias`, ...), `mean` `[square, square, 3]` or `[3]`, `golden.logits` `[n, classes]`;
/// bytes: `golden.pictures` `[n, square, square, 3]`, and last `sha256` `[32]`, the digest of all bytes before it.
/// Metadata, strings: `format_version`, `recipe` (TOML), `classes` (a JSON array, in order), `preprocess` and `summary`
/// (JSON objects).
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The whole recipe it was trained with.
    pub recipe: Recipe,
    /// Class names; the network's output `i` belongs to `classes[i]`.
    pub classes: Vec<String>,
    /// How an image becomes the network's input.
    pub preprocess: Preprocess,
    /// Weights and biases, first layer first.
    pub parameters: Vec<Tensor>,
    /// How it came about.
    pub summary: Summary,
    /// Sample images and their logits.
    pub golden: Golden,
}

/// How a model came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Passes over the training set.
    pub epochs: usize,
    /// Updates of the parameters.
    pub steps: usize,
    /// What all random numbers followed from.
    pub seed: u64,
    /// Share of the validation images whose most probable class is right; absent without validation.
    pub top1: Option<f64>,
    /// Share of the validation images whose class is among the five most probable.
    pub top5: Option<f64>,
    /// Mean multinomial logistic loss on the validation images.
    pub loss: Option<f64>,
    /// Validation images.
    pub images: usize,
    /// Version of the program.
    pub program: String,
    /// What it was trained on: the number of images of each split, and a digest of their names and labels. Nothing in it
    /// depends on the folder, so the same training elsewhere gives the same file.
    pub data: String,
    /// SHA-256 of the names and labels of the images it was trained on, in order; absent in models saved before it was
    /// kept. Tells whether a set holds images that the model has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<String>,
    /// What decoded the images.
    pub decoder: String,
}

impl Summary {
    /// Reads how the model in a file came about, and nothing else of the file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no model.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let file = File::open(path).map_err(|error| Error::model(format!("cannot be read: {error}")))?;
            let size = file.metadata().map_or(0, |found| found.len());
            let header = container::Header::read(&file, size)?;
            serde_json::from_str(header.text("summary")?)
                .map_err(|error| Error::model(format!("metadata `summary`: {error}")))
        };
        read().map_err(|error: Error| Error { kind: Kind::Model, ..error }.context(path.display()))
    }
}

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// When the file cannot be read, is not a safetensors file, is cut short, was written by a newer version, lacks
    /// something, or holds something that does not fit its recipe: the message names the file and the key. Memory
    /// is bounded by the file's size.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = container::bytes(path)?;
        log::debug!("{}: loading a model of {} bytes", path.display(), bytes.len());
        load::model(&bytes).map_err(|error| error.context(path.display()))
    }

    /// Writes the model, whole or not at all: a new file takes the name only when it is on the disk. Returns the digest
    /// that [`Model::digest`] finds in the file.
    ///
    /// # Errors
    /// When a part does not fit the others, so that the file could not be loaded, when a number is not finite
    /// ([`Kind::Diverged`]), or when the file cannot be written. What stood at `path` is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.check().map_err(|error| error.context(path.display()))?;
        let json = |value: serde_json::Result<String>| value.expect("strings and numbers are JSON");
        let metadata = BTreeMap::from([
            ("format_version", FORMAT_VERSION.to_string()),
            ("recipe", self.recipe.to_toml()),
            ("classes", json(serde_json::to_string(&self.classes))),
            ("preprocess", json(serde_json::to_string(&self.preprocess))),
            ("summary", json(serde_json::to_string(&self.summary))),
        ]);
        let (square, golden) = (self.preprocess.square, self.golden.images.len());
        let mean_shape = if self.preprocess.mean.len() == 3 { vec![3] } else { vec![square, square, 3] };
        let pixels: Vec<u8> = self.golden.images.iter().flat_map(|p| p.pixels.iter().copied()).collect();
        let logits_shape = [golden, self.classes.len()];
        let images_shape = [golden, square, square, 3];
        let mut arrays: Vec<Array<'_>> = self
            .parameters
            .iter()
            .map(|t| Array { name: &t.name, shape: &t.shape, values: Values::F32(&t.data) })
            .collect();
        arrays.push(Array { name: "mean", shape: &mean_shape, values: Values::F32(&self.preprocess.mean) });
        let logits = Values::F32(&self.golden.logits);
        arrays.push(Array { name: "golden.logits", shape: &logits_shape, values: logits });
        arrays.push(Array { name: "golden.pictures", shape: &images_shape, values: Values::U8(&pixels) });
        container::write_sealed(path, &metadata, &arrays)
    }

    /// The digest of a model file whose bytes have not changed since it was written, in hexadecimal. For a file of version
    /// 1, which holds none, the SHA-256 of all its bytes.
    ///
    /// # Errors
    /// When the file cannot be read, is not a safetensors file, or has changed.
    pub fn digest(path: &Path) -> Result<String> {
        let bytes = container::bytes(path)?;
        load::digest(&bytes).map_err(|error| error.context(path.display()))
    }

    /// The network, its shapes worked out for the model's classes.
    ///
    /// # Errors
    /// When the recipe's layers do not fit each other.
    pub fn network(&self) -> Result<Network> {
        Network::new(&self.recipe, self.classes.len())
    }

    /// An engine that holds the model, planned for inference on up to `batch` images at once on `threads` threads,
    /// and checked with the golden samples.
    ///
    /// # Errors
    /// When the memory or the threads cannot be had, or as [`Model::verify`].
    pub fn engine(&self, batch: usize, threads: usize) -> Result<Box<dyn Engine>> {
        let mut engine = engine::open(Device::Cpu, self.network()?, &Options::inference(batch, threads))?;
        engine.load(&self.parameters)?;
        self.verify(&mut *engine)?;
        Ok(engine)
    }

    /// Checks that `engine`, which holds the model's parameters, gives the golden samples the logits they had where
    /// the model was saved.
    ///
    /// # Errors
    /// When they differ by a relative root mean square of 1e-3 or more: this machine computes other numbers.
    pub fn verify(&self, engine: &mut dyn Engine) -> Result<()> {
        self.golden.verify(engine, &self.preprocess)
    }

    /// Whether the parts fit each other: what [`Model::load`] refuses is not saved.
    fn check(&self) -> Result<()> {
        load::check_classes(&self.classes)?;
        load::check_preprocess(&self.preprocess, &self.recipe)?;
        let found: Vec<(&str, &[usize])> =
            self.parameters.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect();
        load::check_fit(&self.network()?, &found)?;
        for tensor in &self.parameters {
            if tensor.data.len() != tensor.shape.iter().product::<usize>() {
                let (values, shape) = (tensor.data.len(), &tensor.shape);
                return Err(Error::model(format!(
                    "tensor `{}`: {values} values, shape {shape:?}",
                    tensor.name
                )));
            }
            container::check_finite(&tensor.name, &tensor.data).map_err(diverged)?;
        }
        container::check_finite("mean", &self.preprocess.mean)?;
        self.golden.check(self.preprocess.square, self.classes.len())?;
        container::check_finite("golden.logits", &self.golden.logits).map_err(diverged)
    }
}

/// A number that is not finite in what is to be saved says something about the training, not about a file.
fn diverged(error: Error) -> Error {
    Error { kind: Kind::Diverged, ..error }
        .help("train at a lower rate, as with `--set optimizer.rate=0.001`")
}
