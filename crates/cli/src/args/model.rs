//! `alexnet eval`, `classify`, `quantize`, `bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::{MachineArgs, PrecisionArgs, ViewArgs};
use super::values::{at_least_one, whole};
use alexnet::quantize::RangeRule;

/// `alexnet eval`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet eval runs/pets --data pets/ --split val\n  \
                        alexnet eval runs/pets --data pets/ --out results/           # tables and plots\n  \
                        alexnet eval runs/a --against runs/b --data pets/            # which is better?\n  \
                        alexnet eval runs/a runs/b runs/c --data pets/ --views 10    # an ensemble")]
pub(crate) struct EvalArgs {
    /// Model files or run folders; several form an ensemble, whose probabilities are averaged
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) models: Vec<PathBuf>,
    /// The labeled images, as in `alexnet train`
    #[arg(long, value_name = "SRC")]
    pub(crate) data: PathBuf,
    /// Split to evaluate: train, val, test, or, of a source without splits, all [default: val; without splits the
    /// held-out images, or all if the model was trained on another set]
    #[arg(long, value_name = "NAME")]
    pub(crate) split: Option<String>,
    /// Another model to compare with on the same images, by McNemar's test; repeated, an ensemble
    #[arg(long, value_name = "MODEL")]
    pub(crate) against: Vec<PathBuf>,
    /// Fit a temperature that calibrates the probabilities, and measure it on images that it was not fitted on
    #[arg(long)]
    pub(crate) temperature: bool,
    /// Folder for per-class.csv, confusion.csv, predictions.csv, calibration.svg and confusion.svg
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) views: ViewArgs,
    /// Views per batch: changes speed, memory, and at most the last bits of results
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole::<u32>(1..=65536))]
    pub(crate) batch: u32,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// `alexnet classify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet classify runs/pets photo.jpg\n  \
                        alexnet classify runs/pets photos/ --json-lines | jq .\n  \
                        curl -s https://example.org/cat.jpg | alexnet classify runs/pets - --json")]
pub(crate) struct ClassifyArgs {
    /// A model file or a run folder
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Image files; `-` reads standard input, a folder stands for the images directly in it
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<PathBuf>,
    /// Number of classes to print per image [default: 5]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) top: Option<u32>,
    /// Print one JSON object per image, each as soon as the image is classified
    #[arg(long, conflicts_with = "json")]
    pub(crate) json_lines: bool,
    #[command(flatten)]
    pub(crate) views: ViewArgs,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// `alexnet quantize`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet quantize runs/pets --calibrate pets/ pets-int8.safetensors\n  \
                        alexnet classify pets-int8.safetensors photo.jpg")]
pub(crate) struct QuantizeArgs {
    /// A model file or a run folder
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Images like those that the model will classify, to measure the ranges of activations: as in `alexnet train`, or a
    /// folder of images without classes
    #[arg(long, value_name = "SRC")]
    pub(crate) calibrate: PathBuf,
    /// Most images to measure ranges on, chosen at random from the training images
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = at_least_one)]
    pub(crate) images: u32,
    /// The range of numbers that 8 bits stand for: all values, 99.99 % of them, or the one with the least mean squared error
    #[arg(long, value_name = "max|percentile|mse", value_enum, hide_possible_values = true, default_value_t = Ranges::Mse)]
    pub(crate) ranges: Ranges,
    /// Labeled images to measure accuracy on, before and after [default: the validation images of --calibrate]
    #[arg(long, value_name = "SRC")]
    pub(crate) data: Option<PathBuf>,
    /// Split to measure accuracy on: train, val, test, or, of a source without splits, all [default: val]
    #[arg(long, value_name = "NAME")]
    pub(crate) split: Option<String>,
    #[command(flatten)]
    pub(crate) views: ViewArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// How ranges are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ranges {
    /// All values
    Max,
    /// 99.99 % of the values
    Percentile,
    /// The range with the least mean squared error
    Mse,
}

impl From<Ranges> for RangeRule {
    fn from(ranges: Ranges) -> Self {
        match ranges {
            Ranges::Max => Self::Max,
            Ranges::Percentile => Self::Percentile,
            Ranges::Mse => Self::Mse,
        }
    }
}

/// `alexnet bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet bench --recipe paper --batch 32\n  \
                        alexnet bench --model pets-int8.safetensors --batch 1")]
pub(crate) struct BenchArgs {
    /// Measure inference of a model file or a run's model instead of a recipe
    #[arg(long, value_name = "MODEL", conflicts_with = "recipe")]
    pub(crate) model: Option<PathBuf>,
    /// A built-in recipe or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "paper")]
    pub(crate) recipe: String,
    /// Images per step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=65536))]
    pub(crate) batch: Option<u32>,
    /// Also time each pass through each layer
    #[arg(long)]
    pub(crate) layers: bool,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}
