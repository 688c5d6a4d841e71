//! What can be typed: definitions only. Each command's file says what is done with it.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use alexnet::train::origin::newest;

/// The network and the training system of the 2012 ImageNet paper.
#[derive(Debug, Parser)]
#[command(
    name = "alexnet",
    version,
    about = "Train, evaluate and use the network of the 2012 ImageNet paper on your own images",
    after_help = "Start here:\n  alexnet demo                            train, evaluate and classify in two minutes\n  \
                  alexnet train IMAGES --recipe small   IMAGES: a folder with a folder of images per class\n  \
                  alexnet classify runs/NAME photo.jpg\n\n\
                  Exit codes: 0 done, 1 failure, 2 usage, 3 data, 4 model file or checkpoint, 5 diverged, 130 and 143 interrupted."
)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Train a small network on images that come with the program, evaluate it, and classify
    Demo(DemoArgs),
    /// List, show and compare recipes: networks with their training, as data
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Look at images before training: check them, pack them, measure how fast they come
    #[command(subcommand)]
    Data(DataCommand),
    /// Train a network on labeled images, or go on with a training
    Train(TrainArgs),
    /// Change a training while it runs: its rate, what it learns, when it ends
    Edit(EditArgs),
    /// Find a learning rate: train a little at ever higher rates
    LrFind(LrFindArgs),
    /// Judge a model, or several together, on labeled images
    Eval(EvalArgs),
    /// Name what images show
    Classify(ClassifyArgs),
    /// Measure how fast this machine trains and classifies
    Bench(BenchArgs),
}

/// `alexnet demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet demo --run runs/demo")]
pub(super) struct DemoArgs {
    /// Folder for everything the run leaves [default: runs/demo with a number behind it]
    #[arg(long, value_name = "DIR")]
    pub(super) run: Option<PathBuf>,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet recipe ...`.
#[derive(Debug, Subcommand)]
pub(super) enum RecipeCommand {
    /// List the built-in recipes
    #[command(after_help = "Example:\n  alexnet recipe list")]
    List {
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show a recipe: layers, parameters, multiply-adds, training, and where it differs from the paper
    #[command(after_help = "Examples:\n  alexnet recipe show paper\n  \
                            alexnet recipe show small --toml > mine.toml   # then edit, and train with --recipe mine.toml")]
    Show {
        /// A built-in recipe, a TOML file, or a run folder
        #[arg(value_name = "NAME|FILE")]
        recipe: String,
        /// Work the shapes out for this many classes, instead of the recipe's
        #[arg(long, value_name = "N", value_parser = at_least_one())]
        classes: Option<u32>,
        /// Print the recipe file itself, to be edited
        #[arg(long, conflicts_with_all = ["json", "classes"])]
        toml: bool,
        /// Change a value first, as for `train`; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show the recipe of a run with all that was changed while it ran: it gives the same model again
    #[command(
        after_help = "Example:\n  alexnet recipe from-journal runs/pets > again.toml   # then: alexnet train pets/ --recipe again.toml"
    )]
    FromJournal {
        /// A run folder
        #[arg(value_name = "RUN")]
        run: PathBuf,
    },
    /// Show what differs between two recipes, and why it matters
    #[command(after_help = "Examples:\n  alexnet recipe diff paper caffe\n  \
                            alexnet recipe diff small small --set layer.norm1,norm2=none")]
    Diff {
        /// A built-in recipe, a TOML file, or a run folder
        #[arg(value_name = "A")]
        a: String,
        /// Another one
        #[arg(value_name = "B")]
        b: String,
        /// Change a value of B first, as for `train`; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
    },
}

/// `alexnet data ...`.
#[derive(Debug, Subcommand)]
pub(super) enum DataCommand {
    /// Look for everything that is wrong with images, and plan what to do about it
    Check(CheckArgs),
    /// Carry out a plan of `data check`, or undo it
    Fix(FixArgs),
    /// Make squares of all images once, with their mean image, into files that are read fast
    Pack(PackArgs),
    /// Measure how fast images are read, decoded, squared and augmented
    Bench(DataBenchArgs),
}

/// `alexnet data check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet data check pets/\n  \
                        alexnet data check pets/ --plan plan.json   # then: alexnet data fix plan.json pets-fixed/")]
pub(super) struct CheckArgs {
    /// The images, as for `train`
    #[arg(value_name = "SRC")]
    pub(super) source: PathBuf,
    /// Write down what to do about each problem, for `alexnet data fix`
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Compare whole files with what ImageNet or `data pack` says they are: MD5, SHA-256. Reads all of them
    #[arg(long)]
    pub(super) digests: bool,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet data fix`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet data fix plan.json pets-fixed/          # the originals stay as they are\n  \
                        alexnet data fix plan.json --in-place           # they are set aside in their own folder\n  \
                        alexnet data fix plan.json --in-place --undo    # and come back"
)]
pub(super) struct FixArgs {
    /// The plan that `data check --plan` wrote; edit it first, if you like
    #[arg(value_name = "PLAN")]
    pub(super) plan: PathBuf,
    /// A new folder of class folders: links to the good images, and mended copies of the others
    #[arg(value_name = "OUT", required_unless_present = "in_place", conflicts_with = "in_place")]
    pub(super) out: Option<PathBuf>,
    /// Change the folder itself: what is replaced or left out moves into `.set-aside` in it
    #[arg(long)]
    pub(super) in_place: bool,
    /// Undo: remove what was made, and bring back what was set aside
    #[arg(long)]
    pub(super) undo: bool,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet data pack`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet data pack imagenet/ packed/\n  \
                        alexnet data pack imagenet/ packed/ --store jpeg    # a sixth of the size, slower to read\n\n\
                        Interrupted, the same command goes on where it stopped. Afterwards: alexnet train packed/ ...")]
pub(super) struct PackArgs {
    /// The images, as for `train`
    #[arg(value_name = "SRC")]
    pub(super) source: PathBuf,
    /// The folder to fill
    #[arg(value_name = "OUT")]
    pub(super) out: PathBuf,
    /// Bare pixels, or JPEG files of quality 95
    #[arg(long, value_name = "raw|jpeg", default_value = "raw", value_parser = ["raw", "jpeg"], hide_possible_values = true)]
    pub(super) store: String,
    /// Side of the squares: the recipe's `input.square`
    #[arg(long, value_name = "PIXELS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) side: u32,
    /// Rotate photos as their EXIF orientation says, or leave them as stored; ImageNet's archives stay as stored
    #[arg(long, value_name = "exif|stored", default_value = "exif", value_parser = ["exif", "stored"], hide_possible_values = true)]
    pub(super) orientation: String,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet data bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet data bench pets/ --recipe small")]
pub(super) struct DataBenchArgs {
    /// The images, as for `train`
    #[arg(value_name = "SRC")]
    pub(super) source: PathBuf,
    /// The recipe whose squares, crops and augmentation are measured
    #[arg(long, value_name = "NAME|FILE", default_value = "paper")]
    pub(super) recipe: String,
    /// Seconds for each of the two measurements
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub(super) seconds: f64,
    /// Threads that load images [default: as many as --threads]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub(super) workers: Option<u16>,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet train pets/ --recipe small\n  \
                        alexnet train pets/ --recipe paper --epochs 30 --set optimizer.rate=0.005 --run runs/pets\n  \
                        alexnet train --resume runs/pets                       # after Ctrl-C, a crash, a power cut\n  \
                        alexnet train pets/ --init imagenet.safetensors --freeze conv1,conv2\n\n\
                        SRC is a folder with a folder of images per class, train/ and val/ of such, a tar of\n\
                        those, images in one folder with a file of labels, WebDataset's tars, what `data pack`\n\
                        made, CIFAR-10 or CIFAR-100 binaries, IDX files such as MNIST's, or a folder with\n\
                        ImageNet's archives as they are handed out and their development kit.")]
pub(super) struct TrainArgs {
    /// The images: a folder with a folder per class, or another source (see below) [with --resume: those of the run]
    #[arg(value_name = "SRC", required_unless_present = "resume")]
    pub(super) source: Option<PathBuf>,
    /// A built-in recipe (`alexnet recipe list`), or a TOML file [with --init: the model's; with --resume: the run's]
    #[arg(long, value_name = "NAME|FILE", required_unless_present_any = ["resume", "init"])]
    pub(super) recipe: Option<String>,
    /// Resume the training of this run folder from its last checkpoint, to the same bits [without RUN: the newest in runs/]
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "runs", value_parser = run_folder(), conflicts_with_all = ["run", "exist_ok", "seed", "init", "freeze", "forecast"])]
    pub(super) resume: Option<PathBuf>,
    /// Go on even if the recipe, the images or the classes are others than before
    #[arg(long, requires = "resume")]
    pub(super) accept_changes: bool,
    /// Train although there is only one class
    #[arg(long)]
    pub(super) allow_one_class: bool,
    /// Start from the weights of a model or of a run, as far as they fit; the last layer is new for new classes
    #[arg(long, value_name = "MODEL")]
    pub(super) init: Option<PathBuf>,
    /// Layers that do not learn; `alexnet edit RUN unfreeze=LAYER` lets them later
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',')]
    pub(super) freeze: Vec<String>,
    /// Folder for everything the run leaves [default: runs/RECIPE with a number behind it]
    #[arg(long, value_name = "DIR")]
    pub(super) run: Option<PathBuf>,
    /// Write into the run folder even if it holds a run already, whose files move into `earlier-1` there
    #[arg(long, requires = "run")]
    pub(super) exist_ok: bool,
    /// Passes over the images, instead of the recipe's
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(super) epochs: Option<u32>,
    /// Stop after this many updates; with --resume, `none` lifts the limit of before
    #[arg(long, value_name = "N", value_parser = limit)]
    pub(super) steps: Option<Limit>,
    /// Change a value of the recipe, such as optimizer.rate=0.005, or remove a layer, as in layer.norm1=none; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) set: Vec<(String, String)>,
    /// Images that go through the network at once, a multiple of 9: less memory, the same numbers, a little slower
    /// [default: the whole batch]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(super) micro_batch: Option<u32>,
    /// Minutes between checkpoints, beside those at the end of every epoch; SIGHUP makes one at once [default: 10]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    pub(super) checkpoint_minutes: Option<f64>,
    /// Steps between checkpoints
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(super) checkpoint_steps: Option<u32>,
    /// When numbers stop being finite: go back to the last checkpoint and on at a tenth of the rate, up to three times; or stop
    /// [default: lower-rate]
    #[arg(long, value_name = "lower-rate|stop", value_parser = ["lower-rate", "stop"], hide_possible_values = true)]
    pub(super) on_divergence: Option<String>,
    /// When the first epoch of at least 100 steps ends with the loss at chance level: print the known remedies, restart
    /// with one, or stop
    /// [default: tell]
    #[arg(long, value_name = "WHAT", value_parser = ["tell", "restart-with-he", "restart-with-small-biases", "stop"])]
    pub(super) on_plateau: Option<String>,
    /// Show curves, layers and messages on the whole terminal, with keys to stop and to change the training; plain lines where
    /// there is no terminal
    #[arg(long)]
    pub(super) tui: bool,
    /// Only measure the first steps: memory, time to the end and where it goes, disk space. Leaves nothing
    #[arg(long, conflicts_with = "exist_ok")]
    pub(super) forecast: bool,
    /// What all random numbers follow from: the same seed gives the same model
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Threads that load images; their number changes no result [default: as many as --threads]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub(super) workers: Option<u16>,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet edit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet edit runs/pets lr=0.001 --reason 'the validation error stopped improving'\n  \
                        alexnet edit runs/pets freeze=conv1 color-noise=off\n  \
                        alexnet edit runs/pets stop-after=91\n\n\
                        What is changed stands in the run's journal.jsonl, with the step before which it was."
)]
pub(super) struct EditArgs {
    /// The run folder of the training
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// lr=RATE, freeze=LAYER, unfreeze=LAYER, color-noise=DEVIATION|off, stop-after=EPOCH
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub(super) changes: Vec<String>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet lr-find`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet lr-find pets/ --recipe paper --plot rates.svg")]
pub(super) struct LrFindArgs {
    /// The images, as for `train`
    #[arg(value_name = "SRC")]
    pub(super) source: PathBuf,
    /// A built-in recipe, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) recipe: String,
    /// The first rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-6, value_parser = rate)]
    pub(super) from: f32,
    /// The last rate; it ends before where the loss explodes
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = rate)]
    pub(super) to: f32,
    /// Steps from the first to the last
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(super) steps: u32,
    /// Change a value of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) set: Vec<(String, String)>,
    /// Draw the loss against the rate into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,
    /// What all random numbers follow from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet eval`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet eval runs/pets --data pets/ --split val\n  \
                        alexnet eval runs/a runs/b runs/c --data pets/ --views 10    # the ensemble")]
pub(super) struct EvalArgs {
    /// Model files or run folders; several are judged together, by the mean of their probabilities
    #[arg(value_name = "MODEL", required = true)]
    pub(super) models: Vec<PathBuf>,
    /// The labeled images, as for `train`
    #[arg(long, value_name = "SRC")]
    pub(super) data: PathBuf,
    /// Which images of it: train, val, test, or all [default: val; where the set has no splits, what is held out of training,
    /// or all if the model was trained on other images]
    #[arg(long, value_name = "NAME")]
    pub(super) split: Option<String>,
    #[command(flatten)]
    pub(super) views: ViewArgs,
    /// Views that go through the network at once; changes speed and memory, and at most the last bits of results
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(super) batch: u32,
    #[command(flatten)]
    pub(super) precision: PrecisionArgs,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet classify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet classify runs/pets photo.jpg\n  \
                        curl -s https://example.org/cat.jpg | alexnet classify runs/pets - --json")]
pub(super) struct ClassifyArgs {
    /// A model file or a run folder
    #[arg(value_name = "MODEL")]
    pub(super) model: PathBuf,
    /// Images; `-` is standard input, a folder means the images right in it
    #[arg(value_name = "IMAGE", required = true)]
    pub(super) images: Vec<PathBuf>,
    /// How many classes to name [default: 5, or all of fewer]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(super) top: Option<u32>,
    #[command(flatten)]
    pub(super) views: ViewArgs,
    #[command(flatten)]
    pub(super) precision: PrecisionArgs,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `alexnet bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet bench --recipe paper --batch 32")]
pub(super) struct BenchArgs {
    /// A built-in recipe, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "paper")]
    pub(super) recipe: String,
    /// Images per step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(super) batch: Option<u32>,
    /// Show every pass through every layer as well
    #[arg(long)]
    pub(super) layers: bool,
    #[command(flatten)]
    pub(super) precision: PrecisionArgs,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// How weights are kept.
#[derive(Debug, Args)]
pub(super) struct PrecisionArgs {
    /// Keep the weights of fully connected layers in half precision: less to read for an image by itself; logits
    /// change in the fourth digit
    #[arg(long)]
    pub(super) half: bool,
}

/// What part of the machine is used.
#[derive(Debug, Args)]
pub(super) struct MachineArgs {
    /// Threads that compute; their number changes no result [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

impl MachineArgs {
    /// Threads that compute.
    pub(super) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}

/// How results are printed.
#[derive(Debug, Args)]
pub(super) struct FormatArgs {
    /// Print one JSON object on standard output; all else goes to standard error
    #[arg(long)]
    pub(super) json: bool,
}

/// What the network sees of each image.
#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// Views averaged per image: the center, or corners, center and their mirror images [default: the recipe's]
    #[arg(long, value_name = "1|10", value_parser = views(), hide_possible_values = true)]
    pub(super) views: Option<usize>,
}

/// When a training ends before its schedule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Never.
    None,
    /// After so many updates.
    Steps(usize),
}

fn limit(text: &str) -> Result<Limit, String> {
    match (text, text.parse::<u32>()) {
        ("none", _) => Ok(Limit::None),
        (_, Ok(steps)) if steps > 0 => Ok(Limit::Steps(steps as usize)),
        _ => Err("expected a number of updates, 1 or more, or `none`".into()),
    }
}

/// A run folder, or a folder of runs, of which the newest is meant.
fn run_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|folder| newest(&folder))
}

fn views() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(["1", "10"]).map(|views| if views == "10" { 10 } else { 1 })
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// A time that can pass.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, 0.01 to 3600".into()),
    }
}

/// Minutes between two checkpoints.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.01..=1e6).contains(&minutes) => Ok(minutes),
        _ => Err("expected minutes, 0.01 or more".into()),
    }
}

/// A learning rate.
fn rate(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("expected a rate above 0, at most 1000000".into()),
    }
}

/// `KEY=VALUE`, as in `optimizer.rate=0.005`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err("expected KEY=VALUE, as in optimizer.rate=0.005".into()),
    }
}
