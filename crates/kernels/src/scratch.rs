//! Scratch memory that each thread keeps between calls, so that kernels do not pay for fresh pages.

use crate::memory::Buffer;
use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<Buffer>> = const { Cell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` values, aligned to a cache line, with unspecified contents.
///
/// The buffer is removed from the thread's store during the call: if `work` waits for other threads and rayon runs
/// another kernel on this one, that kernel gets a different buffer.
///
/// # Panics
/// If there is not enough memory.
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
            Buffer::zeros(len)
                .unwrap_or_else(|| panic!("not enough memory for {len} values of scratch space"))
        }
    }
}
