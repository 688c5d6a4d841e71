//! Weights and biases of a layer, with what training adds to them.

use super::plan::Plan;
use crate::engine::leaves;
use crate::engine::options::Mode;
use crate::net::{Layer, WeightSpec};
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::GradAccumulator;
use alexnet_kernels::{bf16, f16};

/// Weights in the kernels' layout.
#[derive(Debug)]
pub(super) enum Weights {
    /// In single precision.
    F32(Buffer),
    /// In half precision: fully connected layers of an engine for inference.
    F16(Vec<u16>),
    /// As bfloat16: fully connected layers of an engine for inference with such products.
    Bf16(Vec<u16>),
}

/// Values shaped like the weights and biases of a layer, in the kernels' layout.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) weights: Buffer,
    pub(super) biases: Buffer,
}

/// The parameters of a layer with weights.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) weights: Weights,
    pub(super) biases: Buffer,
    /// The weights of a convolution in Winograd's domain, where they are kept.
    pub(super) transformed: Option<Buffer>,
    /// Present in an engine for training.
    pub(super) training: Option<Training>,
}

/// What training adds to the parameters of a layer.
#[derive(Debug)]
pub(super) struct Training {
    pub(super) velocity: Pair,
    /// Whether the parameters keep their values.
    pub(super) frozen: bool,
    /// The state of the gradient's sums between micro-batches.
    pub(super) accumulator: GradAccumulator,
    /// Gradients of complete subtrees of leaves, smallest first.
    pub(super) leaf_sums: Vec<Pair>,
}

/// The parameters of a layer that is being trained, borrowed apart.
pub(super) struct Trained<'a> {
    pub(super) weights: &'a mut Buffer,
    pub(super) biases: &'a mut Buffer,
    pub(super) training: &'a mut Training,
}

impl Pair {
    /// Zeros; `None` if memory is insufficient.
    pub(super) fn zeros(weights: usize, biases: usize) -> Option<Self> {
        Some(Self { weights: Buffer::zeros(weights)?, biases: Buffer::zeros(biases)? })
    }

    /// Sets all values to `value`.
    pub(super) fn fill(&mut self, value: f32) {
        self.weights.fill(value);
        self.biases.fill(value);
    }
}

impl Parameters {
    /// Zeros for a layer with weights; `None` if memory is insufficient.
    pub(super) fn zeros(
        layer: &Layer,
        spec: &WeightSpec,
        [weights, biases]: [usize; 2],
        plan: &Plan,
    ) -> Option<Self> {
        let pair = || Pair::zeros(weights, biases);
        let training = match plan.mode {
            Mode::Inference | Mode::Inspection => None,
            Mode::Training => Some(Training {
                velocity: pair()?,
                frozen: spec.is_frozen(),
                accumulator: GradAccumulator::new(Buffer::zeros(plan.accumulator_len(layer))?),
                leaf_sums: (0..leaves::depth(plan.leaves)).map(|_| pair()).collect::<Option<_>>()?,
            }),
        };
        let transformed = match plan.transformed_len(layer) {
            Some(len) => Some(Buffer::zeros(len)?),
            None => None,
        };
        let weights = match plan.stores_bf16(layer) {
            true => Weights::Bf16(vec![0; weights]),
            false => Weights::F32(Buffer::zeros(weights)?),
        };
        Some(Self { weights, biases: Buffer::zeros(biases)?, transformed, training })
    }

    /// The parts that training changes; `None` in an engine that does not train.
    pub(super) fn trained(&mut self) -> Option<Trained<'_>> {
        match (&mut self.weights, &mut self.training) {
            (Weights::F32(weights), Some(training)) => {
                Some(Trained { weights, biases: &mut self.biases, training })
            }
            (Weights::F16(_) | Weights::Bf16(_), _) | (_, None) => None,
        }
    }

    /// Whether gradients are computed for the layer.
    pub(super) fn learns(&self) -> bool {
        self.training.as_ref().is_some_and(|training| !training.frozen)
    }
}

impl Weights {
    /// The values in single precision, converted where they are not.
    pub(super) fn with_f32<R>(&self, work: impl FnOnce(&[f32]) -> R) -> R {
        match self {
            Self::F32(values) => work(values),
            Self::F16(values) => work(&values.iter().map(|&value| f16::to_f32(value)).collect::<Vec<f32>>()),
            Self::Bf16(values) => {
                work(&values.iter().map(|&value| bf16::to_f32(value)).collect::<Vec<f32>>())
            }
        }
    }
}

impl Training {
    /// Ends the sums over a leaf: adds the complete subtrees that end with it. Unless it is the last, the result is kept
    /// for a leaf to come.
    pub(super) fn finish_leaf(&mut self, gradient: &mut Pair, leaf: usize, is_last: bool) {
        let merges = leaves::merges(leaf);
        for below in &self.leaf_sums[..merges] {
            add(&below.weights, &mut gradient.weights);
            add(&below.biases, &mut gradient.biases);
        }
        if !is_last {
            // The next leaf overwrites its gradient.
            std::mem::swap(&mut self.leaf_sums[merges], gradient);
        }
    }
}

/// Adds values to sums, on all threads.
pub(super) fn add(values: &[f32], sums: &mut [f32]) {
    use rayon::prelude::*;
    const CHUNK: usize = 16 * 1024;
    sums.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(sums, values)| {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    });
}
