//! Training on several processes: rank 0, the root, runs the session; the other ranks follow its commands.
//!
//! The session knows of the other ranks only through its [`JobEngine`], which tells them to load batches, to step, to freeze layers,
//! to take values, and to evaluate. So everything that decides, saves and reports is the same as with one process, and happens once
//! (decision 14).
//!
//! | file | what it does |
//! |---|---|
//! | `command` | the commands |
//! | `team` | the root's side: sends commands |
//! | `job_engine` | the engine of a session, on all ranks |
//! | `follow` | the other ranks |
//! | `member` | what every rank does in a step |
//! | `introduction` | checks that all ranks train the same |
//! | `shares` | how ranks share batches |

mod command;
mod follow;
mod introduction;
mod job_engine;
mod member;
mod shares;
mod team;

pub use follow::follow;
pub(super) use job_engine::{JobEngine, Keep};
