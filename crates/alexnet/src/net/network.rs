//! A network: the layers of a recipe with all shapes resolved.

use alexnet_kernels::geometry::{ConvGeometry, Maps};

use super::layer::{Layer, Operation};
use super::recipe::Recipe;
use crate::{Error, Result};
use alexnet_kernels::precision::Precision;

/// A chain of layers with all shapes resolved for an input size and a number of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The input of the first layer.
    pub input: Maps,
    /// The number of outputs of the last layer.
    pub classes: usize,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
}

/// The largest number of parameters, and of activations for one image: more than any machine holds, and far from
/// overflow.
const MAX_VALUES: u128 = 1 << 40;
/// The largest number of multiply-adds per image.
const MAX_MACS: u128 = 1 << 50;

impl Network {
    /// Builds the network of `recipe` for `classes` classes, with the crop size of the recipe.
    ///
    /// # Errors
    /// Returns an error if a layer does not fit its input, or if the network is too large for any machine. The message
    /// names the layer, its input and its settings; the help names settings that fit.
    pub fn new(recipe: &Recipe, classes: usize) -> Result<Self> {
        Self::with_crop(recipe, classes, recipe.input.crop)
    }

    /// Builds the network of `recipe` for images of `crop` x `crop` pixels and `classes` classes.
    ///
    /// # Errors
    /// See [`Network::new`].
    pub fn with_crop(recipe: &Recipe, classes: usize, crop: usize) -> Result<Self> {
        Self::build(recipe, classes, crop).map_err(|error| match smallest_crop(recipe, classes, crop) {
            Some(fits) => error.help(format!(
                "use a crop of at least {fits} pixels: `--set input.crop={fits}` (and `input.square` at least as large)"
            )),
            None => error,
        })
    }

    fn build(recipe: &Recipe, classes: usize, crop: usize) -> Result<Self> {
        if !(1..=1 << 20).contains(&classes) {
            return Err(Error::usage(format!("{classes} classes, expected 1 to {}", 1 << 20))
                .help("use one class per image folder, or set `classes = 1000` in the recipe"));
        }
        if !(1..=4096).contains(&crop) {
            return Err(Error::usage(format!("a crop of {crop} pixels, expected 1 to 4096"))
                .help(format!("`--set input.crop={}`", crop.clamp(1, 4096))));
        }
        let input = Maps::new(crop, crop, 3);
        let mut layers: Vec<Layer> = Vec::with_capacity(recipe.layers.len());
        let mut total = Size::default();
        for spec in &recipe.layers {
            let input = layers.last().map_or(input, |layer| layer.output);
            let layer = Layer::new(spec, input, classes, recipe.precision)?;
            total.add(&layer)?;
            layers.push(layer);
        }
        Ok(Self { input, classes, layers })
    }

    /// Keys the random numbers of each layer by its position, as runs of format version 1 do.
    pub(crate) fn key_by_position(&mut self) {
        self.layers.iter_mut().enumerate().for_each(|(i, layer)| layer.random_key = i as u64);
    }

    /// Returns the format of the operands of products, which all layers share.
    pub fn precision(&self) -> Precision {
        self.layers.last().map_or(Precision::F32, |layer| layer.precision)
    }

    /// Returns the number of weights and biases of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Layer::parameters).sum()
    }

    /// Returns the number of multiply-adds of a forward pass for one image.
    pub fn macs(&self) -> usize {
        self.layers.iter().map(Layer::macs).sum()
    }

    /// Returns the position of the layer with this name.
    ///
    /// # Errors
    /// Returns an error that lists the names of all layers if no layer has this name.
    pub fn layer_position(&self, name: &str) -> Result<usize> {
        self.layers.iter().position(|layer| layer.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
            Error::usage(format!("unknown layer `{name}`")).help(format!("layers: {}", names.join(", ")))
        })
    }
}

/// Returns the smallest crop above `crop` that fits the layers of the recipe.
fn smallest_crop(recipe: &Recipe, classes: usize, crop: usize) -> Option<usize> {
    (crop.saturating_add(1)..=4096).find(|&larger| Network::build(recipe, classes, larger).is_ok())
}

/// Running totals, in integers wide enough for any layer within the limits of a recipe.
#[derive(Default)]
struct Size {
    activations: u128,
    parameters: u128,
    macs: u128,
}

impl Size {
    fn add(&mut self, layer: &Layer) -> Result<()> {
        let product = |factors: &[usize]| factors.iter().map(|&f| f as u128).product::<u128>();
        let Maps { height, width, channels } = layer.output;
        self.activations += product(&[height, width, channels]);
        let window = |g: &ConvGeometry| {
            product(&[g.window().kernel, g.window().kernel, g.group_inputs(), g.output().channels])
        };
        let (parameters, macs) = match &layer.operation {
            Operation::Conv(g, _) => {
                (window(g) + product(&[channels]), window(g) * product(&[height, width]))
            }
            Operation::Local(g, _) => {
                let weights = window(g) * product(&[height, width]);
                (weights + product(&[height, width, channels]), weights)
            }
            Operation::Fc(g, _) => {
                let weights = product(&[g.inputs(), g.outputs()]);
                (weights + product(&[g.outputs()]), weights)
            }
            Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. } => (0, 0),
        };
        self.parameters += parameters;
        self.macs += macs;
        let limits = [
            ("activations", self.activations, MAX_VALUES),
            ("parameters", self.parameters, MAX_VALUES),
            ("multiply-adds per image", self.macs, MAX_MACS),
        ];
        match limits.into_iter().find(|(_, value, max)| value > max) {
            None => Ok(()),
            Some((what, value, max)) => Err(Error::usage(format!(
                "layer {} (input {}, output {}): {value} {what} up to this layer, expected at most {max}",
                layer.name, layer.input, layer.output
            ))
            .help("use fewer maps or units, a smaller crop, or a larger stride")),
        }
    }
}
