//! The values between two layers, and the execution of a step on them.

use alexnet_kernels::activation::{self, Epilogue};
use alexnet_kernels::int8::{dequantize, max_pool, quantize};
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::{conv, dropout, fc, local, lrn, map_norm, pool};
use rayon::prelude::*;

use super::contents::{FloatWeights, Values};
use super::steps::{Side, Step};
use crate::net::{Activation, DropoutScale, Layer, Operation, PoolKind, Precision};

/// The current values of some images, as bytes or as floats, and space for the next ones.
#[derive(Debug)]
pub(super) struct Buffers {
    bytes: [Vec<u8>; 2],
    floats: [Vec<f32>; 2],
}

impl Buffers {
    /// Buffers for so many bytes, and so many floats.
    pub(super) fn new(bytes: usize, floats: usize) -> Self {
        Self { bytes: [0, 1].map(|_| vec![0; bytes]), floats: [0, 1].map(|_| vec![0.0; floats]) }
    }

    /// Executes a step of `layer` for `n` images. `images` are the current values before the first step; later steps find them
    /// taken.
    pub(super) fn execute(&mut self, step: &Step, layer: &Layer, n: usize, images: &mut Option<&[f32]>) {
        let (inputs, outputs) = (n * layer.input.len(), n * layer.output.len());
        let [bytes, next_bytes] = &mut self.bytes;
        let [floats, next_floats] = &mut self.floats;
        let values = |side| match side {
            Side::Input => inputs,
            Side::Output => outputs,
        };
        match step {
            Step::Quantize(to, side) => {
                let len = values(*side);
                quantize(images.take().unwrap_or(&floats[..len]), *to, &mut bytes[..len]);
            }
            Step::Dequantize(from, side) => {
                let len = values(*side);
                dequantize(&bytes[..len], *from, &mut floats[..len]);
            }
            Step::Conv(convolution, Values::Bytes(to)) => {
                convolution.forward(n, &bytes[..inputs], *to, &mut next_bytes[..outputs]);
            }
            Step::Conv(convolution, Values::Floats) => {
                convolution.forward_f32(n, &bytes[..inputs], &mut next_floats[..outputs]);
            }
            Step::Fc(layer, Values::Bytes(to)) => {
                layer.forward(n, &bytes[..inputs], *to, &mut next_bytes[..outputs]);
            }
            Step::Fc(layer, Values::Floats) => {
                layer.forward_f32(n, &bytes[..inputs], &mut next_floats[..outputs]);
            }
            Step::Lrn(normalization) => {
                normalization.forward(n, &bytes[..inputs], &mut next_bytes[..outputs]);
            }
            Step::MaxPool(g) => max_pool(g, n, &bytes[..inputs], &mut next_bytes[..outputs]),
            Step::Table(table) => look_up(table, &bytes[..inputs], &mut next_bytes[..outputs]),
            Step::Floats(parameters) => {
                let x = images.take().unwrap_or(&floats[..inputs]);
                compute(layer, n, parameters.as_ref(), x, &mut next_floats[..outputs]);
            }
        }
        match step {
            Step::Conv(_, Values::Floats) | Step::Fc(_, Values::Floats) | Step::Floats(_) => {
                self.floats.swap(0, 1)
            }
            Step::Conv(_, Values::Bytes(_))
            | Step::Fc(_, Values::Bytes(_))
            | Step::Lrn(_)
            | Step::MaxPool(_)
            | Step::Table(_) => self.bytes.swap(0, 1),
            Step::Quantize(..) | Step::Dequantize(..) => {}
        }
    }

    /// The first `len` current values, as floats.
    pub(super) fn floats(&self, len: usize) -> &[f32] {
        &self.floats[0][..len]
    }

    /// Appends the first `len` current values, stored like this.
    pub(super) fn read(&self, values: Values, len: usize, to: &mut Vec<f32>) {
        match values {
            Values::Floats => to.extend_from_slice(self.floats(len)),
            Values::Bytes(from) => to.extend(self.bytes[0][..len].iter().map(|&byte| from.dequantize(byte))),
        }
    }
}

fn look_up(table: &[u8; 256], x: &[u8], y: &mut [u8]) {
    const CHUNK: usize = 16 * 1024;
    let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, &x)| *y = table[usize::from(x)]));
}

/// Computes a layer in floats, each image as if it were alone.
fn compute(layer: &Layer, n: usize, parameters: Option<&FloatWeights>, x: &[f32], y: &mut [f32]) {
    let alone = MicroBatch::from(n).independent();
    match (&layer.operation, parameters) {
        (Operation::Conv(g, _), Some(FloatWeights { weights, biases })) => {
            conv::forward(g, Precision::F32, alone, x, weights, biases, Epilogue::Identity, y);
        }
        (Operation::Local(g, _), Some(FloatWeights { weights, biases })) => {
            local::forward(g, n, x, weights, biases, y);
        }
        (Operation::Fc(g, _), Some(FloatWeights { weights, biases })) => {
            fc::forward(g, Precision::F32, alone, x, weights, biases, y);
        }
        (Operation::Pool(PoolKind::Max, g), _) => pool::max_forward(g, n, x, y),
        (Operation::Pool(PoolKind::Average, g), _) => pool::avg_forward(g, n, x, y),
        (Operation::Lrn(g), _) => lrn::forward(g, n, x, y),
        (Operation::MapNorm(g), _) => map_norm::forward(g, n, x, y),
        (Operation::Activation(function), _) => {
            y.copy_from_slice(x);
            match function {
                Activation::Relu => activation::relu(y),
                Activation::Tanh => activation::tanh(y),
                Activation::Logistic => activation::logistic(y),
            }
        }
        (Operation::Dropout { rate, scale }, _) => {
            y.copy_from_slice(x);
            match scale {
                DropoutScale::Test => dropout::scale(y, 1.0 - rate),
                DropoutScale::Train => {}
            }
        }
        (Operation::Conv(..) | Operation::Local(..) | Operation::Fc(..), None) => {
            unreachable!("the network was checked")
        }
    }
}
