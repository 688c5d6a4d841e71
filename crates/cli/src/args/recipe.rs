//! `alexnet recipe ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::{at_least_one, setting};

/// `alexnet recipe ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// List the built-in recipes
    #[command(after_help = "Example:\n  alexnet recipe list")]
    List,
    /// Show a recipe: layers, parameters, multiply-adds, training, and differences from the paper
    Show(ShowArgs),
    /// Compare two recipes and say why each difference matters
    Diff(DiffArgs),
    /// Print the recipe of a run with its edits, to train the same model again
    FromJournal(FromJournalArgs),
    /// Convert a network definition of Caffe to a recipe
    FromCaffe(FromCaffeArgs),
    /// Convert a network of cuda-convnet, the authors' program, to a recipe
    FromCudaConvnet(FromCudaConvnetArgs),
}

/// `alexnet recipe show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet recipe show paper\n  \
                  alexnet recipe show small --toml > mine.toml    # edit it, then train with --recipe mine.toml")]
pub(crate) struct ShowArgs {
    /// A built-in recipe, a TOML file, or a run folder
    #[arg(value_name = "NAME|FILE")]
    pub(crate) recipe: String,
    /// Compute shapes for N classes instead of the recipe's
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) classes: Option<u32>,
    /// Print the recipe as TOML
    #[arg(long, conflicts_with_all = ["json", "classes"])]
    pub(crate) toml: bool,
    /// Change a value first, as in `train`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

/// `alexnet recipe diff`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet recipe diff paper caffe\n  \
                        alexnet recipe diff small small --set layer.norm1,norm2=none")]
pub(crate) struct DiffArgs {
    /// A built-in recipe, a TOML file, or a run folder
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// The recipe to compare it with
    #[arg(value_name = "B")]
    pub(crate) b: String,
    /// Change a value of B first, as in `train`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

/// `alexnet recipe from-journal`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet recipe from-journal runs/pets > again.toml\n  \
                        alexnet train pets/ --recipe again.toml")]
pub(crate) struct FromJournalArgs {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

/// `alexnet recipe from-cuda-convnet`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet recipe from-cuda-convnet layers-145.cfg layer-params-145.cfg > 145.toml\n  \
                        alexnet recipe diff 145.toml original-2012"
)]
pub(crate) struct FromCudaConvnetArgs {
    /// The file of layers
    #[arg(value_name = "LAYERS")]
    pub(crate) layers: PathBuf,
    /// The file of their learning rates
    #[arg(value_name = "PARAMS")]
    pub(crate) parameters: PathBuf,
    /// The side of the images in pixels, which the files lack [default: 256 if the first layer has a stride, otherwise 32]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) square: Option<u32>,
    /// The side of their crops [default: 224 of 256, otherwise the whole image]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) crop: Option<u32>,
    /// Change a value of the recipe, as in `train`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

/// `alexnet recipe from-caffe`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet recipe from-caffe train_val.prototxt solver.prototxt > mine.toml\n  \
                        alexnet recipe diff mine.toml caffe"
)]
pub(crate) struct FromCaffeArgs {
    /// The network definition: train_val.prototxt or deploy.prototxt
    #[arg(value_name = "NET")]
    pub(crate) net: PathBuf,
    /// The solver definition: learning rates and their schedule
    #[arg(value_name = "SOLVER")]
    pub(crate) solver: Option<PathBuf>,
    /// The side of the images in pixels before cropping, which the files lack [default: 256, or the crop if that is larger]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) square: Option<u32>,
    /// The number of training images, which makes steps epochs [default: 1281167, those of ILSVRC-2012]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) images: Option<u32>,
    /// Change a value of the recipe, as in `train`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}
