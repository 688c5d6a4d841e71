//! `alexnet ensemble`.

use std::path::PathBuf;

use clap::Args;

use super::common::{MachineArgs, ViewArgs};
use super::values::weight;

/// `alexnet ensemble`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet ensemble runs/a runs/b runs/c pets.safetensors\n  \
                        alexnet ensemble runs/a runs/b pets.safetensors --search-weights pets/\n  \
                        alexnet classify pets.safetensors photo.jpg")]
pub(crate) struct EnsembleArgs {
    /// Model files or run folders with the same classes
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) models: Vec<PathBuf>,
    /// The file to write
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The weight of each model, in order; they sum to 1 [default: equal]
    #[arg(
        long,
        value_name = "W,W,...",
        value_delimiter = ',',
        value_parser = weight,
        allow_hyphen_values = true,
        conflicts_with = "search_weights"
    )]
    pub(crate) weights: Option<Vec<f64>>,
    /// Labeled images to search weights on, in steps of 0.05
    #[arg(long, value_name = "SRC")]
    pub(crate) search_weights: Option<PathBuf>,
    /// Split to search on: train, val, test, or, of a source without splits, all [default: as in `alexnet eval`]
    #[arg(long, value_name = "NAME", requires = "search_weights")]
    pub(crate) split: Option<String>,
    #[command(flatten)]
    pub(crate) views: ViewArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}
