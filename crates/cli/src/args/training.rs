//! `alexnet demo`, `train`, `edit`, `lr-find`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::MachineArgs;
use super::job::JobArgs;
use super::values::{
    StepLimit, at_least_one, learning_rate, minutes, precision, run_folder, setting, step_limit, svg_file,
    whole,
};
use alexnet::net::Precision;
use alexnet::train::Minutes;
use alexnet::train::watch::{OnDivergence, OnPlateau};
use alexnet_kernels::micro_batch::granule;

/// `alexnet demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet demo --run runs/demo")]
pub(crate) struct DemoArgs {
    /// Run folder to create [default: runs/demo-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// `alexnet train`.
#[derive(Debug, Args)]
#[command(
    override_usage = "alexnet train [OPTIONS] <SRC> --recipe <NAME|FILE>\n       \
                            alexnet train [OPTIONS] --resume [<RUN>]",
    after_help = "Examples:\n  alexnet train pets/ --recipe small\n  \
                        alexnet train pets/ --recipe paper --epochs 30 --set optimizer.rate=0.005 --run runs/pets\n  \
                        alexnet train --resume runs/pets    # after Ctrl-C, a crash, a power failure\n  \
                        alexnet train pets/ --init imagenet.safetensors --freeze conv1,conv2\n  \
                        alexnet train pets/ --recipe paper --resume-or-start runs/pets    # in a job that may be requeued\n  \
                        mpirun -n 2 alexnet train pets/ --recipe paper    # two processes (see docs/clusters.md)\n\n\
                        SRC is one of: a folder with one folder of images per class; train/ and val/ folders of those;\n\
                        a tar of either; a folder of images with a file of labels; WebDataset tars; the output of\n\
                        `alexnet data pack`; CIFAR-10 or CIFAR-100 binaries; IDX files such as MNIST's; a folder with\n\
                        the original ImageNet archives and their development kit.\n\n\
                        Signals: SIGINT and SIGTERM write a checkpoint and stop, with exit code 130 or 143; a second one\n\
                        stops at once. SIGHUP, SIGUSR1, and SIGUSR2 write a checkpoint and continue."
)]
pub(crate) struct TrainArgs {
    /// The images: a folder with one folder per class, or another source (see below) [with --resume: those of the run]
    #[arg(value_name = "SRC", required_unless_present = "resume")]
    pub(crate) source: Option<PathBuf>,
    /// A built-in recipe (see `alexnet recipe list`) or a TOML file [with --init: the model's; with --resume: the run's]
    #[arg(long, value_name = "NAME|FILE", required_unless_present_any = ["resume", "init"])]
    pub(crate) recipe: Option<String>,
    /// Number of epochs [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) epochs: Option<u32>,
    /// Stop after N steps; with --resume, `none` removes the limit
    #[arg(long, value_name = "N", value_parser = step_limit)]
    pub(crate) steps: Option<StepLimit>,
    /// Change a recipe value (optimizer.rate=0.005) or remove a layer (layer.norm1=none); can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Format of the operands of products: f32, or bf16, faster on processors that multiply it [default: the recipe's]
    #[arg(long, value_name = "f32|bf16", value_parser = precision(), hide_possible_values = true)]
    pub(crate) precision: Option<Precision>,
    /// Start from the weights of a model file or run folder; layers that do not fit start fresh
    #[arg(long, value_name = "MODEL")]
    pub(crate) init: Option<PathBuf>,
    /// Layers to freeze; `alexnet edit RUN unfreeze=LAYER` unfreezes them later
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',')]
    pub(crate) freeze: Vec<String>,
    /// Random seed: the same seed gives the same model [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Train even if there is only one class
    #[arg(long)]
    pub(crate) allow_one_class: bool,
    /// Run 20 steps, print estimates of time, memory, and disk space, and delete the run folder
    #[arg(long, conflicts_with = "exist_ok")]
    pub(crate) forecast: bool,
    /// Print every event of the training as one JSON object per line, the result last
    #[arg(long, conflicts_with_all = ["json", "tui"])]
    pub(crate) json_events: bool,
    /// Show a full-screen dashboard, if there is a terminal: curves, layers, messages, keys to stop and edit
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) tui: bool,
    /// Run folder to create [default: runs/RECIPE-N]
    #[arg(help_heading = "Run folder", long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Allow a run folder that holds a run; its files move to `earlier-1` in it
    #[arg(help_heading = "Run folder", long, requires = "run")]
    pub(crate) exist_ok: bool,
    /// Resume a run from its last checkpoint, bit for bit [default RUN: the newest in runs/]
    #[arg(help_heading = "Run folder", long, value_name = "RUN", group = "resuming", num_args = 0..=1, default_missing_value = "runs", value_parser = run_folder(), conflicts_with_all = ["run", "exist_ok", "seed", "init", "freeze", "forecast"])]
    pub(crate) resume: Option<PathBuf>,
    /// Resume the run in this folder if there is one, else start it there; for jobs that are requeued
    #[arg(help_heading = "Run folder", long, value_name = "RUN", group = "resuming", conflicts_with_all = ["resume", "run", "exist_ok", "forecast"])]
    pub(crate) resume_or_start: Option<PathBuf>,
    /// Resume even if the recipe, the images, or the seed have changed; classes and shapes of weights have to stay
    #[arg(help_heading = "Run folder", long, requires = "resuming")]
    pub(crate) accept_changes: bool,
    /// Minutes between checkpoints, in addition to one per epoch [default: 10]
    #[arg(help_heading = "Checkpoints and failures", long, value_name = "MINUTES", value_parser = minutes)]
    pub(crate) checkpoint_minutes: Option<Minutes>,
    /// Steps between checkpoints
    #[arg(help_heading = "Checkpoints and failures", long, value_name = "N", value_parser = at_least_one)]
    pub(crate) checkpoint_steps: Option<u32>,
    /// On NaN or infinity: restore the last checkpoint and divide the learning rate by 10, up to three times; or stop
    /// [default: lower-rate]
    #[arg(
        help_heading = "Checkpoints and failures",
        long,
        value_enum,
        value_name = "lower-rate|stop",
        hide_possible_values = true
    )]
    pub(crate) on_divergence: Option<DivergenceAction>,
    /// If the loss is at chance level at the end of the epoch with step 100: print advice, restart with a fix, or stop
    /// [default: advise]
    #[arg(help_heading = "Checkpoints and failures", long, value_enum, value_name = "ACTION")]
    pub(crate) on_plateau: Option<PlateauAction>,
    #[arg(help_heading = "Performance", long, value_name = "N", value_parser = at_least_one, help = micro_batch_help())]
    pub(crate) micro_batch: Option<u32>,
    /// Number of loader threads; does not change results [default: same as --threads]
    #[arg(help_heading = "Performance", long, value_name = "N", value_parser = whole::<u16>(0..=1024))]
    pub(crate) workers: Option<u16>,
    #[command(flatten, next_help_heading = "Performance")]
    pub(crate) machine: MachineArgs,
    #[command(flatten, next_help_heading = "Several processes")]
    pub(crate) job: JobArgs,
}

fn micro_batch_help() -> String {
    format!(
        "Split each batch into micro-batches of N images, a multiple of {} (with bf16: {}): less memory, same results, slightly slower",
        granule(Precision::F32),
        granule(Precision::Bf16)
    )
}

/// `--on-divergence`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DivergenceAction {
    LowerRate,
    Stop,
}

impl From<DivergenceAction> for OnDivergence {
    fn from(action: DivergenceAction) -> Self {
        match action {
            DivergenceAction::LowerRate => Self::LowerRate,
            DivergenceAction::Stop => Self::Stop,
        }
    }
}

/// `--on-plateau`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PlateauAction {
    #[value(alias = "tell")]
    Advise,
    RestartWithHe,
    RestartWithSmallBiases,
    Stop,
}

impl From<PlateauAction> for OnPlateau {
    fn from(action: PlateauAction) -> Self {
        match action {
            PlateauAction::Advise => Self::Advise,
            PlateauAction::RestartWithHe => Self::RestartWithHe,
            PlateauAction::RestartWithSmallBiases => Self::RestartWithSmallBiases,
            PlateauAction::Stop => Self::Stop,
        }
    }
}

/// `alexnet edit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet edit runs/pets lr=0.001 --reason 'validation error stopped improving'\n  \
                  alexnet edit runs/pets freeze=conv1 color-noise=off\n  \
                  alexnet edit runs/pets stop-after=91\n\n\
                  Edits take effect before the next step, or when the run is resumed, and are recorded in the\n\
                  run's journal.jsonl."
)]
pub(crate) struct EditArgs {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// lr=RATE, freeze=LAYER, unfreeze=LAYER, color-noise=STD|off, stop-after=EPOCH
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub(crate) changes: Vec<String>,
    /// Reason to record in the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

/// `alexnet lr-find`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet lr-find pets/ --recipe paper --plot rates.svg")]
pub(crate) struct LrFindArgs {
    /// The images, as in `alexnet train`
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// A built-in recipe or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) recipe: String,
    /// Lowest learning rate
    #[arg(long, value_name = "RATE", default_value = "1e-6", value_parser = learning_rate)]
    pub(crate) from: f32,
    /// Highest learning rate; the search stops earlier if the loss explodes
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = learning_rate)]
    pub(crate) to: f32,
    /// Number of steps from the lowest to the highest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<u32>(10..=100_000))]
    pub(crate) steps: u32,
    /// Change a recipe value, as in `train`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Plot the loss against the learning rate
    #[arg(long, value_name = "FILE.svg", value_parser = svg_file())]
    pub(crate) plot: Option<PathBuf>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}
