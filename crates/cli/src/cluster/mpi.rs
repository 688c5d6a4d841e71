//! MPI.

use std::sync::Arc;

use super::Launch;
use alexnet::Result;
use alexnet_mpi::MpiTransport;

/// MPI in this process.
#[derive(Debug)]
pub(super) struct Environment(alexnet_mpi::Environment);

impl Environment {
    /// # Errors
    /// Returns an error if MPI fails to start.
    pub(super) fn start(_: &Launch) -> Result<Self> {
        alexnet_mpi::Environment::start().map(Self)
    }

    pub(super) fn transport(&self) -> Arc<MpiTransport> {
        self.0.transport()
    }

    /// The MPI library and its version.
    pub(super) fn library() -> String {
        alexnet_mpi::Environment::library()
    }
}
