//! The root's side of a job: commands to the other ranks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::command::Command;
use crate::Result;
use crate::parallel::Collective;
use crate::parallel::traffic::{Payload, Traffic};
use crate::parallel::transport::{Lane, Transport};

/// The ranks of a job, as rank 0 sees them. A job of one process has no others, and commands go nowhere.
#[derive(Clone, Debug)]
pub(in crate::train) struct Team {
    commands: Collective,
    /// Results of all ranks.
    pub(super) world: Collective,
    pub(super) traffic: Arc<Traffic>,
    /// Whether the other ranks have been told that they are no longer needed.
    dismissed: Arc<AtomicBool>,
}

impl Team {
    pub(super) fn new(transport: &Arc<dyn Transport>) -> Self {
        let traffic = Arc::new(Traffic::default());
        let collective = |lane| Collective::world(transport, lane, Payload::Control, &traffic);
        Self {
            commands: collective(Lane::Commands),
            world: collective(Lane::Main),
            traffic: Arc::clone(&traffic),
            dismissed: Arc::default(),
        }
    }

    /// Whether there are other ranks.
    pub(in crate::train) fn has_others(&self) -> bool {
        self.world.size() > 1
    }

    /// Sends a command to all other ranks.
    ///
    /// # Errors
    /// Returns an error if a rank is lost.
    pub(super) fn tell(&self, command: &Command) -> Result<()> {
        self.commands.broadcast_value(Some(command)).map(drop)
    }

    /// Sends the last command of this team: [`Command::End`] or [`Command::Restart`]. Does nothing if one has been sent.
    ///
    /// # Errors
    /// Returns an error if a rank is lost.
    pub(super) fn dismiss(&self, command: &Command) -> Result<()> {
        match self.dismissed.swap(true, Ordering::SeqCst) {
            true => Ok(()),
            false => self.tell(command),
        }
    }

    /// Waits for the root's next command.
    ///
    /// # Errors
    /// Returns an error if the root is lost.
    pub(super) fn listen(&self) -> Result<Command> {
        self.commands.broadcast_value(None)
    }
}
