//! Execution of networks. An [`Engine`] executes a whole network, not single operations, so that each device can plan its
//! memory and fuse steps as it sees fit.
//!
//! | file | contents |
//! |---|---|
//! | `interface` | the trait that trainer, predictor, benchmark and learning rate search use |
//! | `open`, `options` | [`open()`]: devices, modes, limits |
//! | `division` | parts of a network, each computed by a process of its own |
//! | `cpu` | the CPU engine |
//! | [`mod@reference`] | a slow and simple implementation that the tests compare engines with |

mod batch;
mod cpu;
mod division;
mod health;
mod interface;
mod memory;
mod open;
mod options;
pub mod reference;
mod tensor;
mod timings;

pub use batch::{Batch, Shard, StepOutcome, Update};
pub use division::{Division, Exchange};
pub use health::{Health, NonFinite, OutputStatistics, Place};
pub use interface::{Engine, LayerGradient, Objective, OnGradient};
pub use memory::MemoryTable;
pub use open::{open, open_part};
pub use options::{Device, Mode, Options};
pub use tensor::{Tensor, TensorKind};
pub use timings::{LayerTiming, LayerTimings, Pass};
