//! The contents of a model file.

use serde::{Deserialize, Serialize};

use super::golden::{Agreement, Golden};
use crate::Result;
use crate::data::Preprocess;
use crate::engine::{self, Device, Engine, Options, Tensor};
use crate::net::{Network, Precision, Recipe};

/// The version of the files of f32 models that this program writes, and the newest version that it reads. Files of version 1
/// have no digest.
pub const FORMAT_VERSION: u32 = 2;

/// A trained network with everything needed to classify images.
///
/// The file is a safetensors file. Tensors of 32-bit floats: the parameters as in
/// [`crate::net::Layer::parameter_shapes`] (`conv1.weight`, `conv1.bias`, ...), `mean` `[square, square, 3]` or `[3]`, and
/// `golden.logits` `[n, classes]`. Bytes: `golden.pictures` `[n, square, square, 3]`, and last `sha256` `[32]`, the digest of
/// all bytes before it. String metadata: `format_version`, `recipe` (TOML), `classes` (a JSON array, in order),
/// `preprocess` and `summary` (JSON objects).
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The recipe that the model was trained with.
    pub recipe: Recipe,
    /// The class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image becomes the input of the network.
    pub preprocess: Preprocess,
    /// The weights and biases, first layer first.
    pub parameters: Vec<Tensor>,
    /// How the model was trained.
    pub summary: Summary,
    /// Sample images with their logits.
    pub golden: Golden,
}

/// How a model was trained, and its validation results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of epochs.
    pub epochs: usize,
    /// The number of steps.
    pub steps: usize,
    /// The random seed.
    pub seed: u64,
    /// The top-1 accuracy on the validation images, from 0 to 1; absent without validation.
    pub top1: Option<f64>,
    /// The top-5 accuracy on the validation images, from 0 to 1.
    pub top5: Option<f64>,
    /// The mean cross-entropy loss on the validation images.
    pub loss: Option<f64>,
    /// The number of validation images.
    pub images: usize,
    /// The version of the program that trained the model.
    pub program: String,
    /// The data it was trained on: the number of images in each split, and a digest of their names and labels. It does not
    /// depend on the location of the data, so that the same training produces the same file anywhere.
    pub data: String,
    /// The SHA-256 of the names and labels of the training images, in order, by which training images are recognized in an
    /// evaluation. Absent in models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<String>,
    /// The decoder of the images.
    pub decoder: String,
}

impl Model {
    /// Builds the network of the model.
    ///
    /// # Errors
    /// Returns an error if the layers of the recipe do not fit each other.
    pub fn network(&self) -> Result<Network> {
        Network::new(&self.recipe, self.classes.len())
    }

    /// Opens an engine with the parameters of the model, for inference on up to `batch` images at once with `threads`
    /// threads, and verifies it with the golden samples.
    ///
    /// # Errors
    /// Returns an error if there is not enough memory, if threads cannot be started, or if [`Model::verify`] fails.
    pub fn engine(&self, batch: usize, threads: usize) -> Result<Box<dyn Engine>> {
        self.engine_at(batch, threads, self.recipe.precision)
    }

    /// [`Model::engine`] with a precision of products other than that of the recipe.
    ///
    /// # Errors
    /// See [`Model::engine`].
    pub fn engine_at(&self, batch: usize, threads: usize, precision: Precision) -> Result<Box<dyn Engine>> {
        let recipe = Recipe { precision, ..self.recipe.clone() };
        let network = Network::new(&recipe, self.classes.len())?;
        let mut engine = engine::open(Device::Cpu, network, &Options::inference(batch, threads))?;
        engine.load(&self.parameters)?;
        self.verify(&mut *engine)?;
        Ok(engine)
    }

    /// Verifies that `engine`, which has loaded the parameters of the model, computes the logits of the golden samples.
    ///
    /// # Errors
    /// Returns an error if the logits differ from those in the file by a relative root mean square of 1e-3 or more, or 0.15
    /// with bfloat16 operands.
    pub fn verify(&self, engine: &mut dyn Engine) -> Result<()> {
        let agreement = self.agreement(engine);
        self.golden.verify(engine, &self.preprocess, agreement)
    }

    /// How closely the logits of `engine` must agree with those in the file.
    pub(super) fn agreement(&self, engine: &dyn Engine) -> Agreement {
        Agreement::of(self.recipe.precision, engine.network().precision())
    }
}
