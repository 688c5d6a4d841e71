//! A layer with its shapes, built from its specification and its input.

use std::fmt::Write;

use alexnet_kernels::geometry::{
    ConvGeometry, FcGeometry, GeometryError, Maps, NormGeometry, Normalization, PoolGeometry, Rounding,
    Window,
};

use alexnet_kernels::precision::Precision;

use super::recipe::{ConvSpec, DropoutScale, LayerSpec, PoolKind, PoolSpec, RoundingSpec, Spec, WeightSpec};
use crate::random::name_key;
use crate::{Error, Result};

/// A layer with its shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name, unique in the network.
    pub name: String,
    /// The shape of the input.
    pub input: Maps,
    /// The shape of the output. The units of a fully connected layer are `1 x 1` maps.
    pub output: Maps,
    /// The computation.
    pub operation: Operation,
    /// The format of the operands of its products, if it has any.
    pub precision: Precision,
    /// The key of its random numbers: initial weights and dropout masks. It depends on the name only, so that another layer can
    /// be added or removed without changing them.
    pub random_key: u64,
}

/// The computation of a layer, with validated geometry.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A convolution.
    Conv(ConvGeometry, WeightSpec),
    /// A locally connected layer: a convolution with separate kernels for each position.
    Local(ConvGeometry, WeightSpec),
    /// A fully connected layer.
    Fc(FcGeometry, WeightSpec),
    /// Pooling.
    Pool(PoolKind, PoolGeometry),
    /// Local response normalization across channels.
    Lrn(NormGeometry),
    /// Response normalization within each channel.
    MapNorm(NormGeometry),
    /// An element-wise activation function.
    Activation(Activation),
    /// Dropout.
    Dropout {
        /// The probability of dropping a unit in training.
        rate: f32,
        /// Where outputs are rescaled.
        scale: DropoutScale,
    },
}

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Logistic,
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
    /// Builds the layer that `spec` describes for an input of shape `input`.
    ///
    /// # Errors
    /// Returns an error if the layer does not fit its input.
    pub(super) fn new(spec: &LayerSpec, input: Maps, classes: usize, precision: Precision) -> Result<Self> {
        let refuse = |settings: String, error: GeometryError, help: String| {
            Error::usage(format!("layer {} ({settings}), input {input}: {error}", spec.name)).help(help)
        };
        let conv = |c: &ConvSpec| {
            let ConvSpec { kernel, stride, pad, .. } = *c;
            let window = Window { kernel, stride, pad, rounding: c.rounding.into() };
            ConvGeometry::new(input, c.maps, window, c.groups).map_err(|error| {
                let divides = |n: usize| input.channels.is_multiple_of(n) && c.maps.is_multiple_of(n);
                let settings = window_text(kernel, stride, pad, c.groups);
                let help = if divides(c.groups) {
                    window_help(&spec.name, kernel, stride, pad, input)
                } else {
                    let groups = (1..c.groups).rev().find(|&n| divides(n)).unwrap_or(1);
                    format!(
                        "use a number of groups that divides the channels: `--set layer.{}.groups={groups}`",
                        spec.name
                    )
                };
                refuse(settings, error, help)
            })
        };
        let pool = |p: &PoolSpec| {
            let PoolSpec { kernel, stride, pad, rounding } = *p;
            let window = Window { kernel, stride, pad, rounding: rounding.into() };
            PoolGeometry::new(input, window).map_err(|error| {
                let settings = window_text(kernel, stride, pad, 1);
                refuse(settings, error, window_help(&spec.name, kernel, stride, pad, input))
            })
        };
        let norm = |groups: usize, constants: Normalization| {
            NormGeometry::new(input, groups, constants).map_err(|error| {
                let divides = (1..groups).rev().find(|&n| input.channels.is_multiple_of(n)).unwrap_or(1);
                let help = format!(
                    "use a number of groups that divides the channels: `--set layer.{}.groups={divides}`",
                    spec.name
                );
                refuse(format!("{groups} groups"), error, help)
            })
        };
        let operation = match &spec.spec {
            Spec::Conv(c) => Operation::Conv(conv(c)?, c.weights.clone()),
            Spec::Local(c) => Operation::Local(conv(c)?, c.weights.clone()),
            Spec::Fc { units, weights } => {
                let units = units.unwrap_or(classes);
                let g = FcGeometry::new(input.len(), units).map_err(|error| {
                    let help = format!("set at least 1 unit: `--set layer.{}.units=1`", spec.name);
                    refuse(format!("{units} units"), error, help)
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
            Operation::Conv(g, _) | Operation::Local(g, _) => g.output(),
            Operation::Pool(_, g) => g.output(),
            Operation::Fc(g, _) => Maps::new(1, 1, g.outputs()),
            Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. } => input,
        };
        let random_key = name_key(&spec.name);
        Ok(Self { name: spec.name.clone(), input, output, operation, precision, random_key })
    }

    /// Returns the `kind` of the layer in a recipe.
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

    /// Returns the name of the weight tensor in model files and checkpoints: `conv1.weight`.
    pub fn weight_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// Returns the name of the bias tensor in model files and checkpoints: `conv1.bias`.
    pub fn bias_name(&self) -> String {
        format!("{}.bias", self.name)
    }

    /// Returns the shapes of the weight and bias tensors in the model file, if the layer has parameters. Weights are
    /// `[out, in/groups, kh, kw]` for a convolution, `[oh, ow, out, in/groups, kh, kw]` for a locally connected layer,
    /// and `[out, in]` for a fully connected layer (inputs in channel, row, column order). Biases are `[out]`, or
    /// `[oh, ow, out]` for a locally connected layer.
    pub fn parameter_shapes(&self) -> Option<(Vec<usize>, Vec<usize>)> {
        match &self.operation {
            Operation::Conv(g, _) => {
                let k = g.window().kernel;
                Some((vec![g.output().channels, g.group_inputs(), k, k], vec![g.output().channels]))
            }
            Operation::Local(g, _) => {
                let (k, o) = (g.window().kernel, g.output());
                let weights = vec![o.height, o.width, o.channels, g.group_inputs(), k, k];
                Some((weights, vec![o.height, o.width, o.channels]))
            }
            Operation::Fc(g, _) => Some((vec![g.outputs(), g.inputs()], vec![g.outputs()])),
            Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. } => None,
        }
    }

    /// Returns the initialization, learning rate factors and weight decay, if the layer has parameters.
    pub fn weights(&self) -> Option<&WeightSpec> {
        match &self.operation {
            Operation::Conv(_, w) | Operation::Local(_, w) | Operation::Fc(_, w) => Some(w),
            Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. } => None,
        }
    }

    /// Returns the number of inputs of one output unit, or 0 if the layer has no parameters.
    pub fn fan_in(&self) -> usize {
        match &self.operation {
            Operation::Conv(g, _) | Operation::Local(g, _) => g.depth(),
            Operation::Fc(g, _) => g.inputs(),
            Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. } => 0,
        }
    }

    /// Returns the number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.parameter_shapes().map_or(0, |(w, b)| w.iter().product::<usize>() + b.iter().product::<usize>())
    }

    /// Returns the number of multiply-adds of a forward pass for one image.
    pub fn macs(&self) -> usize {
        match &self.operation {
            Operation::Conv(g, _) | Operation::Local(g, _) => g.macs(),
            Operation::Fc(g, _) => g.weights(),
            Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. } => 0,
        }
    }
}

/// Formats a window: `11x11/4, pad 2, 2 groups`.
pub(super) fn window_text(kernel: usize, stride: usize, pad: usize, groups: usize) -> String {
    let mut out = format!("{kernel}x{kernel}/{stride}");
    if pad > 0 {
        let _ = write!(out, ", pad {pad}");
    }
    if groups > 1 {
        let _ = write!(out, ", {groups} groups");
    }
    out
}

/// Returns the setting that makes a window fit its input.
fn window_help(layer: &str, kernel: usize, stride: usize, pad: usize, input: Maps) -> String {
    let side = input.height.min(input.width);
    if pad >= kernel {
        format!("use a smaller padding: `--set layer.{layer}.pad={}`", kernel.saturating_sub(1))
    } else if side + 2 * pad < kernel {
        format!("use a larger input or a smaller kernel: `--set layer.{layer}.kernel={}`", side + 2 * pad)
    } else {
        format!(
            "use `--set layer.{layer}.stride={}` or `--set layer.{layer}.rounding=down`",
            kernel.min(stride)
        )
    }
}
