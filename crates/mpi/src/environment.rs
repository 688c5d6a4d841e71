//! The start and the end of MPI.

use std::fmt;
use std::sync::Arc;

use alexnet::error::Kind;
use alexnet::{Error, Result};
use ferrompi::{Mpi, ThreadLevel};

use crate::ranks::{Calls, Ranks};
use crate::transport::{MpiTransport, PIECE};

/// MPI in this process, from start to drop. Dropping it finalizes MPI, which waits for the other ranks: a rank that fails
/// calls [`Transport::abort`](alexnet::parallel::Transport::abort) instead.
pub struct Environment {
    /// Finalizes MPI when it is dropped.
    #[cfg_attr(not(test), expect(dead_code, reason = "held for its drop"))]
    mpi: Mpi,
    transport: Arc<MpiTransport>,
}

impl Environment {
    /// Initializes MPI. Call it once, as early as possible, and on the thread that will drop the result.
    ///
    /// # Errors
    /// Returns an error if MPI was initialized before, fails to start, or can only be used by one thread. If the library
    /// cannot reach its launcher it ends the process itself.
    pub fn start() -> Result<Self> {
        let mpi = Mpi::init_thread(ThreadLevel::Multiple)
            .map_err(|error| Error::new(Kind::Runtime, format!("cannot start MPI: {error}")))?;
        let calls = match mpi.thread_level() {
            ThreadLevel::Multiple => Calls::Concurrent,
            ThreadLevel::Serialized => Calls::Serialized(std::sync::Mutex::default()),
            ThreadLevel::Funneled | ThreadLevel::Single => {
                let library = Self::library();
                return Err(Error::new(
                    Kind::Runtime,
                    format!("{library} supports MPI calls from one thread only, expected several threads"),
                )
                .help(
                    "use an MPI library with thread support (MPI_THREAD_SERIALIZED or MPI_THREAD_MULTIPLE)",
                ));
            }
        };
        let transport = Arc::new(MpiTransport::new(Ranks::new(mpi.world(), calls), PIECE));
        Ok(Self { mpi, transport })
    }

    /// The messages of this process. Not usable after the end of the environment.
    pub fn transport(&self) -> Arc<MpiTransport> {
        Arc::clone(&self.transport)
    }

    /// The same ranks, with another policy for threads, and other pieces of long messages.
    #[cfg(test)]
    pub(crate) fn transport_with(&self, calls: Calls, piece: usize) -> MpiTransport {
        MpiTransport::new(Ranks::new(self.mpi.world(), calls), piece)
    }

    /// The MPI library and its version, on one line.
    pub fn library() -> String {
        let text = Mpi::library_version().unwrap_or_else(|_| "this MPI library".to_owned());
        text.split([',', '\n']).next().unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("transport", &self.transport).finish_non_exhaustive()
    }
}
