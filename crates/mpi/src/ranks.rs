//! The calls of MPI that messages need.

use std::sync::{Mutex, PoisonError};

use alexnet::error::Kind;
use alexnet::parallel::transport::Lane;
use alexnet::{Error, Result};
use ferrompi::{Communicator, Request, Scope};

/// The ranks of `MPI_COMM_WORLD`, and how threads call MPI.
pub(crate) struct Ranks {
    world: Communicator,
    calls: Calls,
}

/// Whether threads may call MPI at the same time.
#[derive(Debug)]
pub(crate) enum Calls {
    /// They may.
    Concurrent,
    /// One after another. A thread holds the lock for one call that returns at once, never while it waits for a rank.
    Serialized(Mutex<()>),
}

impl Ranks {
    pub(crate) fn new(world: Communicator, calls: Calls) -> Self {
        Self { world, calls }
    }

    /// The number of this process. MPI's ranks and sizes are positive numbers of 32 bits.
    pub(crate) fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    pub(crate) fn size(&self) -> usize {
        self.world.size() as usize
    }

    pub(crate) fn send<'s>(
        &self,
        scope: &'s Scope<'s, '_>,
        lane: Lane,
        to: usize,
        bytes: &'s [u8],
    ) -> Result<Request<'s>> {
        self.call("send to", to, || self.world.isend(scope, bytes, number(to), tag(lane)))
    }

    pub(crate) fn receive<'s>(
        &self,
        scope: &'s Scope<'s, '_>,
        lane: Lane,
        from: usize,
        memory: &'s mut [u8],
    ) -> Result<Request<'s>> {
        self.call("receive from", from, || self.world.irecv(scope, memory, number(from), tag(lane)))
    }

    /// The length of the next message from a rank, if one has arrived.
    pub(crate) fn arrived(&self, lane: Lane, from: usize) -> Result<Option<usize>> {
        let status = self.call("receive from", from, || self.world.iprobe::<u8>(number(from), tag(lane)))?;
        Ok(status.map(|status| status.count.unwrap_or(0)))
    }

    /// Whether a message to or from a rank is complete.
    pub(crate) fn is_complete(&self, peer: usize, request: &mut Request<'_>) -> Result<bool> {
        self.call("exchange messages with", peer, || request.test()).map(|status| status.is_some())
    }

    pub(crate) fn abort(&self, code: u8) -> ! {
        self.world.abort(i32::from(code))
    }

    fn call<R>(&self, doing: &str, peer: usize, call: impl FnOnce() -> ferrompi::Result<R>) -> Result<R> {
        let result = match &self.calls {
            Calls::Concurrent => call(),
            Calls::Serialized(lock) => {
                let _turn = lock.lock().unwrap_or_else(PoisonError::into_inner);
                call()
            }
        };
        result.map_err(|error| Error::new(Kind::Runtime, format!("MPI cannot {doing} rank {peer}: {error}")))
    }
}

/// Messages of different lanes have different tags, so that they do not wait for each other.
const fn tag(lane: Lane) -> i32 {
    match lane {
        Lane::Commands => 1,
        Lane::Main => 2,
        Lane::Gradients => 3,
    }
}

/// A rank as MPI counts.
fn number(rank: usize) -> i32 {
    i32::try_from(rank).unwrap_or(i32::MAX)
}
