//! Training on several processes by MPI: the implementation of [`Transport`](alexnet::parallel::Transport) for jobs that
//! `mpirun` or a scheduler starts.
//!
//! ```no_run
//! use alexnet::parallel::Transport;
//! use alexnet_mpi::Environment;
//!
//! # fn main() -> alexnet::Result<()> {
//! let mpi = Environment::start()?;
//! // For `Config::transport` of a training run.
//! let transport = mpi.transport();
//! println!("rank {} of {}", transport.rank(), transport.size());
//! // The end of `mpi` waits for the other ranks.
//! # Ok(())
//! # }
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `environment` | the start and the end of MPI |
//! | `transport` | messages of any length |
//! | `exchange` | one message sent, and another received at the same time |
//! | `ranks` | the calls of MPI |
//! | `backoff` | how a thread waits for one |
#![forbid(unsafe_code)]

mod backoff;
mod environment;
mod exchange;
mod ranks;
#[cfg(test)]
mod tests;
mod transport;

pub use environment::Environment;
pub use transport::MpiTransport;
