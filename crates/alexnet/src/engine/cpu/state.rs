//! The state of a CPU engine.

use std::fmt;

use rayon::ThreadPool;

use super::lower::BackwardStep;
use super::parameters::{Pair, Parameters};
use super::plan::Plan;
use crate::engine::batch::Update;
use crate::engine::division::Division;
use crate::engine::health::{NonFinite, OutputStatistics};
use crate::engine::options::Mode;
use crate::engine::timings::LayerTimings;
use crate::error::Kind;
use crate::net::{Algorithm, Network};
use crate::{Error, Result};
use alexnet_kernels::memory::Buffer;

/// Executes a network on the CPU: planned steps over buffers that are allocated before the first call, and a backward pass
/// written by hand.
pub(in crate::engine) struct CpuEngine {
    pub(super) network: Network,
    pub(super) plan: Plan,
    pub(super) division: Division,
    pub(super) backward: BackwardPlans,
    pub(super) pool: ThreadPool,
    /// One element per layer; `None` for layers without weights.
    pub(super) parameters: Vec<Option<Parameters>>,
    /// The gradients of weights and biases, one element per layer; `None` for layers without weights, and in an engine that
    /// does not train. Apart from the parameters, because a step hands them out while it continues with the layers below.
    pub(super) parameter_gradients: Vec<Option<Pair>>,
    /// Activation slots, `[micro-batch, height, width, channels]` each.
    pub(super) activations: Vec<Buffer>,
    /// Logits of all micro-batches, `[batch, classes]`; `None` if the logits' slot holds the whole batch.
    pub(super) gathered_logits: Option<Buffer>,
    /// Gradient slots.
    pub(super) gradients: [Buffer; 2],
    pub(super) timings: LayerTimings,
    pub(super) last: LastStep,
}

/// The backward passes of a network, lowered for the layers that learn now.
#[derive(Debug, Default)]
pub(super) struct BackwardPlans {
    /// Keeps the gradients.
    pub(super) keep: Vec<BackwardStep>,
    /// Applies them.
    pub(super) apply: Vec<BackwardStep>,
    /// Computes the gradient with respect to the pixels.
    pub(super) pixels: Vec<BackwardStep>,
}

/// What is known of the last training step.
#[derive(Debug, Default)]
pub(super) struct LastStep {
    /// Number of images whose activations the slots hold.
    pub(super) images: usize,
    /// Statistics of each layer's outputs, if the slots hold only a part of them and gradients were kept.
    pub(super) statistics: Option<Vec<OutputStatistics>>,
    /// Where values became non-finite.
    pub(super) non_finite: Option<NonFinite>,
}

impl CpuEngine {
    /// Returns the number of images in `images`.
    ///
    /// # Errors
    /// Returns an error if it is not a whole number of images from 1 to the batch size.
    pub(super) fn count(&self, images: &[f32]) -> Result<usize> {
        self.count_from(1, images)
    }

    /// [`Self::count`] with a lower bound.
    pub(super) fn count_from(&self, least: usize, images: &[f32]) -> Result<usize> {
        let image = self.network.input.len();
        let n = images.len() / image;
        if n < least || n * image != images.len() || n > self.plan.batch {
            let (batch, input) = (self.plan.batch, self.network.input);
            let expected = format!("{least} to {batch} images of {input} ({image} values each)");
            return Err(Error::shape("images", format!("{} values", images.len()), expected));
        }
        Ok(n)
    }

    /// Checks that this process can apply an update: the rates of LARS follow from the norms of whole layers.
    ///
    /// # Errors
    /// Returns an error if it has a part of them.
    pub(super) fn check_algorithm(&self, update: &Update) -> Result<()> {
        match update.algorithm {
            Algorithm::Lars { .. } if self.division.is_divided() => {
                Err(Error::usage("LARS is not supported with layers divided among processes")
                    .help("use `--set optimizer.algorithm=sgd`, or the data scheme"))
            }
            Algorithm::Sgd | Algorithm::Lars { .. } => Ok(()),
        }
    }

    /// Checks that the engine can train.
    ///
    /// # Errors
    /// Returns an error unless the engine was opened for training.
    pub(super) fn require_training(&self) -> Result<()> {
        match self.plan.mode {
            Mode::Training => Ok(()),
            Mode::Inference | Mode::Inspection => {
                let message = "this engine was not opened for training";
                Err(Error::new(Kind::Runtime, message).help("open it with Mode::Training"))
            }
        }
    }
}

impl fmt::Debug for CpuEngine {
    /// Formats the plan only, not millions of numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuEngine").field("plan", &self.plan).finish_non_exhaustive()
    }
}
