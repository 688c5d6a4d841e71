//! What the nodes of a layer are told: the tensors with its weights, and its window.

use alexnet_kernels::geometry::{Maps, Window};

use super::graph::integers;
use crate::interop::onnx::proto::AttributeProto;

/// The tensors with a layer's weights and biases.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) weights: String,
    pub(super) biases: String,
}

/// The attributes of a sliding window. What a last, partial window lacks is padding.
pub(super) fn window(window: &Window, input: Maps, output: Maps) -> Vec<AttributeProto> {
    let Window { kernel, stride, pad, .. } = *window;
    let after = |size: usize, positions: usize| {
        pad.max(((positions - 1) * stride + kernel).saturating_sub(size + pad))
    };
    let pads = [pad, pad, after(input.height, output.height), after(input.width, output.width)];
    vec![
        integers("kernel_shape", &[kernel, kernel]),
        integers("strides", &[stride, stride]),
        integers("pads", &pads),
    ]
}
