//! Memory for arrays of many megabytes.
//!
//! Kernels visit a transformed square, or a block of a matrix, with strides of several pages. On pages of 4 KiB the
//! processor then looks up addresses more often than it computes, and which pages share a set of the cache is chance,
//! new in every run. On pages of 2 MiB neither happens; Linux gives them to who asks.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line: vectors read from an aligned buffer never straddle two lines.
const LINE: usize = 64;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;

/// A fixed number of `f32` values, aligned to a cache line, on large pages where there are enough of them. Memory is
/// taken from the system as it is touched for the first time.
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
        let values = if layout.align() == PAGE { pages(layout) } else { small(layout) };
        (!values.is_null()).then_some(Self { values, len })
    }

    /// Whole large pages, or whole lines where the values do not fill a page.
    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.checked_mul(size_of::<f32>())?;
        let align = if bytes >= PAGE { PAGE } else { LINE };
        Layout::from_size_align(bytes.checked_next_multiple_of(align)?, align).ok()
    }
}

/// Zeros from the allocator; null where there are none.
fn small(layout: Layout) -> *mut f32 {
    // SAFETY: the layout is not empty.
    unsafe { alloc_zeroed(layout) }.cast()
}

/// Zeros from the system, which it fills in as they are touched; null where there are none.
///
/// It is asked for large pages. Whether they come changes nothing but the speed.
#[cfg(target_os = "linux")]
fn pages(layout: Layout) -> *mut f32 {
    let Some(room) = layout.size().checked_add(PAGE) else { return std::ptr::null_mut() };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the system's choice; what lies before and after the aligned part of it
    // is given back, and was never used.
    unsafe {
        let start =
            libc::mmap(std::ptr::null_mut(), room, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        if start == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        let before = start.align_offset(PAGE);
        if before > 0 {
            libc::munmap(start, before);
        }
        let values = start.byte_add(before);
        libc::munmap(values.byte_add(layout.size()), PAGE - before);
        libc::madvise(values, layout.size(), libc::MADV_HUGEPAGE);
        values.cast()
    }
}

/// Gives back what [`pages`] got.
///
/// # Safety
/// `values` came from [`pages`] for this layout and is not used any more.
#[cfg(target_os = "linux")]
unsafe fn give_back_pages(values: *mut f32, layout: Layout) {
    // SAFETY: promised by the caller.
    unsafe { libc::munmap(values.cast(), layout.size()) };
}

#[cfg(not(target_os = "linux"))]
use small as pages;

#[cfg(not(target_os = "linux"))]
unsafe fn give_back_pages(values: *mut f32, layout: Layout) {
    // SAFETY: promised by the caller.
    unsafe { dealloc(values.cast(), layout) };
}

impl Default for Buffer {
    /// No values.
    fn default() -> Self {
        Self { values: std::ptr::NonNull::dangling().as_ptr(), len: 0 }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(layout) = Self::layout(self.len).filter(|_| self.len > 0) else { return };
        // SAFETY: got for this very layout, and never used again.
        unsafe {
            match layout.align() {
                PAGE => give_back_pages(self.values, layout),
                _ => dealloc(self.values.cast(), layout),
            }
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

/// Keeps memory that is freed, up to some hundred megabytes a thread, for what is allocated next.
///
/// A picture's pixels and a decoder's planes are had and freed some thousand times a second. GNU's allocator gives blocks of
/// that size back to the system each time, and gets them back page by page, zeroed: a quarter of the time of reading a
/// picture. To be called once, when a program begins; other allocators are left as they are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The most that the allocator accepts.
        const MAPPED_FROM: libc::c_int = 32 << 20;
        const TRIMMED_FROM: libc::c_int = 256 << 20;
        // SAFETY: both only set limits of the allocator, at any time.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIMMED_FROM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_aligned_and_refused_when_too_large() {
        for len in [0, 1, 1000, PAGE / 4, (PAGE / 4) + 1] {
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
