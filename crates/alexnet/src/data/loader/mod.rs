//! Loads batches in order, with worker threads that run ahead of the engine.
//!
//! | file | what it does |
//! |---|---|
//! | `batch` | a batch |
//! | [`share`] | the share of a process in a batch |
//! | `job` | makes one batch |
//! | `prefetch` | threads that make batches ahead of their use |
//! | `iterate` | the loader: an iterator over batches |

mod batch;
mod iterate;
mod job;
mod prefetch;
pub mod share;

pub use batch::LoadedBatch;
pub use iterate::{Loader, TrainingEpoch};
pub use job::STAGES;
pub use share::Share;
