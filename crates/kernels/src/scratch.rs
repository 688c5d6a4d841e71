//! Working memory that a thread keeps between calls, so that no kernel pays for fresh pages each time.

use crate::memory::Buffer;
use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<Buffer>> = const { Cell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` values, aligned to a cache line, with unspecified contents.
///
/// The buffer is taken out of the thread's store for the time of the call: should `work` wait for other
/// threads, and rayon run another kernel on this one meanwhile, that kernel finds a buffer of its own.
///
/// # Panics
/// When there is not that much memory.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = take(len);
    let result = work(&mut buffer[..len]);
    let mut kept = KEPT.take();
    kept.push(buffer);
    KEPT.set(kept);
    result
}

/// The smallest kept buffer that is large enough; or the largest of all, which is replaced by a larger one.
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
            Buffer::zeros(len).unwrap_or_else(|| panic!("no memory for {len} values to work with"))
        }
    }
}
