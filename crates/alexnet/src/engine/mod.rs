//! Execution of networks. An [`Engine`] executes a whole network, not single operations, so that each device can plan its
//! memory and fuse steps as it sees fit.
//!
//! | file | contents |
//! |---|---|
//! | `interface` | the trait that trainer, predictor, benchmark and learning rate search use |
//! | `open`, `options` | [`open()`]: devices, modes, limits |
//! | `division` | parts of a network, each computed by a process of its own |
//! | `stage` | a training step in two calls, for engines of consecutive layers |
//! | `leaves` | the parts of a batch whose gradients are summed separately |
//! | `cpu` | the CPU engine |
//! | `quantized` | the CPU engine of quantized networks |
//! | `softmax` | from logits to probabilities |
//! | [`mod@reference`] | a slow and simple implementation that the tests compare engines with |

mod batch;
mod cpu;
mod division;
mod health;
mod interface;
pub(crate) mod leaves;
mod memory;
mod open;
mod options;
mod quantized;
pub mod reference;
pub(crate) mod softmax;
mod stage;
mod tensor;
mod timings;

pub use alexnet_kernels::int8::Quantizer;
pub(crate) use batch::count_correct;
pub use batch::{Batch, Shard, StepOutcome, Update};
pub(crate) use cpu::layout::to_kernels as kernel_layout;
pub use division::{Division, Exchange, UnitSums};
pub use health::{Health, NonFinite, OutputStatistics, Place};
pub use interface::{Engine, LayerGradient, Objective, OnGradient};
pub use memory::MemoryTable;
pub use open::{check_environment, open, open_part, open_quantized, open_stage};
pub use options::{Device, Mode, Options, check_micro_batch};
pub(crate) use quantized::after_dropout;
pub use quantized::{
    FloatWeights, IntegerWeights, QuantizedLayer, QuantizedNetwork, Values, WinogradWeights,
};
pub use stage::{Stage, StageBatch, StagePart};
pub use tensor::{Tensor, TensorKind};
pub(crate) use tensor::{check as check_tensors, locate as locate_tensor};
pub use timings::{LayerTiming, LayerTimings, Pass};
