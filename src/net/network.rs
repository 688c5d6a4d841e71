//! A network: the recipe's layers with every shape worked out.

use alexnet_kernels::geometry::{ConvGeometry, Maps, NormGeometry, PoolGeometry};

use super::recipe::{DropoutScale, PoolKind, Recipe, WeightSpec};
use crate::Result;

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
    Fc {
        /// Values per image that enter.
        inputs: usize,
        /// Units.
        outputs: usize,
        /// Initial values, rates and decay.
        weights: WeightSpec,
    },
    /// A pooling.
    Pool(PoolKind, PoolGeometry),
    /// Local response normalisation across maps.
    Lrn(NormGeometry),
    /// Response normalisation within maps.
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

impl Network {
    /// Works out every shape of `recipe` for `classes` classes.
    ///
    /// # Errors
    /// When a layer does not fit what enters it: the message names the layer, both shapes and the fix.
    pub fn new(recipe: &Recipe, classes: usize) -> Result<Self> {
        let _ = (recipe, classes);
        todo!()
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

impl Layer {
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
            Operation::Fc { inputs, outputs, .. } => Some((vec![*outputs, *inputs], vec![*outputs])),
            _ => None,
        }
    }

    /// Initial values, rates and decay, if the layer has weights.
    pub fn weights(&self) -> Option<&WeightSpec> {
        match &self.operation {
            Operation::Conv(_, w) | Operation::Local(_, w) | Operation::Fc { weights: w, .. } => Some(w),
            _ => None,
        }
    }

    /// Products summed for one output: the fan-in of the initialisation.
    pub fn fan_in(&self) -> usize {
        match &self.operation {
            Operation::Conv(g, _) | Operation::Local(g, _) => g.depth(),
            Operation::Fc { inputs, .. } => *inputs,
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
            Operation::Fc { inputs, outputs, .. } => inputs * outputs,
            _ => 0,
        }
    }
}
