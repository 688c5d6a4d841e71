//! `alexnet data ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::common::MachineArgs;
use super::values::{seconds, whole};
use alexnet::data::pack::Storage;
use alexnet::net::Orientation;

/// `alexnet data ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Find broken, rotated, and duplicate images, and other problems
    Check(CheckArgs),
    /// Apply a plan written by `data check --plan`, or undo it
    Fix(FixArgs),
    /// Decode and resize all images once, into files that load fast
    Pack(PackArgs),
    /// Measure how fast images are read, decoded, resized, and augmented
    Bench(DataBenchArgs),
}

/// `alexnet data check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet data check pets/\n  \
                        alexnet data check pets/ --plan plan.json    # then: alexnet data fix plan.json pets-fixed/")]
pub(crate) struct CheckArgs {
    /// The images, as in `alexnet train`
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// Write a plan for `alexnet data fix`: what to do about each problem
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Verify files against known digests: ImageNet's (MD5) and those of packed sets (SHA-256)
    #[arg(long)]
    pub(crate) digests: bool,
    /// Exit with code 3 if there are problems
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// `alexnet data fix`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet data fix plan.json pets-fixed/         # leaves the originals alone\n  \
                  alexnet data fix plan.json --in-place          # moves replaced files to .set-aside\n  \
                  alexnet data fix plan.json --in-place --undo   # moves them back"
)]
pub(crate) struct FixArgs {
    /// A plan written by `alexnet data check --plan`, edited if you like
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// The folder to create: links to the good images, repaired copies of the others
    #[arg(value_name = "OUT", required_unless_present = "in_place", conflicts_with = "in_place")]
    pub(crate) out: Option<PathBuf>,
    /// Change the source folder itself; replaced and excluded files move to `.set-aside` in it
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Undo: remove the new files and restore the old ones
    #[arg(long)]
    pub(crate) undo: bool,
}

/// `alexnet data pack`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet data pack imagenet/ packed/\n  \
                        alexnet data pack imagenet/ packed/ --store jpeg    # a sixth of the size, slower to read\n\n\
                        To resume after an interruption, run the same command again. Then: alexnet train packed/ ...")]
pub(crate) struct PackArgs {
    /// The images, as in `alexnet train`
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// The folder to write to
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Store raw pixels, or JPEG at quality 95
    #[arg(long, value_enum, value_name = "raw|jpeg", default_value_t = Store::Raw, hide_possible_values = true)]
    pub(crate) store: Store,
    /// Side of the squares in pixels: `input.square` of the recipe
    #[arg(long, value_name = "PIXELS", default_value_t = 256, value_parser = whole::<u32>(1..=4096))]
    pub(crate) side: u32,
    /// Rotate photos by their EXIF orientation, or keep them as stored; ImageNet's archives are kept as stored
    #[arg(long, value_enum, value_name = "exif|stored", default_value_t = Rotation::Exif, hide_possible_values = true)]
    pub(crate) orientation: Rotation,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// `--store`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Store {
    Raw,
    Jpeg,
}

impl From<Store> for Storage {
    fn from(store: Store) -> Self {
        match store {
            Store::Raw => Self::Raw,
            Store::Jpeg => Self::Jpeg,
        }
    }
}

/// `--orientation`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Rotation {
    Exif,
    Stored,
}

impl From<Rotation> for Orientation {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::Exif => Self::Exif,
            Rotation::Stored => Self::Stored,
        }
    }
}

/// `alexnet data bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet data bench pets/ --recipe small")]
pub(crate) struct DataBenchArgs {
    /// The images, as in `alexnet train`
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// The recipe that sets image sizes and augmentation
    #[arg(long, value_name = "NAME|FILE", default_value = "paper")]
    pub(crate) recipe: String,
    /// Seconds for each of the two measurements
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Number of loader threads [default: same as --threads]
    #[arg(long, value_name = "N", value_parser = whole::<u16>(0..=1024))]
    pub(crate) workers: Option<u16>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}
