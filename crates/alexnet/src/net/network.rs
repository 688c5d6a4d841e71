//! A network: the recipe's layers with every shape worked out.

use alexnet_kernels::geometry::{
    ConvGeometry, FcGeometry, GeometryError, Maps, NormGeometry, Normalization, PoolGeometry, Rounding,
    Window,
};

use super::recipe::{
    ConvSpec, DropoutScale, LayerSpec, PoolKind, PoolSpec, Recipe, RoundingSpec, Spec, WeightSpec,
};
use super::show::window_words;
use crate::{Error, Result};

/// A chain of layers with every shape worked out for an input size and a number of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// What enters the first layer.
    pub input: Maps,
    /// Outputs of the last layer.
    pub classes: usize,
    /// First to last.
    pub layers: Vec<Layer>,
}

/// One layer with its shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name, unique in the network.
    pub name: String,
    /// What enters.
    pub input: Maps,
    /// What leaves. A fully connected layer's units are `1 x 1` maps.
    pub output: Maps,
    /// What it does.
    pub operation: Operation,
}

/// What a layer does, with validated geometry.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A convolution.
    Conv(ConvGeometry, WeightSpec),
    /// A convolution whose kernels are not shared between positions.
    Local(ConvGeometry, WeightSpec),
    /// A fully connected layer.
    Fc(FcGeometry, WeightSpec),
    /// A pooling.
    Pool(PoolKind, PoolGeometry),
    /// Local response normalization across maps.
    Lrn(NormGeometry),
    /// Response normalization within maps.
    MapNorm(NormGeometry),
    /// A non-linearity, element by element.
    Activation(Activation),
    /// Dropout.
    Dropout {
        /// Share of units silenced in training.
        rate: f32,
        /// Where the scale is made up for.
        scale: DropoutScale,
    },
}

/// A non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Logistic,
}

/// The most values that a network's parameters, or one image's activations, may have: beyond any machine, and
/// far from overflow.
const MOST_VALUES: u128 = 1 << 40;
/// The most multiply-adds per image.
const MOST_MACS: u128 = 1 << 50;

impl Network {
    /// Works out every shape of `recipe`, at its own crop, for `classes` classes.
    ///
    /// # Errors
    /// When a layer does not fit what enters it, or the network is too large for any machine: the message names
    /// the layer, what enters it and what it asks for, the help says what fits.
    pub fn new(recipe: &Recipe, classes: usize) -> Result<Self> {
        Self::with_crop(recipe, classes, recipe.input.crop)
    }

    /// Works out every shape of `recipe` for images of `crop` x `crop` pixels and `classes` classes.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn with_crop(recipe: &Recipe, classes: usize, crop: usize) -> Result<Self> {
        Self::build(recipe, classes, crop).map_err(|error| match smallest_crop(recipe, classes, crop) {
            Some(fits) => error.help(format!(
                "{fits} x {fits} pixels are the fewest that fit: `--set input.crop={fits}` \
                 (and `input.square` at least as large)"
            )),
            None => error,
        })
    }

    fn build(recipe: &Recipe, classes: usize, crop: usize) -> Result<Self> {
        if !(1..=1 << 20).contains(&classes) {
            return Err(Error::usage(format!("{classes} classes, expected 1 to {}", 1 << 20))
                .help("one class for each folder of images; `classes = 1000` in the recipe"));
        }
        if !(1..=4096).contains(&crop) {
            return Err(Error::usage(format!("a crop of {crop} pixels, expected 1 to 4096"))
                .help(format!("`--set input.crop={}`", crop.clamp(1, 4096))));
        }
        let input = Maps::new(crop, crop, 3);
        let mut layers: Vec<Layer> = Vec::with_capacity(recipe.layers.len());
        let mut total = Size::default();
        for spec in &recipe.layers {
            let enters = layers.last().map_or(input, |layer| layer.output);
            let layer = Layer::new(spec, enters, classes)?;
            total.add(&layer)?;
            layers.push(layer);
        }
        Ok(Self { input, classes, layers })
    }

    /// Weights and biases, all layers together.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Layer::parameters).sum()
    }

    /// Multiply-adds per image, forward, all layers together.
    pub fn macs(&self) -> usize {
        self.layers.iter().map(Layer::macs).sum()
    }
}

/// The smallest crop above `crop` that the recipe's layers fit.
fn smallest_crop(recipe: &Recipe, classes: usize, crop: usize) -> Option<usize> {
    (crop.saturating_add(1)..=4096).find(|&larger| Network::build(recipe, classes, larger).is_ok())
}

/// Running totals, in integers that no layer within a recipe's limits overflows.
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
            product(&[g.window.kernel, g.window.kernel, g.group_inputs(), g.output.channels])
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
                let weights = product(&[g.inputs, g.outputs]);
                (weights + product(&[g.outputs]), weights)
            }
            _ => (0, 0),
        };
        self.parameters += parameters;
        self.macs += macs;
        let limits = [
            ("activations", self.activations, MOST_VALUES),
            ("parameters", self.parameters, MOST_VALUES),
            ("multiply-adds per image", self.macs, MOST_MACS),
        ];
        match limits.into_iter().find(|(_, value, most)| value > most) {
            None => Ok(()),
            Some((what, value, most)) => Err(Error::usage(format!(
                "layer {}: {} enters and {} leaves, which makes {value} {what} up to here, expected at most {most}",
                layer.name, layer.input, layer.output
            ))
            .help("fewer maps or units, a smaller crop, or a larger stride")),
        }
    }
}

impl From<RoundingSpec> for Rounding {
    fn from(rounding: RoundingSpec) -> Self {
        match rounding {
            RoundingSpec::Down => Self::Down,
            RoundingSpec::Up => Self::Up,
        }
    }
}

impl Layer {
    /// The layer that `spec` describes, where `input` enters.
    fn new(spec: &LayerSpec, input: Maps, classes: usize) -> Result<Self> {
        let refuse = |asks: String, error: GeometryError, help: String| {
            Error::usage(format!("layer {}: {input} enters, {asks}: {error}", spec.name)).help(help)
        };
        let conv = |c: &ConvSpec| {
            let ConvSpec { kernel, stride, pad, .. } = *c;
            let window = Window { kernel, stride, pad, rounding: c.rounding.into() };
            ConvGeometry::new(input, c.maps, window, c.groups).map_err(|error| {
                let divides = |n: usize| input.channels.is_multiple_of(n) && c.maps.is_multiple_of(n);
                let asks = format!("{} asked for", window_words(kernel, stride, pad, c.groups));
                let help = if divides(c.groups) {
                    fewer(&spec.name, kernel, stride, pad, input)
                } else {
                    let groups = (1..c.groups).rev().find(|&n| divides(n)).unwrap_or(1);
                    format!("`--set layer.{}.groups={groups}`", spec.name)
                };
                refuse(asks, error, help)
            })
        };
        let pool = |p: &PoolSpec| {
            let window = Window { kernel: p.kernel, stride: p.stride, pad: 0, rounding: p.rounding.into() };
            PoolGeometry::new(input, window).map_err(|error| {
                let asks = format!("{} asked for", window_words(p.kernel, p.stride, 0, 1));
                refuse(asks, error, fewer(&spec.name, p.kernel, p.stride, 0, input))
            })
        };
        let norm = |groups: usize, constants: Normalization| {
            NormGeometry::new(input, groups, constants).map_err(|error| {
                let divides = (1..groups).rev().find(|&n| input.channels.is_multiple_of(n)).unwrap_or(1);
                let help = format!("`--set layer.{}.groups={divides}`", spec.name);
                refuse(format!("{groups} groups asked for"), error, help)
            })
        };
        let operation = match &spec.spec {
            Spec::Conv(c) => Operation::Conv(conv(c)?, c.weights.clone()),
            Spec::Local(c) => Operation::Local(conv(c)?, c.weights.clone()),
            Spec::Fc { units, weights } => {
                let units = units.unwrap_or(classes);
                let g = FcGeometry::new(input.len(), units).map_err(|error| {
                    let help = format!("`--set layer.{}.units=1`, or more", spec.name);
                    refuse(format!("{units} units asked for"), error, help)
                })?;
                Operation::Fc(g, weights.clone())
            }
            Spec::MaxPool(p) => Operation::Pool(PoolKind::Max, pool(p)?),
            Spec::AvgPool(p) => Operation::Pool(PoolKind::Average, pool(p)?),
            Spec::Lrn { size, alpha, beta, k, alpha_over_size, groups } => {
                let alpha = if *alpha_over_size { alpha / *size as f64 } else { *alpha };
                Operation::Lrn(norm(*groups, Normalization { size: *size, alpha, beta: *beta, k: *k })?)
            }
            Spec::MapNorm { size, alpha, beta } => {
                let alpha = alpha / (size * size) as f64;
                Operation::MapNorm(norm(1, Normalization { size: *size, alpha, beta: *beta, k: 1.0 })?)
            }
            Spec::Relu {} => Operation::Activation(Activation::Relu),
            Spec::Tanh {} => Operation::Activation(Activation::Tanh),
            Spec::Logistic {} => Operation::Activation(Activation::Logistic),
            Spec::Dropout { rate, scale } => Operation::Dropout { rate: *rate, scale: *scale },
        };
        let output = match &operation {
            Operation::Conv(g, _) | Operation::Local(g, _) => g.output,
            Operation::Pool(_, g) => g.output,
            Operation::Fc(g, _) => Maps::new(1, 1, g.outputs),
            _ => input,
        };
        Ok(Self { name: spec.name.clone(), input, output, operation })
    }

    /// The word that a recipe's `kind` says.
    pub fn kind(&self) -> &'static str {
        match &self.operation {
            Operation::Conv(..) => "conv",
            Operation::Local(..) => "local",
            Operation::Fc(..) => "fc",
            Operation::Pool(PoolKind::Max, _) => "max-pool",
            Operation::Pool(PoolKind::Average, _) => "avg-pool",
            Operation::Lrn(_) => "lrn",
            Operation::MapNorm(_) => "map-norm",
            Operation::Activation(Activation::Relu) => "relu",
            Operation::Activation(Activation::Tanh) => "tanh",
            Operation::Activation(Activation::Logistic) => "logistic",
            Operation::Dropout { .. } => "dropout",
        }
    }

    /// Shapes of the layer's weights and biases in the model file, if it has any: `[out, in/groups, kh, kw]` for
    /// a convolution, `[oh, ow, out, in/groups, kh, kw]` for a locally connected layer, `[out, in]` for a fully
    /// connected one (inputs in channel, row, column order); biases `[out]`, locally connected `[oh, ow, out]`.
    pub fn parameter_shapes(&self) -> Option<(Vec<usize>, Vec<usize>)> {
        match &self.operation {
            Operation::Conv(g, _) => {
                let k = g.window.kernel;
                Some((vec![g.output.channels, g.group_inputs(), k, k], vec![g.output.channels]))
            }
            Operation::Local(g, _) => {
                let (k, o) = (g.window.kernel, g.output);
                let weights = vec![o.height, o.width, o.channels, g.group_inputs(), k, k];
                Some((weights, vec![o.height, o.width, o.channels]))
            }
            Operation::Fc(g, _) => Some((vec![g.outputs, g.inputs], vec![g.outputs])),
            _ => None,
        }
    }

    /// Initial values, rates and decay, if the layer has weights.
    pub fn weights(&self) -> Option<&WeightSpec> {
        match &self.operation {
            Operation::Conv(_, w) | Operation::Local(_, w) | Operation::Fc(_, w) => Some(w),
            _ => None,
        }
    }

    /// Products summed for one output: the fan-in of the initialization.
    pub fn fan_in(&self) -> usize {
        match &self.operation {
            Operation::Conv(g, _) | Operation::Local(g, _) => g.depth(),
            Operation::Fc(g, _) => g.inputs,
            _ => 0,
        }
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.parameter_shapes().map_or(0, |(w, b)| w.iter().product::<usize>() + b.iter().product::<usize>())
    }

    /// Multiply-adds per image, forward.
    pub fn macs(&self) -> usize {
        match &self.operation {
            Operation::Conv(g, _) | Operation::Local(g, _) => g.macs(),
            Operation::Fc(g, _) => g.weights(),
            _ => 0,
        }
    }
}

/// How to make a window fit what enters: the edit that works where there is one.
fn fewer(layer: &str, kernel: usize, stride: usize, pad: usize, input: Maps) -> String {
    let side = input.height.min(input.width);
    if pad >= kernel {
        format!("`--set layer.{layer}.pad={}`", kernel.saturating_sub(1))
    } else if side + 2 * pad < kernel {
        format!("`--set layer.{layer}.kernel={}`, or a larger input", side + 2 * pad)
    } else {
        format!("`--set layer.{layer}.stride={}`, or `--set layer.{layer}.rounding=down`", kernel.min(stride))
    }
}
