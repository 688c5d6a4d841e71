//! A quantized network: the layers of a network, and how each of them is computed.

use alexnet_kernels::int8::{Algorithm, Quantizer};

use crate::net::Network;

/// A network whose activations are bytes where the layers around them have integer kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    /// The network.
    pub network: Network,
    /// The values of the images.
    pub input: Values,
    /// How each layer is computed, first layer first.
    pub layers: Vec<QuantizedLayer>,
}

impl QuantizedNetwork {
    /// Returns whether some layers are computed in floats, whose last bits may differ between processors.
    pub fn has_float_layers(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, QuantizedLayer::Floats(..)))
    }

    /// Returns the number of bytes of all weights, scales and biases.
    pub fn weight_bytes(&self) -> usize {
        let of = |layer: &QuantizedLayer| match layer {
            QuantizedLayer::Direct(IntegerWeights { weights, scales, biases }, _) => {
                weights.len() + size_of_val(&scales[..]) + size_of_val(&biases[..])
            }
            QuantizedLayer::Winograd(weights, _) => {
                let WinogradWeights { algorithm: _, weights, scales, input_scales, biases } = weights;
                let floats = scales.len() + input_scales.len() + biases.len();
                weights.len() + floats * size_of::<f32>()
            }
            QuantizedLayer::Floats(Some(FloatWeights { weights, biases }), _) => {
                size_of_val(&weights[..]) + size_of_val(&biases[..])
            }
            QuantizedLayer::Table(table, _) => table.len(),
            QuantizedLayer::Floats(None, _)
            | QuantizedLayer::Lrn(_)
            | QuantizedLayer::MaxPool
            | QuantizedLayer::Absorbed => 0,
        };
        self.layers.iter().map(of).sum()
    }
}

/// How the values of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// Bytes that stand for these numbers.
    Bytes(Quantizer),
    /// 32-bit floats.
    Floats,
}

/// How a layer is computed, and its values between the layers.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// A convolution or a fully connected layer: products of bytes and 8-bit weights, summed as integers. Bytes of the output
    /// clamp at 0 if that is their zero point, which is a ReLU that follows.
    Direct(IntegerWeights, Values),
    /// A convolution by an algorithm of Winograd's, with products of transformed bytes and transformed 8-bit weights.
    Winograd(WinogradWeights, Values),
    /// Response normalization across channels, from bytes to bytes.
    Lrn(Quantizer),
    /// Max pooling of bytes.
    MaxPool,
    /// Nothing is left to compute: a ReLU that the layer before it clamps, or dropout, which changes the scale.
    Absorbed,
    /// A function of single values, as a table from byte to byte.
    Table(Box<[u8; 256]>, Quantizer),
    /// The layer's computation in 32-bit floats, with its parameters if it has any.
    Floats(Option<FloatWeights>, Values),
}

/// 8-bit weights with a scale for each output channel: `scale[o] * weight` is the number.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerWeights {
    /// The weights, -127 to 127, in the layout of the model file (see [`crate::net::Layer::parameter_shapes`]).
    pub weights: Vec<i8>,
    /// The scale of each output channel.
    pub scales: Vec<f32>,
    /// The bias of each output channel.
    pub biases: Vec<f32>,
}

/// Transformed 8-bit weights of a convolution, as in [`alexnet_kernels::int8::ConvWeights::Winograd`].
#[derive(Clone, Debug, PartialEq)]
pub struct WinogradWeights {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The weights, `[groups, elements, depth, group outputs]`.
    pub weights: Vec<i8>,
    /// The scale of each element and output channel, `[elements, outputs]`.
    pub scales: Vec<f32>,
    /// The scale of each element of the transformed inputs.
    pub input_scales: Vec<f32>,
    /// The bias of each output channel.
    pub biases: Vec<f32>,
}

/// Weights and biases in the layout of the model file.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatWeights {
    /// The weights.
    pub weights: Vec<f32>,
    /// The biases.
    pub biases: Vec<f32>,
}
