//! The kernels of a model's first convolution.

use alexnet_kernels::geometry::ConvGeometry;

use super::color::{ColorDifference, ColorVariance, ColumnColor, by_column, difference};
use super::columns::Columns;
use crate::data::Image;
use crate::engine::{FloatWeights, IntegerWeights, QuantizedLayer};
use crate::model::{AnyModel, Golden};
use crate::net::{Layer, Network, Operation};
use crate::{Error, Result};

/// The kernels of a model's first convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernels {
    /// The name of the layer.
    pub layer: String,
    /// The number of kernels, one for each map.
    pub maps: usize,
    /// The side of a kernel.
    pub side: usize,
    /// How the maps divide into columns.
    pub columns: Columns,
    /// The colors of the images that the model was trained on.
    pub colors: Colors,
    /// `[maps, 3, side, side]`.
    weights: Vec<f32>,
}

/// The colors of a model's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// Images have colors.
    Rgb,
    /// Images are gray. Their three channels are equal, so only the sum of a kernel's channels matters: the differences are
    /// those of the initial weights. The channels of such kernels are replaced by their mean.
    Gray,
}

impl Kernels {
    /// Returns the kernels of a model, in f32 or quantized. Its images are taken for gray if its mean image and its golden
    /// samples are.
    ///
    /// # Errors
    /// Returns an error if the first layer with weights is not a convolution, if its weights are stored in transformed form,
    /// or if a weight is non-finite.
    pub fn of(model: &AnyModel) -> Result<Self> {
        match model {
            AnyModel::F32(model) => {
                let network = model.network()?;
                let position = first_weights(&network)?;
                let name = network.layers[position].weight_name();
                let weights = model.parameters.iter().find(|tensor| tensor.name == name);
                let weights = weights.ok_or_else(|| Error::model(format!("missing tensor `{name}`")))?;
                Self::new(&network, &weights.data, colors(&model.preprocess.mean, &model.golden))
            }
            AnyModel::Int8(model) => {
                let network = &model.network.network;
                let position = first_weights(network)?;
                let weights = dequantized(&network.layers[position], &model.network.layers[position])?;
                Self::new(network, &weights, colors(&model.preprocess.mean, &model.golden))
            }
        }
    }

    /// Returns the kernels of a network from the weights of its first convolution, in the layout of the model file.
    ///
    /// # Errors
    /// Returns an error if the first layer with weights is not a convolution, or if a weight is non-finite.
    ///
    /// # Panics
    /// Panics if the number of weights is not that of the layer.
    pub fn new(network: &Network, weights: &[f32], colors: Colors) -> Result<Self> {
        let position = first_weights(network)?;
        let layer = &network.layers[position];
        let geometry = convolution(layer)?;
        let name = layer.weight_name();
        if let Some(at) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(Error::model(format!(
                "tensor `{name}` has the value {} at position {at}, expected finite values",
                weights[at]
            )));
        }
        let mut weights = all_channels(&geometry, weights);
        let positions = geometry.window().kernel * geometry.window().kernel;
        match colors {
            Colors::Rgb => {}
            Colors::Gray => weights.chunks_exact_mut(3 * positions).for_each(average_channels),
        }
        Ok(Self {
            layer: layer.name.clone(),
            maps: geometry.output().channels,
            side: geometry.window().kernel,
            columns: Columns::of(network, position),
            colors,
            weights,
        })
    }

    /// The weights of a kernel, `[3, side, side]`.
    pub fn kernel(&self, map: usize) -> &[f32] {
        let len = 3 * self.side * self.side;
        &self.weights[map * len..][..len]
    }

    /// The largest magnitude of a weight.
    pub fn largest(&self) -> f32 {
        self.weights.iter().fold(0.0, |largest, weight| largest.max(weight.abs()))
    }

    /// The number of maps in a column.
    pub fn maps_per_column(&self) -> usize {
        self.maps / self.columns.count
    }

    /// How color-specific each column and each kernel is; `None` if the images are gray.
    pub fn color(&self) -> Option<Vec<ColumnColor>> {
        Some(by_column(&self.variances()?, self.columns.count))
    }

    /// How much the columns differ in color; `None` for gray images, one column, or columns without variance.
    pub fn color_difference(&self) -> Option<ColorDifference> {
        difference(&self.variances()?, self.columns.count)
    }

    fn variances(&self) -> Option<Vec<ColorVariance>> {
        match self.colors {
            Colors::Rgb => Some((0..self.maps).map(|map| ColorVariance::of(self.kernel(map))).collect()),
            Colors::Gray => None,
        }
    }
}

/// The position of the first layer with weights.
fn first_weights(network: &Network) -> Result<usize> {
    let found = network.layers.iter().position(|layer| layer.weights().is_some());
    found.ok_or_else(|| Error::model("the network has no weights, expected a convolution"))
}

/// The geometry of a layer, which must be a convolution.
fn convolution(layer: &Layer) -> Result<ConvGeometry> {
    let refuse = |why: String| {
        Err(Error::model(why)
            .help("kernels are shown of models whose first layer with weights is a convolution"))
    };
    let name = &layer.name;
    match &layer.operation {
        Operation::Conv(geometry, _) => Ok(*geometry),
        Operation::Local(geometry, _) => refuse(format!(
            "the first layer with weights, `{name}`, is locally connected: it has other kernels at each of its {} x {} \
             positions, expected a convolution",
            geometry.output().height,
            geometry.output().width
        )),
        Operation::Fc(..) => refuse(format!(
            "the first layer with weights, `{name}`, is fully connected, expected a convolution"
        )),
        Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => {
            refuse(format!("layer `{name}` has no weights, expected a convolution"))
        }
    }
}

/// The weights of a convolution of a quantized model.
pub(super) fn dequantized(layer: &Layer, form: &QuantizedLayer) -> Result<Vec<f32>> {
    let other = || convolution(layer).map(|_| Vec::new());
    match form {
        QuantizedLayer::Direct(IntegerWeights { weights, scales, .. }, _) => {
            let kernels = weights.chunks_exact(weights.len() / scales.len().max(1));
            let scaled = kernels.zip(scales).flat_map(|(kernel, scale)| {
                kernel.iter().map(move |&weight| scale * f32::from(weight))
            });
            Ok(scaled.collect())
        }
        QuantizedLayer::Floats(Some(FloatWeights { weights, .. }), _) => Ok(weights.clone()),
        QuantizedLayer::Winograd(..) => Err(Error::model(format!(
            "the weights of `{}` are stored transformed for Winograd's algorithm, from which the kernels do not follow",
            layer.name
        ))
        .help("use the model that it was quantized from")),
        QuantizedLayer::Floats(None, _)
        | QuantizedLayer::Lrn(_)
        | QuantizedLayer::MaxPool
        | QuantizedLayer::Absorbed
        | QuantizedLayer::Table(..) => other(),
    }
}

/// Expands weights `[maps, 3/groups, side, side]` to `[maps, 3, side, side]`: a kernel of a grouped layer is zero in the
/// channels that it does not read.
fn all_channels(geometry: &ConvGeometry, weights: &[f32]) -> Vec<f32> {
    let positions = geometry.window().kernel * geometry.window().kernel;
    let (inputs, outputs) = (geometry.group_inputs(), geometry.group_outputs());
    let kernels = weights.chunks_exact(inputs * positions);
    assert_eq!(kernels.len(), geometry.output().channels, "one kernel for each map");
    let mut all = vec![0.0; geometry.output().channels * geometry.input().channels * positions];
    let rows = all.chunks_exact_mut(geometry.input().channels * positions);
    for (map, (row, kernel)) in rows.zip(kernels).enumerate() {
        let group = map / outputs;
        row[group * inputs * positions..][..kernel.len()].copy_from_slice(kernel);
    }
    all
}

/// Replaces the channels of a kernel by their mean.
fn average_channels(kernel: &mut [f32]) {
    let positions = kernel.len() / 3;
    for at in 0..positions {
        let mean = (kernel[at] + kernel[positions + at] + kernel[2 * positions + at]) / 3.0;
        (0..3).for_each(|channel| kernel[channel * positions + at] = mean);
    }
}

/// The colors of a model's images, from its mean and its golden samples.
fn colors(mean: &[f32], golden: &Golden) -> Colors {
    let equal = |[r, g, b]: &[f32; 3]| r == g && g == b;
    let is_gray = |image: &Image| image.pixels.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b);
    match mean.as_chunks::<3>().0.iter().all(equal) && golden.images.iter().all(is_gray) {
        true => Colors::Gray,
        false => Colors::Rgb,
    }
}
