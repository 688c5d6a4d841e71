//! How several processes share a training run.

use clap::{Args, ValueEnum};

use super::values::{at_least_one, whole};
use alexnet::parallel::{ExchangePrecision, FcExchange};

/// Processes that share the network in `--parallel columns`, unless there is `--columns`: two, as in the paper.
pub(crate) const COLUMNS: usize = 2;

/// How several processes share a training run.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// How the processes share a training run: parts of each batch, groups that share the network, or both [default: data]
    #[arg(long, value_enum, value_name = "data|columns|hybrid", hide_possible_values = true)]
    pub(crate) parallel: Option<ParallelScheme>,
    /// Number of processes that share the network, with `--parallel columns` [default: 2]
    #[arg(long, value_name = "N", value_parser = whole::<u16>(2..=1024))]
    pub(crate) columns: Option<u16>,
    /// How images reach the fully connected layers, with `--parallel hybrid` [default: gather]
    #[arg(long, value_enum, value_name = "gather|turns|shares", hide_possible_values = true)]
    pub(crate) fc_exchange: Option<Exchange>,
    /// Sum gradients in N parts of each batch, a power of two: the same bits on 1 to N processes
    /// [default: one per process]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) leaves: Option<u32>,
    /// Precision of exchanged gradients; f16 sends half the bytes and changes results slightly [default: f32]
    #[arg(long, value_enum, value_name = "f32|f16", hide_possible_values = true)]
    pub(crate) exchange_precision: Option<Precision>,
}

/// `--parallel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ParallelScheme {
    Data,
    Columns,
    Hybrid,
}

/// `--fc-exchange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exchange {
    Gather,
    Turns,
    Shares,
}

impl From<Exchange> for FcExchange {
    fn from(exchange: Exchange) -> Self {
        match exchange {
            Exchange::Gather => Self::Gather,
            Exchange::Turns => Self::Turns,
            Exchange::Shares => Self::Shares,
        }
    }
}

/// `--exchange-precision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    F32,
    F16,
}

impl From<Precision> for ExchangePrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
        }
    }
}
