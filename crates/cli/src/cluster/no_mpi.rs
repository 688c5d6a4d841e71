//! A program that was built without MPI.

use std::sync::Arc;

use super::{INSTALL, Launch};
use alexnet::parallel::Solo;
use alexnet::{Error, Result};

/// MPI in this process: never present in this build.
#[derive(Debug)]
pub(super) enum Environment {}

impl Environment {
    /// # Errors
    /// Always.
    pub(super) fn start(launch: &Launch) -> Result<Self> {
        let (name, tasks) = (launch.name(), launch.tasks());
        Err(Error::usage(format!("{name} started {tasks}, but this program was built without MPI"))
            .help(format!("build it with MPI: `{INSTALL}`")))
    }

    pub(super) fn transport(&self) -> Arc<Solo> {
        match *self {}
    }

    pub(super) fn library() -> String {
        "none".to_owned()
    }
}
