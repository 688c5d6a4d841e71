//! A job whose processes are threads of one process. It behaves like a job of many processes, and needs nothing installed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::transport::{Incoming, Lane, Outgoing, Transport};
use crate::error::Kind;
use crate::{Error, Result};

/// One of the threads that are the processes of a job.
#[derive(Debug)]
pub struct ThreadTransport {
    rank: usize,
    size: usize,
    mail: Arc<Mail>,
}

/// The messages on their way.
#[derive(Debug, Default)]
struct Mail {
    state: Mutex<State>,
    /// Signaled when a message arrives or the job is aborted.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By lane, sender and receiver.
    messages: HashMap<(Lane, usize, usize), VecDeque<Vec<u8>>>,
    /// The rank that aborted the job, and why.
    aborted: Option<(usize, Error)>,
}

impl Mail {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadTransport {
    /// A job of `size` ranks.
    pub fn job(size: usize) -> Vec<Self> {
        let mail = Arc::new(Mail::default());
        (0..size).map(|rank| Self { rank, size, mail: Arc::clone(&mail) }).collect()
    }

    fn receive(&self, lane: Lane, from: usize, memory: &mut [u8]) -> Result<()> {
        let mut patience = Patience::new(self.rank, from, lane, Instant::now());
        let mut state = self.mail.lock();
        loop {
            if let Some(message) =
                state.messages.get_mut(&(lane, from, self.rank)).and_then(VecDeque::pop_front)
            {
                if message.len() != memory.len() {
                    return Err(wrong_length(from, message.len(), memory.len()));
                }
                memory.copy_from_slice(&message);
                patience.answered(Instant::now());
                return Ok(());
            }
            if let Some((rank, error)) = &state.aborted {
                return Err(aborted(*rank, error));
            }
            state = self
                .mail
                .changed
                .wait_timeout(state, Duration::from_millis(500))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            patience.check(Instant::now());
        }
    }
}

impl Transport for ThreadTransport {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn transfer(
        &self,
        lane: Lane,
        outgoing: Option<Outgoing<'_>>,
        incoming: Option<Incoming<'_>>,
    ) -> Result<()> {
        if let Some((to, bytes)) = outgoing {
            let mut state = self.mail.lock();
            if let Some((rank, error)) = &state.aborted {
                return Err(aborted(*rank, error));
            }
            state.messages.entry((lane, self.rank, to)).or_default().push_back(bytes.to_vec());
            drop(state);
            self.mail.changed.notify_all();
        }
        match incoming {
            Some((from, memory)) => self.receive(lane, from, memory),
            None => Ok(()),
        }
    }

    fn abort(&self, error: &Error) {
        self.mail.lock().aborted.get_or_insert_with(|| (self.rank, error.clone()));
        self.mail.changed.notify_all();
    }
}

impl Drop for ThreadTransport {
    /// The other ranks do not wait for one that panics.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort(&Error::new(Kind::Runtime, "it panicked"));
        }
    }
}

/// The error of a message with another length than the receiver expects.
pub fn wrong_length(from: usize, found: usize, expected: usize) -> Error {
    Error::new(
        Kind::Runtime,
        format!("a message of {found} bytes from rank {from}, expected {expected} bytes"),
    )
    .help("start all ranks with the same program and the same options")
}

fn aborted(rank: usize, error: &Error) -> Error {
    Error::new(Kind::Runtime, format!("rank {rank} ended the job: {}", error.message))
}
