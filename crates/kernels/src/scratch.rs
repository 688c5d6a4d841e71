//! Scratch memory that each thread keeps between calls, so that kernels do not pay for fresh pages.

use crate::memory::{self, Buffer};
use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<Buffer>> = const { Cell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` values, aligned to a cache line, with unspecified contents.
///
/// The buffer is removed from the thread's store during the call: if `work` waits for other threads and rayon runs
/// another kernel on this one, that kernel gets a different buffer.
///
/// If there is not enough memory, it ends as [`memory::recover`] describes.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = take(len);
    let result = work(&mut buffer[..len]);
    let mut kept = KEPT.take();
    kept.push(buffer);
    KEPT.set(kept);
    result
}

/// Takes the smallest kept buffer that is large enough, or replaces the largest one by a new buffer.
fn take(len: usize) -> Buffer {
    let mut kept = KEPT.take();
    kept.sort_by_key(|buffer| buffer.len());
    let at = kept.partition_point(|buffer| buffer.len() < len);
    let found = if at < kept.len() { Some(kept.remove(at)) } else { kept.pop() };
    KEPT.set(kept);
    match found {
        Some(buffer) if buffer.len() >= len => buffer,
        found => {
            drop(found);
            Buffer::zeros(len).unwrap_or_else(|| memory::give_up(len))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{OutOfMemory, recover};
    use std::panic::{catch_unwind, resume_unwind};

    #[test]
    fn too_little_memory_is_an_error_and_panics_stay_panics() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let too_much = || with(usize::MAX / 8, |_| ());
        let found = recover(|| pool.install(|| rayon::join(too_much, too_much)));
        assert_eq!(found, Err(OutOfMemory { bytes: usize::MAX / 8 * size_of::<f32>() }));
        assert_eq!(recover(|| pool.install(|| with(1000, |values| values.len()))), Ok(1000));
        let panic = catch_unwind(|| recover::<()>(|| resume_unwind(Box::new("another")))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"another"));
    }
}
