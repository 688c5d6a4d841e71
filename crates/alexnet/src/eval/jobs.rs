//! Jobs for several threads.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::threads;

/// Calls `work` for each job, with up to `threads` threads, this one included.
pub(super) fn for_each<J: Send>(
    jobs: impl Iterator<Item = J> + Send,
    threads: usize,
    work: impl Fn(J) + Sync,
) {
    let jobs = Mutex::new(jobs);
    let run = || {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = job else { break };
            work(job);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A thread that cannot be started leaves its work to the others.
            let _ = threads::spawn_scoped(scope, run);
        }
        run();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once() {
        for threads in [0, 1, 3] {
            let mut done = vec![0; 50];
            for_each(done.iter_mut().enumerate(), threads, |(i, done)| *done += i);
            assert!(done.into_iter().eq(0..50));
        }
    }
}
