//! `alexnet reproduce`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::common::MachineArgs;
use super::values::{at_least_one, learning_rate, setting, share, whole};
use alexnet::reproduce::Experiment;

/// `alexnet reproduce`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet reproduce relu cifar-10/ --seeds 3            # Fig. 1\n  \
                        alexnet reproduce lrn dropout cifar-10/ --seeds 6\n  \
                        alexnet reproduce all pets/ --recipe small --plan    # arms, training runs, and expected time\n\n\
                        The arms of an experiment are the recipe and the recipe without an ingredient, trained with the same\n\
                        seeds. The recipe itself is trained once for all experiments. After Ctrl-C or a crash, run the\n\
                        same command again to continue. See docs/reproduce.md.")]
pub(crate) struct ReproduceArgs {
    /// What to reproduce; `all`: every experiment that the recipe allows, except for relu
    #[arg(value_name = "EXPERIMENT", required = true, num_args = 1.., value_parser = experiment())]
    pub(crate) experiments: Vec<Selected>,
    /// The images, as for `train`
    #[arg(value_name = "SRC", required = true)]
    pub(crate) source: PathBuf,
    /// The recipe, which has the ingredients [default: cifar-paper; for relu alone: four-layer-relu]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) recipe: Option<String>,
    /// Number of seeds; 6 are the fewest for p < 0.05
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = at_least_one)]
    pub(crate) seeds: u32,
    /// Number of epochs of each training run [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) epochs: Option<u32>,
    /// Change a recipe value in all arms, as in `train`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Output folder [default: reproduce/RECIPE]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print the plan and the expected time, and stop
    #[arg(long)]
    pub(crate) plan: bool,
    /// Learning rates to choose from for each network
    #[arg(help_heading = "The relu experiment", long, value_name = "LR,...", value_delimiter = ',', value_parser = learning_rate)]
    pub(crate) rates: Vec<f32>,
    /// Longest training of the search for learning rates, in epochs [default: 5]
    #[arg(help_heading = "The relu experiment", long, value_name = "N", value_parser = at_least_one)]
    pub(crate) rate_epochs: Option<u32>,
    /// Training error that the search waits for, from 0 to 0.9 [default: 0.4]
    #[arg(help_heading = "The relu experiment", long, value_name = "SHARE", value_parser = share)]
    pub(crate) rate_error: Option<f64>,
    /// Number of loader threads; does not change results [default: same as --threads]
    #[arg(help_heading = "Performance", long, value_name = "N", value_parser = whole::<u16>(0..=1024))]
    pub(crate) workers: Option<u16>,
    #[command(flatten, next_help_heading = "Performance")]
    pub(crate) machine: MachineArgs,
}

/// A value of `EXPERIMENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    One(Experiment),
    All,
}

/// The name of [`Selected::All`].
const ALL: &str = "all";

fn experiment() -> impl TypedValueParser<Value = Selected> {
    let names = Experiment::ALL.into_iter().map(Experiment::name).chain([ALL]);
    PossibleValuesParser::new(names).map(|name| match Experiment::parse(&name) {
        Ok(experiment) => Selected::One(experiment),
        Err(_) => Selected::All,
    })
}
