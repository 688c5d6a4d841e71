//! What the environment says about the launcher of this process.

/// A launcher that starts several tasks, and sets environment variables in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launcher {
    /// `mpirun` of Open MPI.
    OpenMpi,
    /// `mpirun` of MPICH and its relatives, or another one with the same interface (PMI).
    Pmi,
    /// Slurm's `srun`.
    Slurm,
    /// Another one with the interface PMIx.
    Pmix,
}

/// The tasks that were started together with this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) launcher: Launcher,
    pub(crate) tasks: Tasks,
    /// The number of this task, from 0.
    pub(crate) rank: usize,
    /// How many of the tasks share the CPUs that this process may use.
    pub(crate) sharing: usize,
}

/// The number of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tasks {
    Number(usize),
    /// Only MPI can tell.
    Unknown,
}

impl Launch {
    /// The launch that environment variables describe; `None` for one task.
    pub(crate) fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
        // Launchers start each other: `mpirun` within a job of Slurm starts the tasks. Slurm's own variables also describe the
        // script of a job, which is one task, so only those of a step count.
        let known = [
            (Launcher::OpenMpi, "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
            (Launcher::Pmi, "PMI_SIZE", "PMI_RANK"),
            (Launcher::Slurm, "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
        ];
        let known = known.into_iter().find_map(|(launcher, size, rank)| {
            Some((launcher, Tasks::Number(number(size)?), number(rank).unwrap_or(0)))
        });
        let unknown = || Some((Launcher::Pmix, Tasks::Unknown, number("PMIX_RANK")?));
        let (launcher, tasks, rank) = known.or_else(unknown)?;
        // Tasks that are bound to their own CPUs do not share them.
        let sharing = match variable("OMPI_MCA_orte_bound_at_launch") {
            None => {
                // Of Open MPI, and of MPICH and Intel MPI.
                let local = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"].into_iter().find_map(number);
                local.unwrap_or(1).max(1)
            }
            Some(_) => 1,
        };
        (tasks != Tasks::Number(1)).then_some(Self { launcher, tasks, rank, sharing })
    }

    /// What started the tasks, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self.launcher {
            Launcher::OpenMpi | Launcher::Pmi => "mpirun",
            Launcher::Slurm => "srun",
            Launcher::Pmix => "the launcher",
        }
    }

    /// The number of tasks, for messages.
    pub(crate) fn tasks(&self) -> String {
        match self.tasks {
            Tasks::Number(tasks) => format!("{tasks} tasks"),
            Tasks::Unknown => "several tasks".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Option<Launch> {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name);
        Launch::detect(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn launchers_are_recognized_by_their_variables() {
        let launch = |launcher, tasks, rank| Some(Launch { launcher, tasks, rank, sharing: 1 });
        for (variables, expected) in [
            (&[][..], None),
            (&[("OMPI_COMM_WORLD_SIZE", "1"), ("OMPI_COMM_WORLD_RANK", "0")], None),
            (
                &[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "3"), ("PMIX_RANK", "3")],
                launch(Launcher::OpenMpi, Tasks::Number(4), 3),
            ),
            (&[("PMI_SIZE", "2"), ("PMI_RANK", "1")], launch(Launcher::Pmi, Tasks::Number(2), 1)),
            (
                &[("SLURM_STEP_NUM_TASKS", "8"), ("SLURM_PROCID", "5"), ("PMIX_RANK", "5")],
                launch(Launcher::Slurm, Tasks::Number(8), 5),
            ),
            // The script of a job with 8 tasks.
            (&[("SLURM_NTASKS", "8"), ("SLURM_PROCID", "0")], None),
            // mpirun -n 1 in a step of 8 tasks.
            (&[("OMPI_COMM_WORLD_SIZE", "1"), ("SLURM_STEP_NUM_TASKS", "8")], None),
            (&[("PMIX_RANK", "2")], launch(Launcher::Pmix, Tasks::Unknown, 2)),
        ] {
            assert_eq!(detect(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn tasks_that_are_not_bound_share_the_cpus() {
        let open_mpi = [("OMPI_COMM_WORLD_SIZE", "8"), ("OMPI_COMM_WORLD_LOCAL_SIZE", "4")];
        assert_eq!(detect(&open_mpi).unwrap().sharing, 4);
        let bound = [&open_mpi[..], &[("OMPI_MCA_orte_bound_at_launch", "1")]].concat();
        assert_eq!(detect(&bound).unwrap().sharing, 1);
        let hydra = [("PMI_SIZE", "8"), ("PMI_RANK", "1"), ("MPI_LOCALNRANKS", "4")];
        assert_eq!(detect(&hydra).unwrap().sharing, 4);
    }
}
