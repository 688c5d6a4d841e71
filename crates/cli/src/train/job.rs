//! How the processes of a job share a training run.

use crate::args::job::{COLUMNS, JobArgs, ParallelScheme};
use crate::cluster::{Cluster, INSTALL};
use crate::command_line::command_line;
use alexnet::parallel::{ExchangePrecision, FcExchange, Grid, Scheme};
use alexnet::train::Requests;
use alexnet::{Error, Result};

/// What the options ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) scheme: Option<Scheme>,
    pub(super) leaves: Option<usize>,
    pub(super) precision: Option<ExchangePrecision>,
}

/// Checks the options on their own.
///
/// # Errors
/// Returns an error if one of them has no effect.
pub(super) fn asked(args: &JobArgs, cluster: &Cluster) -> Result<Asked> {
    if cluster.size() == 1 {
        only_leaves(args)?;
    }
    let columns = args.columns.map(|n| (format!("--columns {n}"), ParallelScheme::Columns));
    let exchange = args.fc_exchange.map(|_| ("--fc-exchange".to_owned(), ParallelScheme::Hybrid));
    for (option, scheme) in columns.into_iter().chain(exchange) {
        if args.parallel != Some(scheme) {
            let needed = if scheme == ParallelScheme::Columns { "columns" } else { "hybrid" };
            return Err(Error::usage(format!("`{option}` has no effect without `--parallel {needed}`"))
                .help(format!("add `--parallel {needed}`, or leave the option out")));
        }
    }
    let scheme = args.parallel.map(|scheme| match scheme {
        ParallelScheme::Data => Scheme::Data,
        ParallelScheme::Columns => Scheme::Columns { columns: args.columns.map_or(COLUMNS, usize::from) },
        ParallelScheme::Hybrid => {
            Scheme::Hybrid { exchange: args.fc_exchange.map_or_else(FcExchange::default, Into::into) }
        }
    });
    Ok(Asked {
        scheme,
        leaves: args.leaves.map(|leaves| leaves as usize),
        precision: args.exchange_precision.map(Into::into),
    })
}

/// Rejects the options that only several processes have.
fn only_leaves(args: &JobArgs) -> Result<()> {
    let options = [
        ("--parallel", args.parallel.is_some()),
        ("--columns", args.columns.is_some()),
        ("--fc-exchange", args.fc_exchange.is_some()),
        ("--exchange-precision", args.exchange_precision.is_some()),
    ];
    match options.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => {
            Err(Error::usage(format!("`{option}` has no effect: there is one process")).help(start_several()))
        }
    }
}

/// How to start the same command on several processes.
fn start_several() -> String {
    let start = format!("start several: `mpirun -n 2 {}`", command_line());
    match cfg!(feature = "mpi") {
        true => start,
        false => format!("build the program with MPI, `{INSTALL}`, and {start}"),
    }
}

/// Checks the options against the processes that were started.
///
/// # Errors
/// Returns an error if the number of processes does not fit the scheme.
pub(super) fn check(requests: &Requests, cluster: &Cluster) -> Result<()> {
    let scheme = requests.scheme.unwrap_or_default();
    let (rank, size) = (cluster.transport().rank(), cluster.size());
    match scheme {
        Scheme::Columns { .. } | Scheme::Hybrid { .. } if size == 1 => {
            let message = format!("this run has the parallel scheme `{scheme}`, but there is one process");
            return Err(Error::usage(message).help(start_several()));
        }
        Scheme::Data | Scheme::Columns { .. } | Scheme::Hybrid { .. } => {}
    }
    Grid::new(scheme, rank, size).map(drop)
}
