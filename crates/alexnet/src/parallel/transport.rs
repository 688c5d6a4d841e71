//! Messages between the processes of a job.

use std::fmt;

use crate::{Error, Result};

/// A sequence of messages between two ranks that stay in order. Messages of different lanes do not wait for each other, so a
/// thread can communicate while another one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Commands, between which a rank may be idle for long.
    Commands,
    /// Activations and results: what a step waits for.
    Main,
    /// Gradients, which are reduced while the backward pass continues.
    Gradients,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 3] = [Self::Commands, Self::Main, Self::Gradients];
}

/// A message to send: to which rank, and its bytes.
pub type Outgoing<'a> = (usize, &'a [u8]);

/// A message to receive: from which rank, and the memory for its bytes, which must be exactly as many as were sent.
pub type Incoming<'a> = (usize, &'a mut [u8]);

/// Point-to-point messages between the ranks of a job. Everything else is built on them (see
/// [`Collective`](super::Collective)), so that sums have a fixed order with every implementation.
pub trait Transport: Send + Sync + fmt::Debug {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn size(&self) -> usize;

    /// Sends one message and receives another at the same time; returns when both are complete. Either may be absent.
    /// `outgoing` and `incoming` may name the same rank.
    ///
    /// A rank that does not answer is waited for, and named on standard error.
    ///
    /// # Errors
    /// Returns an error if the connection is lost, the job was aborted, or a message has another length than expected.
    fn transfer(
        &self,
        lane: Lane,
        outgoing: Option<Outgoing<'_>>,
        incoming: Option<Incoming<'_>>,
    ) -> Result<()>;

    /// Ends the whole job because of an error of this rank, which has been reported: no other rank waits for this one
    /// afterwards. May end the process with the error's exit code.
    fn abort(&self, error: &Error);
}

/// A job of one process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Solo;

impl Transport for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn transfer(
        &self,
        _: Lane,
        outgoing: Option<Outgoing<'_>>,
        incoming: Option<Incoming<'_>>,
    ) -> Result<()> {
        let peer = outgoing.map(|(to, _)| to).or(incoming.map(|(from, _)| from));
        match peer {
            None => Ok(()),
            Some(peer) => Err(Error::usage(format!("no rank {peer}: this job is one process"))),
        }
    }

    fn abort(&self, _: &Error) {}
}
