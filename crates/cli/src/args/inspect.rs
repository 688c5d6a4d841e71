//! `alexnet inspect`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{MachineArgs, PrecisionArgs, ViewArgs};
use super::values::{figure_file, whole};
use crate::inspect::FigureFile;

/// `alexnet inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet inspect runs/pets filters --out filters.svg\n  \
                        alexnet inspect runs/pets predictions --data pets/ --out predictions.png\n  \
                        alexnet inspect runs/pets neighbors --data pets/ --out neighbors.svg")]
pub(crate) struct InspectArgs {
    /// A model file or a run folder
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// What to show.
    #[command(subcommand)]
    pub(crate) command: InspectCommand,
}

/// `alexnet inspect MODEL ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum InspectCommand {
    /// Draw the kernels of the first convolution, by column, and measure how color-specific they are
    Filters(FiltersArgs),
    /// Draw images with their five most probable classes
    Predictions(PredictionsArgs),
    /// Draw images with the training images nearest to them, by the activations of a hidden layer
    Neighbors(NeighborsArgs),
}

/// `alexnet inspect MODEL filters`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet inspect runs/pets filters --out filters.svg\n  \
                        alexnet inspect runs/pets filters --out filters.png --per-kernel")]
pub(crate) struct FiltersArgs {
    #[command(flatten)]
    pub(crate) out: OutArgs,
    /// Scale each kernel to its own largest weight: shows weak kernels, hides how weak they are
    #[arg(long)]
    pub(crate) per_kernel: bool,
}

/// `alexnet inspect MODEL predictions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet inspect runs/pets predictions --data pets/ --images 12 --out predictions.svg\n  \
                        alexnet inspect runs/pets predictions photos/ --out photos.png"
)]
pub(crate) struct PredictionsArgs {
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
    #[command(flatten)]
    pub(crate) views: ViewArgs,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// `alexnet inspect MODEL neighbors`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet inspect runs/pets neighbors --data pets/ --out neighbors.svg\n  \
                        alexnet inspect runs/pets neighbors photos/ --data pets/ --layer conv5 --out photos.png"
)]
pub(crate) struct NeighborsArgs {
    /// Images to find neighbors of, instead of images from --data: files, or folders of them
    #[arg(value_name = "IMAGE")]
    pub(crate) files: Vec<PathBuf>,
    /// The labeled images, as in `alexnet train`: neighbors come from split train
    #[arg(long, value_name = "SRC")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) sample: SampleArgs,
    /// Neighbors of each image
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = whole::<u32>(1..=20))]
    pub(crate) neighbors: u32,
    /// Layer whose activations are compared [default: the last hidden layer]
    #[arg(long, value_name = "NAME")]
    pub(crate) layer: Option<String>,
    #[command(flatten)]
    pub(crate) out: OutArgs,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// Which images are shown.
#[derive(Debug, Args)]
pub(crate) struct ChoiceArgs {
    /// Image files, or folders of them; their classes are not known
    #[arg(value_name = "IMAGE", required_unless_present = "data", conflicts_with = "data")]
    pub(crate) files: Vec<PathBuf>,
    /// Labeled images to choose from, as in `alexnet train`
    #[arg(long, value_name = "SRC")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sample: SampleArgs,
}

/// Images chosen from a source.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// Split to choose from: train, val, test, or, of a source without splits, all [default: as in `alexnet eval`]
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    pub(crate) split: Option<String>,
    /// Number of images
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole::<u32>(1..=100), conflicts_with = "files")]
    pub(crate) images: u32,
    /// Seed of the choice
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "files")]
    pub(crate) seed: u64,
}

/// Where a figure goes.
#[derive(Debug, Args)]
pub(crate) struct OutArgs {
    /// The figure to write: FILE.svg or FILE.png; an existing figure is replaced
    #[arg(long, value_name = "FILE", value_parser = figure_file())]
    pub(crate) out: FigureFile,
}
