//! Memory for arrays of many megabytes.
//!
//! Kernels visit a transformed square, or a block of a matrix, with strides of several pages. On pages of 4 KiB the
//! processor then looks up addresses more often than it computes, and which pages share a set of the cache is chance,
//! new in every run. On pages of 2 MiB neither happens; Linux gives them to who asks.

use std::alloc::{Layout, alloc, dealloc};
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line: vectors read from an aligned buffer never straddle two lines.
const LINE: usize = 64;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;

/// A fixed number of `f32` values, aligned to a cache line, on large pages where there are enough of them.
pub struct Buffer {
    values: *mut f32,
    len: usize,
}

// SAFETY: a buffer owns its memory alone, like a boxed slice.
unsafe impl Send for Buffer {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros; `None` where there is not that much memory.
    pub fn zeros(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self::default());
        }
        let layout = Self::layout(len)?;
        // SAFETY: the layout is not empty.
        let values = unsafe { alloc(layout) }.cast::<f32>();
        if values.is_null() {
            return None;
        }
        advise(values, layout);
        // SAFETY: `len` values lie inside what was just allocated.
        unsafe { values.write_bytes(0, len) };
        Some(Self { values, len })
    }

    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.checked_mul(size_of::<f32>())?;
        let align = if bytes >= PAGE { PAGE } else { LINE };
        // Whole pages, so that the last one is a large one too.
        Layout::from_size_align(bytes.checked_next_multiple_of(align)?, align).ok()
    }
}

/// Asks for large pages. Whether they come changes nothing but the speed.
#[cfg(target_os = "linux")]
fn advise(values: *mut f32, layout: Layout) {
    if layout.align() == PAGE {
        // SAFETY: the range is what was just allocated, and begins with a page.
        unsafe { libc::madvise(values.cast(), layout.size(), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut f32, _: Layout) {}

impl Default for Buffer {
    /// No values.
    fn default() -> Self {
        Self { values: std::ptr::NonNull::dangling().as_ptr(), len: 0 }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len).filter(|_| self.len > 0) {
            // SAFETY: allocated with this very layout, and never used again.
            unsafe { dealloc(self.values.cast(), layout) };
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` initialised values that nobody can change while the buffer is borrowed.
        unsafe { std::slice::from_raw_parts(self.values, self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.values, self.len) }
    }
}

impl Clone for Buffer {
    /// # Panics
    /// When there is not that much memory.
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len).expect("memory for a copy");
        copy.copy_from_slice(self);
        copy
    }
}

impl std::fmt::Debug for Buffer {
    /// The length, not the millions of numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} values)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_aligned_and_refused_when_too_large() {
        for len in [0, 1, 1000, (PAGE / 4) + 1] {
            let mut buffer = Buffer::zeros(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&value| value == 0.0));
            assert!(len == 0 || buffer.as_ptr().addr().is_multiple_of(LINE));
            buffer.fill(1.0);
            assert!(buffer.clone()[..] == buffer[..]);
        }
        assert!(Buffer::zeros(usize::MAX).is_none());
        assert!(Buffer::zeros(usize::MAX / 8).is_none());
    }
}
