//! The contents of a quantized model's file.

use crate::Result;
use crate::data::Preprocess;
use crate::engine::{self, Device, Engine, Options, QuantizedNetwork};
use crate::model::contents::Summary;
use crate::model::golden::{Agreement, Golden};
use crate::net::Recipe;

/// A model that was quantized to 8-bit integers, for inference.
///
/// The file is that of a [`Model`](crate::model::Model) with `format_version` 3, the metadata `layers`, a JSON object with the
/// form of each layer, and other parameters. For a layer computed in integers: `NAME.weight` I8 in the shape of the f32
/// weights, `NAME.weight_scale` `[out]` and `NAME.bias` `[out]`; by an algorithm of Winograd's, `NAME.winograd` I8
/// `[groups, elements, depth, out/groups]`, `NAME.weight_scale` `[elements, out]`, `NAME.input_scale` `[elements]` and
/// `NAME.bias`. A function of bytes: `NAME.table` U8 `[256]`. A layer computed in f32: `NAME.weight` and `NAME.bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedModel {
    /// The recipe that the model was trained with.
    pub recipe: Recipe,
    /// The class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image becomes the input of the network.
    pub preprocess: Preprocess,
    /// The layers and their parameters.
    pub network: QuantizedNetwork,
    /// How the f32 model was trained, and its validation results.
    pub summary: Summary,
    /// Sample images with their logits, as the quantized network computes them.
    pub golden: Golden,
}

impl QuantizedModel {
    /// Opens an engine for inference on up to `batch` images at once with `threads` threads, and verifies it with the golden
    /// samples.
    ///
    /// # Errors
    /// Returns an error if there is not enough memory, if threads cannot be started, or if the logits of the golden samples
    /// differ from those in the file: in any bit, unless some layers are computed in f32.
    pub fn engine(&self, batch: usize, threads: usize) -> Result<Box<dyn Engine>> {
        let mut engine =
            engine::open_quantized(Device::Cpu, &self.network, &Options::inference(batch, threads))?;
        self.golden.verify(&mut *engine, &self.preprocess, self.agreement())?;
        Ok(engine)
    }

    /// How closely logits must agree with those in the file.
    pub(in crate::model) fn agreement(&self) -> Agreement {
        if self.network.has_float_layers() { Agreement::Bytes } else { Agreement::Exact }
    }
}
