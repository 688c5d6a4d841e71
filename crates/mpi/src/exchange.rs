//! One message sent, and another received at the same time.

use std::time::{Duration, Instant};

use alexnet::Result;
use alexnet::error::Kind;
use alexnet::parallel::patience::Patience;
use alexnet::parallel::threads::wrong_length;
use alexnet::parallel::transport::{Incoming, Lane, Outgoing};
use ferrompi::{Request, Scope};

use crate::backoff::Backoff;
use crate::ranks::Ranks;

/// How long a failed exchange waits for its other half before it ends the job.
const REMAINDER: Duration = Duration::from_secs(5);

/// The two halves of an exchange.
pub(crate) struct Exchange<'a, 's, 'env> {
    ranks: &'a Ranks,
    scope: &'s Scope<'s, 'env>,
    lane: Lane,
    sending: Sending<'s>,
    receiving: Receiving<'s>,
}

enum Sending<'s> {
    Started { to: usize, request: Request<'s> },
    Done,
}

enum Receiving<'s> {
    /// The message has not arrived. MPI gets the memory only once the length is known to be right: Open MPI 4.1 writes past
    /// the end of memory that is too short.
    Expected {
        from: usize,
        memory: &'s mut [u8],
    },
    Started {
        from: usize,
        request: Request<'s>,
    },
    Done,
}

impl<'a, 's, 'env> Exchange<'a, 's, 'env> {
    pub(crate) fn start(
        ranks: &'a Ranks,
        scope: &'s Scope<'s, 'env>,
        lane: Lane,
        outgoing: Option<Outgoing<'s>>,
        incoming: Option<Incoming<'s>>,
    ) -> Result<Self> {
        let sending = match outgoing {
            Some((to, bytes)) => Sending::Started { to, request: ranks.send(scope, lane, to, bytes)? },
            None => Sending::Done,
        };
        let receiving = match incoming {
            Some((from, memory)) => Receiving::Expected { from, memory },
            None => Receiving::Done,
        };
        Ok(Self { ranks, scope, lane, sending, receiving })
    }

    /// Waits for both halves, and names the rank that is waited for if that takes long.
    pub(crate) fn run(mut self) -> Result<()> {
        let (mut backoff, mut patience): (_, Option<(usize, Patience)>) = (Backoff::new(), None);
        loop {
            let peer = match self.advance() {
                Ok(Some(peer)) => peer,
                Ok(None) => break,
                Err(error) => {
                    self.settle();
                    return Err(error);
                }
            };
            if backoff.pause() {
                let (rank, now) = (self.ranks.rank(), Instant::now());
                // What remains may be the other half, with another rank.
                if let Some((_, answered)) = patience.take_if(|(awaited, _)| *awaited != peer) {
                    answered.answered(now);
                }
                let start = || (peer, Patience::new(rank, peer, self.lane, now));
                patience.get_or_insert_with(start).1.check(now);
            }
        }
        patience.iter().for_each(|(_, patience)| patience.answered(Instant::now()));
        Ok(())
    }

    /// Continues both halves as far as possible without waiting; returns the rank to wait for, if any.
    fn advance(&mut self) -> Result<Option<usize>> {
        let to = self.send()?;
        let from = self.receive()?;
        Ok(from.or(to))
    }

    fn send(&mut self) -> Result<Option<usize>> {
        let Sending::Started { to, request } = &mut self.sending else { return Ok(None) };
        let to = *to;
        if self.ranks.is_complete(to, request)? {
            self.sending = Sending::Done;
            return Ok(None);
        }
        Ok(Some(to))
    }

    fn receive(&mut self) -> Result<Option<usize>> {
        match std::mem::replace(&mut self.receiving, Receiving::Done) {
            Receiving::Done => Ok(None),
            Receiving::Expected { from, memory } => match self.ranks.arrived(self.lane, from)? {
                None => {
                    self.receiving = Receiving::Expected { from, memory };
                    Ok(Some(from))
                }
                Some(found) if found != memory.len() => Err(wrong_length(from, found, memory.len())),
                Some(_) => {
                    let request = self.ranks.receive(self.scope, self.lane, from, memory)?;
                    self.receive_started(from, request)
                }
            },
            Receiving::Started { from, request } => self.receive_started(from, request),
        }
    }

    fn receive_started(&mut self, from: usize, mut request: Request<'s>) -> Result<Option<usize>> {
        if self.ranks.is_complete(from, &mut request)? {
            return Ok(None);
        }
        self.receiving = Receiving::Started { from, request };
        Ok(Some(from))
    }

    /// Waits for what MPI still does with the memory of an exchange that failed, or ends the job if that takes too long.
    fn settle(&mut self) {
        if let Receiving::Expected { .. } = self.receiving {
            self.receiving = Receiving::Done;
        }
        let (start, mut backoff) = (Instant::now(), Backoff::new());
        while let Ok(Some(peer)) = self.advance() {
            if backoff.pause() && start.elapsed() > REMAINDER {
                let rank = self.ranks.rank();
                let message = format!("rank {rank} and rank {peer} exchange messages in different orders");
                eprintln!("rank {rank}: error: {message}");
                self.ranks.abort(Kind::Runtime.exit_code());
            }
        }
    }
}
