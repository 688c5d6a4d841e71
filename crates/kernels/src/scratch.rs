//! Working memory that a thread keeps between calls, so that no kernel pays for fresh pages each time.

use std::cell::Cell;

/// Bytes of a cache line: vectors read from an aligned buffer never straddle two lines.
const LINE: usize = 64;

thread_local! {
    static KEPT: Cell<Vec<Vec<f32>>> = const { Cell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` values, aligned to a cache line, with unspecified contents.
///
/// The buffer is taken out of the thread's store for the time of the call: should `work` wait for other
/// threads, and rayon run another kernel on this one meanwhile, that kernel finds a buffer of its own.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = KEPT.with(|kept| {
        let mut buffers = kept.take();
        let buffer = buffers.pop().unwrap_or_default();
        kept.set(buffers);
        buffer
    });
    let slack = LINE / size_of::<f32>();
    if buffer.len() < len + slack {
        buffer.resize(len + slack, 0.0);
    }
    let skip = buffer.as_ptr().align_offset(LINE);
    let result = work(&mut buffer[skip..skip + len]);
    KEPT.with(|kept| {
        let mut buffers = kept.take();
        buffers.push(buffer);
        kept.set(buffers);
    });
    result
}
