//! The command line: definitions only. Completions, man pages, and `--help` come from them.
//!
//! | file | commands |
//! |---|---|
//! | `recipe` | `recipe` |
//! | `data` | `data` |
//! | `training` | `demo`, `train`, `edit`, `lr-find` |
//! | `job` | how several processes share a training run |
//! | `reproduce` | `reproduce` |
//! | `inspect` | `inspect` |
//! | `model` | `eval`, `classify`, `quantize`, `bench` |
//! | `ensemble` | `ensemble` |
//! | `interop` | `import`, `export` |
//! | `cluster` | `plan-cluster` |
//! | `shell` | `completions`, `man` |
//! | `common` | options that several commands share |
//! | `values` | parsers of values |

pub(crate) mod cluster;
pub(crate) mod common;
pub(crate) mod data;
pub(crate) mod ensemble;
pub(crate) mod inspect;
pub(crate) mod interop;
pub(crate) mod job;
pub(crate) mod model;
pub(crate) mod recipe;
pub(crate) mod reproduce;
pub(crate) mod shell;
pub(crate) mod training;
pub(crate) mod values;

use clap::{Parser, Subcommand};

use super::output::Format;
use cluster::PlanClusterArgs;
use common::GlobalArgs;
use data::DataCommand;
use ensemble::EnsembleArgs;
use inspect::InspectArgs;
use interop::{ExportArgs, ImportArgs};
use model::{BenchArgs, ClassifyArgs, EvalArgs, QuantizeArgs};
use recipe::RecipeCommand;
use reproduce::ReproduceArgs;
use shell::{CompletionsArgs, ManArgs};
use training::{DemoArgs, EditArgs, LrFindArgs, TrainArgs};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "alexnet",
    version,
    about = "Train, evaluate, and use the 2012 ImageNet network on your own images",
    after_help = "Getting started:\n  \
                  alexnet demo                          # train, evaluate, and classify in about a minute\n  \
                  alexnet train pets/ --recipe small    # pets/ has one folder of images per class\n  \
                  alexnet classify runs/small-1 photo.jpg\n\n\
                  Exit codes: 0 success, 1 failure, 2 usage, 3 data, 4 model file or checkpoint, 5 diverged,\n\
                  130 stopped by SIGINT, 143 by SIGTERM.\n\n\
                  Environment: ALEXNET_LOG=debug prints what the library does, NO_COLOR turns colors off."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a small network on built-in images, evaluate it, and classify with it
    Demo(DemoArgs),
    /// List, show, and compare recipes: a network and how to train it
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Check, fix, pack, and benchmark a set of images
    #[command(subcommand)]
    Data(DataCommand),
    /// Train a network on labeled images, or resume a run
    Train(TrainArgs),
    /// Change a run while it trains: learning rate, frozen layers, last epoch
    Edit(EditArgs),
    /// Find a learning rate by training briefly at increasing rates
    LrFind(LrFindArgs),
    /// Test a claim of the paper: an ingredient against its absence, over several seeds
    Reproduce(ReproduceArgs),
    /// Evaluate a model or an ensemble on labeled images
    Eval(EvalArgs),
    /// Classify images
    Classify(ClassifyArgs),
    /// Draw what a model has learned: filters, predictions, nearest images
    Inspect(InspectArgs),
    /// Convert a model to 8-bit integers: a quarter of the size, faster inference
    Quantize(QuantizeArgs),
    /// Combine models into one file that averages their predictions
    Ensemble(EnsembleArgs),
    /// Convert a network of PyTorch, ONNX or Caffe to a model
    Import(ImportArgs),
    /// Convert a model to a file of PyTorch, ONNX or Caffe
    Export(ExportArgs),
    /// Measure training and inference speed on this machine
    Bench(BenchArgs),
    /// Predict training speed on 1 to 1,000 nodes, by network and by parallel scheme
    PlanCluster(PlanClusterArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}

/// How many processes can run a command together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processes {
    /// One; with the command's name.
    One(&'static str),
    /// Several, which a launcher such as `mpirun` starts.
    Several,
}

impl Command {
    /// How many processes can run this command together.
    pub(crate) fn processes(&self) -> Processes {
        Processes::One(match self {
            Self::Train(_) | Self::Eval(_) => return Processes::Several,
            Self::PlanCluster(args) if args.measure_link => return Processes::Several,
            Self::Demo(_) => "demo",
            Self::Recipe(_) => "recipe",
            Self::Data(_) => "data",
            Self::Edit(_) => "edit",
            Self::LrFind(_) => "lr-find",
            Self::Reproduce(_) => "reproduce",
            Self::Classify(_) => "classify",
            Self::Inspect(_) => "inspect",
            Self::Quantize(_) => "quantize",
            Self::Ensemble(_) => "ensemble",
            Self::Import(_) => "import",
            Self::Export(_) => "export",
            Self::Bench(_) => "bench",
            Self::PlanCluster(_) => "plan-cluster",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        })
    }
}

impl Cli {
    /// How results are printed.
    pub(crate) fn format(&self) -> Format {
        match &self.command {
            Command::Classify(args) if args.json_lines => Format::JsonLines,
            Command::Train(args) if args.json_events => Format::JsonLines,
            _ if self.global.json => Format::Json,
            _ => Format::Text,
        }
    }
}
