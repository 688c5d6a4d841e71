//! Threads that start with memory to run, or an error.

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use alexnet_kernels::memory::Buffer;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result};

/// Bytes that a thread takes before it runs: its stack, and its first allocations. The C library ends a program in which a thread
/// has a stack and no memory for the rest.
const ROOM: usize = (2 << 20) + (512 << 10);

/// A pool of compute threads.
///
/// # Errors
/// Returns an error if they cannot be started.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool> {
    check_room(threads)?;
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| Error::threads(threads, &error))
}

/// A thread of this name that runs `work`.
///
/// # Errors
/// Returns an error if it cannot be started.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    check_room(1)?;
    Builder::new().name(name.to_owned()).spawn(work).map_err(|error| Error::threads(1, &error))
}

/// A thread that runs `work` and ends with the scope.
///
/// # Errors
/// Returns an error if it cannot be started.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    check_room(1)?;
    Builder::new().spawn_scoped(scope, work).map_err(|error| Error::threads(1, &error))
}

/// Memory is granted when it is used, so this takes only addresses, and only for a moment.
fn check_room(threads: usize) -> Result<()> {
    let room = threads.checked_mul(ROOM / size_of::<f32>()).and_then(Buffer::zeros);
    match room {
        Some(_) => Ok(()),
        None => Err(Error::threads(threads, &"not enough memory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_without_room_are_an_error() {
        assert!(check_room(1).is_ok());
        let error = check_room(usize::MAX / ROOM).unwrap_err();
        assert!(error.message.contains("threads: not enough memory"), "{error}");
        assert_eq!(pool(2).unwrap().current_num_threads(), 2);
        assert_eq!(spawn("test", || 7).unwrap().join().unwrap(), 7);
        assert_eq!(std::thread::scope(|scope| spawn_scoped(scope, || 7).unwrap().join().unwrap()), 7);
    }
}
