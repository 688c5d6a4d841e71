//! Memory for arrays of many megabytes.
//!
//! Kernels visit a transformed square, or a block of a matrix, with strides of several pages. On pages of 4 KiB the
//! processor then looks up addresses more often than it computes, and which pages share a set of the cache is chance,
//! new in every run. On pages of 2 MiB neither happens; Linux gives them to who asks.

use std::alloc::{GlobalAlloc, Layout, System, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::TryReserveError;
use std::io::Write;
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
    fallible(|| unsafe { alloc_zeroed(layout) }).cast()
}

/// The system's allocator, for a program: where there is no memory left, the program ends with a message and exit code 1,
/// not with an abort that says nothing to its user. Whoever can do without the memory asks for it in [`fallible`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

thread_local! {
    /// Whether this thread asks for memory that it can do without.
    static FALLIBLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `ask`, which reports failed allocations to its caller, as [`Vec::try_reserve_exact`] does.
pub fn fallible<T>(ask: impl FnOnce() -> T) -> T {
    let before = FALLIBLE.replace(true);
    let result = ask();
    FALLIBLE.set(before);
    result
}

/// Makes room for `additional` values behind those of `values`.
///
/// # Errors
/// When there is not that much memory.
pub fn reserve<T>(values: &mut Vec<T>, additional: usize) -> Result<(), TryReserveError> {
    fallible(|| values.try_reserve_exact(additional))
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        allocated(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        allocated(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        allocated(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(memory, layout) };
    }
}

fn allocated(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() && !FALLIBLE.get() {
        end(bytes);
    }
    memory
}

/// Ends the program for want of memory, without asking for any.
fn end(bytes: usize) -> ! {
    let mut text = [0; 400];
    let mut rest = &mut text[..];
    let (size, unit) = match bytes {
        0..0x10_0000 => (bytes.div_ceil(1 << 10), "KiB"),
        _ => (bytes.div_ceil(1 << 20), "MiB"),
    };
    let _ = write!(
        rest,
        "error: not enough memory: cannot allocate {size} {unit} more\n  help: close other programs or raise the limit \
         (`ulimit -v`); less is needed with `--workers 1`, fewer `--threads` and, in training, `--micro-batch 36`\n"
    );
    let left = rest.len();
    leave(&text[..text.len() - left])
}

#[cfg(target_os = "linux")]
fn leave(text: &[u8]) -> ! {
    // SAFETY: the text is there; nothing of the program runs afterwards.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(1)
    }
}

#[cfg(not(target_os = "linux"))]
fn leave(text: &[u8]) -> ! {
    let _ = std::io::stderr().write_all(text);
    std::process::exit(1)
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
    // SAFETY: guaranteed by the caller.
    unsafe { libc::munmap(values.cast(), layout.size()) };
}

#[cfg(not(target_os = "linux"))]
use small as pages;

#[cfg(not(target_os = "linux"))]
unsafe fn give_back_pages(values: *mut f32, layout: Layout) {
    // SAFETY: guaranteed by the caller.
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
        // SAFETY: `len` initialized values that nobody can change while the buffer is borrowed.
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
/// An image's pixels and a decoder's planes are had and freed some thousand times a second. GNU's allocator gives blocks of
/// that size back to the system each time, and gets them back page by page, zeroed: a quarter of the time of reading a
/// image. To be called once, when a program begins; other allocators are left as they are.
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

    #[test]
    fn room_that_is_not_there_is_an_error() {
        let mut values: Vec<u8> = Vec::new();
        reserve(&mut values, 1000).unwrap();
        assert_eq!(values.capacity(), 1000);
        assert!(reserve(&mut values, usize::MAX / 4).is_err());
        assert!(!FALLIBLE.get());
    }
}
