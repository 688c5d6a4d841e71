//! Writes the files of quantized models.

use std::path::Path;

use alexnet_kernels::int8::Algorithm;

use super::contents::QuantizedModel;
use super::header::Header;
use crate::Result;
use crate::engine::{IntegerWeights, QuantizedLayer, WinogradWeights};
use crate::files::container::Values;
use crate::model::metadata::QUANTIZED_FORMAT_VERSION;
use crate::model::save::{FileContent, Part, Shared, json};
use crate::net::{Layer, Operation};

impl QuantizedModel {
    /// Writes the model to a file atomically. Returns the digest that [`Model::digest`](crate::model::Model::digest) reads from
    /// the file.
    ///
    /// # Errors
    /// Returns an error if the parts of the model do not fit each other, or if the file cannot be written. An existing file
    /// is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.content().map_err(|error| error.context(path.display()))?.write(path)
    }

    /// The content of the file.
    ///
    /// # Errors
    /// Returns an error if the parts of the model do not fit each other.
    pub(in crate::model) fn content(&self) -> Result<FileContent<'_>> {
        let Self { recipe, classes, preprocess, network, summary, golden } = self;
        let shared = Shared { recipe, classes, preprocess, summary, golden };
        shared.check()?;
        network.outputs()?;
        let layers = network.network.layers.iter().zip(&network.layers);
        let parts: Vec<Part<'_>> = layers.flat_map(|(layer, form)| parts(layer, form)).collect();
        parts.iter().try_for_each(Part::check_finite)?;
        let header = json(&Header::of(network));
        Ok(FileContent::model(QUANTIZED_FORMAT_VERSION, shared, Some(header), parts))
    }
}

/// The tensors of a layer.
fn parts<'a>(layer: &Layer, form: &'a QuantizedLayer) -> Vec<Part<'a>> {
    let part = |what: &str, shape: Vec<usize>, values: Values<'a>| {
        Part::new(format!("{}.{what}", layer.name), shape, values)
    };
    let channels = vec![layer.output.channels];
    match (form, layer.parameter_shapes()) {
        (QuantizedLayer::Direct(IntegerWeights { weights, scales, biases }, _), Some((shape, _))) => vec![
            part("weight", shape, Values::I8(weights)),
            part("weight_scale", channels.clone(), Values::F32(scales)),
            part("bias", channels, Values::F32(biases)),
        ],
        (QuantizedLayer::Winograd(weights, _), _) => {
            let WinogradWeights { algorithm, weights, scales, input_scales, biases } = weights;
            let elements = algorithm.elements();
            vec![
                part("winograd", transformed_shape(layer, *algorithm), Values::I8(weights)),
                part("weight_scale", vec![elements, layer.output.channels], Values::F32(scales)),
                part("input_scale", vec![elements], Values::F32(input_scales)),
                part("bias", channels, Values::F32(biases)),
            ]
        }
        (QuantizedLayer::Table(table, _), _) => vec![part("table", vec![256], Values::U8(&table[..]))],
        (QuantizedLayer::Floats(Some(pair), _), Some((weights, biases))) => vec![
            part("weight", weights, Values::F32(&pair.weights)),
            part("bias", biases, Values::F32(&pair.biases)),
        ],
        (
            QuantizedLayer::Direct(..)
            | QuantizedLayer::Floats(..)
            | QuantizedLayer::Lrn(_)
            | QuantizedLayer::MaxPool
            | QuantizedLayer::Absorbed,
            _,
        ) => Vec::new(),
    }
}

/// The shape of a convolution's transformed weights.
pub(super) fn transformed_shape(layer: &Layer, algorithm: Algorithm) -> Vec<usize> {
    match &layer.operation {
        Operation::Conv(g, _) => {
            vec![g.groups(), algorithm.elements(), algorithm.depth(g), g.group_outputs()]
        }
        Operation::Local(..)
        | Operation::Fc(..)
        | Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => Vec::new(),
    }
}
