//! The job that this process belongs to: one process, or several that `mpirun` or a scheduler started.

mod launch;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(not(feature = "mpi"))]
#[path = "no_mpi.rs"]
mod mpi;
mod panics;

use std::sync::Arc;
use std::time::Duration;

use crate::args::common::MachineArgs;
use alexnet::parallel::{Solo, Transport};
use alexnet::{Error, Result};

pub(crate) use launch::Launch;
use launch::{Launcher, Tasks};

/// How long a rank waits for the root before it reports an error: most errors happen on every rank, and one message is
/// enough. The end of the root ends the others.
const ROOT_FIRST: Duration = Duration::from_secs(3);

/// The command that builds this program with MPI.
pub(crate) const INSTALL: &str = "cargo install --path crates/cli --features mpi";

/// The job that this process belongs to.
#[derive(Debug)]
pub(crate) struct Cluster {
    transport: Arc<dyn Transport>,
    /// How many ranks share the CPUs that this process may use.
    sharing: usize,
    /// Ends MPI when the program ends.
    _environment: Option<mpi::Environment>,
}

impl Cluster {
    /// Joins the other processes of the job, if a launcher started several.
    ///
    /// # Errors
    /// Returns an error if MPI is missing, fails to start, or does not see the processes that the launcher started.
    pub(crate) fn join(launch: Option<Launch>) -> Result<Self> {
        let Some(launch) = launch else { return Ok(Self::solo()) };
        let environment = mpi::Environment::start(&launch)?;
        let transport: Arc<dyn Transport> = environment.transport();
        let sees_one = transport.size() == 1;
        match launch.tasks {
            Tasks::Number(_) if sees_one => Err(not_connected(&launch, &mpi::Environment::library())),
            Tasks::Unknown if sees_one => Ok(Self::solo()),
            Tasks::Number(_) | Tasks::Unknown => {
                panics::end_the_job(&transport);
                Ok(Self { transport, sharing: launch.sharing, _environment: Some(environment) })
            }
        }
    }

    fn solo() -> Self {
        Self { transport: Arc::new(Solo), sharing: 1, _environment: None }
    }

    /// Messages between the processes.
    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// The number of processes.
    pub(crate) fn size(&self) -> usize {
        self.transport.size()
    }

    /// Whether this process is the one that reports and saves.
    pub(crate) fn is_root(&self) -> bool {
        self.transport.rank() == 0
    }

    /// The number of compute threads of this process: as asked for, or its share of the CPUs.
    pub(crate) fn threads(&self, machine: &MachineArgs) -> usize {
        match machine.threads {
            Some(threads) => usize::from(threads),
            None => (machine.threads() / self.sharing).max(1),
        }
    }

    /// Rejects a command that one process runs alone.
    ///
    /// # Errors
    /// Returns an error if there are several processes.
    pub(crate) fn check_alone(&self, command: &str) -> Result<()> {
        match self.size() {
            1 => Ok(()),
            size => {
                Err(Error::usage(format!("`alexnet {command}` runs in one process; {size} were started"))
                    .help(format!(
                        "start it without a launcher such as `mpirun` or `srun`: `alexnet {command}`"
                    )))
            }
        }
    }

    /// Ends the other processes of the job, because of an error that has been reported.
    pub(crate) fn abort(&self, error: &Error) {
        self.transport.abort(error);
    }
}

/// Leaves the root time to report the error that this rank is about to report.
pub(crate) fn let_the_root_report(rank: Option<usize>) {
    match rank {
        None | Some(0) => {}
        Some(_) => std::thread::sleep(ROOT_FIRST),
    }
}

fn not_connected(launch: &Launch, library: &str) -> Error {
    let help = match launch.launcher {
        Launcher::Slurm => {
            "use `srun --mpi=pmix`; `srun --mpi=list` shows what this Slurm supports".to_owned()
        }
        Launcher::OpenMpi | Launcher::Pmi | Launcher::Pmix => {
            format!("use the `mpirun` of the MPI library that this program was built with, {library}")
        }
    };
    let (name, tasks) = (launch.name(), launch.tasks());
    Error::usage(format!("{name} started {tasks}, but MPI connects this one to no other")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_share_the_cpus_unless_threads_are_asked_for() {
        let cluster = Cluster { sharing: 4, ..Cluster::solo() };
        let default = MachineArgs { threads: None };
        assert_eq!(cluster.threads(&default), (default.threads() / 4).max(1));
        for threads in [1, 6] {
            assert_eq!(cluster.threads(&MachineArgs { threads: Some(threads) }), usize::from(threads));
        }
    }
}
