//! Messages of any length.

use std::fmt;
use std::io::Write;
use std::ops::Range;

use alexnet::error::Kind;
use alexnet::parallel::Transport;
use alexnet::parallel::transport::{Incoming, Lane, Outgoing};
use alexnet::{Error, Result};

use crate::exchange::Exchange;
use crate::ranks::Ranks;

/// The longest message that is sent as one: MPI counts bytes in 32 bits.
pub(crate) const PIECE: usize = 1 << 30;

/// The processes of an MPI job.
pub struct MpiTransport {
    ranks: Ranks,
    /// The longest message that is sent as one.
    piece: usize,
}

impl MpiTransport {
    pub(crate) fn new(ranks: Ranks, piece: usize) -> Self {
        Self { ranks, piece }
    }

    /// The number of pieces of a message. An empty message has one too.
    fn pieces(&self, len: usize) -> usize {
        len.div_ceil(self.piece).max(1)
    }

    /// The bytes of one piece of a message.
    fn piece(&self, index: usize, len: usize) -> Range<usize> {
        let start = index * self.piece;
        start..len.min(start + self.piece)
    }
}

impl Transport for MpiTransport {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }

    fn size(&self) -> usize {
        self.ranks.size()
    }

    fn transfer(
        &self,
        lane: Lane,
        outgoing: Option<Outgoing<'_>>,
        mut incoming: Option<Incoming<'_>>,
    ) -> Result<()> {
        let sends = outgoing.map_or(0, |(_, bytes)| self.pieces(bytes.len()));
        let receives = incoming.as_ref().map_or(0, |(_, memory)| self.pieces(memory.len()));
        for index in 0..sends.max(receives) {
            let outgoing = outgoing.filter(|_| index < sends);
            let outgoing = outgoing.map(|(to, bytes)| (to, &bytes[self.piece(index, bytes.len())]));
            let incoming = incoming.as_mut().filter(|_| index < receives);
            let incoming = incoming.map(|(from, memory)| {
                let piece = self.piece(index, memory.len());
                (*from, &mut memory[piece])
            });
            let done = ferrompi::scope(|scope| {
                Ok(Exchange::start(&self.ranks, scope, lane, outgoing, incoming).and_then(Exchange::run))
            });
            done.map_err(|error| {
                Error::new(Kind::Runtime, format!("MPI cannot exchange messages: {error}"))
            })??;
        }
        Ok(())
    }

    /// Ends all processes of the job with the exit code of the error.
    fn abort(&self, error: &Error) {
        let _ = std::io::stdout().flush();
        let _ = std::io::stderr().flush();
        self.ranks.abort(error.kind.exit_code())
    }
}

impl fmt::Debug for MpiTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rank, size) = (self.rank(), self.size());
        f.debug_struct("MpiTransport").field("rank", &rank).field("size", &size).finish_non_exhaustive()
    }
}
