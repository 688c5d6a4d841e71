//! Options that several commands share.

use clap::Args;

use super::values::{precision, views, whole};
use alexnet::eval::PredictorOptions;
use alexnet::net::{Precision, Views};

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Print one JSON object to standard output, also on failure
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// Print only results, warnings, and errors: no progress, no notes
    #[arg(long, short, global = true, display_order = 901)]
    pub(crate) quiet: bool,
}

/// How much of the machine to use.
#[derive(Debug, Args)]
pub(crate) struct MachineArgs {
    /// Number of compute threads; does not change results [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..=1024))]
    pub(crate) threads: Option<u16>,
}

impl MachineArgs {
    /// The number of compute threads.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}

/// The precision of inference.
#[derive(Debug, Args)]
pub(crate) struct PrecisionArgs {
    /// Format of the operands of products: f32, or bf16, faster on processors that multiply it [default: the recipe's]
    #[arg(long, value_name = "f32|bf16", value_parser = precision(), hide_possible_values = true)]
    pub(crate) precision: Option<Precision>,
    /// Keep fully connected weights in half precision: faster on single images, logits change in the fourth digit
    #[arg(long)]
    pub(crate) half: bool,
}

impl PrecisionArgs {
    /// The options of a model for `batch` views at once.
    pub(crate) fn options(&self, batch: usize, threads: usize) -> PredictorOptions {
        PredictorOptions { batch, threads, precision: self.precision, half: self.half }
    }
}

/// Which crops of an image are classified.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// Views averaged per image: 1 (center) or 10 (corners and center, mirrored) [default: the recipe's]
    #[arg(long, value_name = "1|10", value_parser = views(), hide_possible_values = true)]
    pub(crate) views: Option<Views>,
}
