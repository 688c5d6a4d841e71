//! Memory for large arrays, how much there is, and the program's allocator.
//!
//! Kernels access transformed squares and matrix blocks with strides of several pages. With 4 KiB pages, address
//! translation then dominates, and which pages compete for a set of the cache is random and changes from run to run.
//! Huge pages of 2 MiB avoid both; Linux provides them on request.

mod available;

pub use available::available;

use std::alloc::{GlobalAlloc, Layout, System, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::TryReserveError;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Bytes per cache line: vectors in an aligned buffer never straddle two lines.
const LINE: usize = 64;

/// Bytes per huge page.
const PAGE: usize = 2 << 20;

/// A fixed number of `f32` values, aligned to a cache line, on huge pages if it is large enough. The system commits
/// memory when it is first touched.
pub struct Buffer {
    values: *mut f32,
    len: usize,
}

// SAFETY: a buffer is the only owner of its memory, like a boxed slice.
unsafe impl Send for Buffer {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros, or `None` if there is not enough memory.
    pub fn zeros(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self::default());
        }
        let layout = Self::layout(len)?;
        let values = if layout.align() == PAGE { pages(layout) } else { small(layout) };
        (!values.is_null()).then_some(Self { values, len })
    }

    /// Whole huge pages, or whole cache lines if the values do not fill a page.
    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.checked_mul(size_of::<f32>())?;
        let align = if bytes >= PAGE { PAGE } else { LINE };
        Layout::from_size_align(bytes.checked_next_multiple_of(align)?, align).ok()
    }
}

/// Zeros from the allocator, or null.
fn small(layout: Layout) -> *mut f32 {
    // SAFETY: the layout is not empty.
    fallible(|| unsafe { alloc_zeroed(layout) }).cast()
}

/// The system allocator for a program that should exit with a message and exit code 1 when it runs out of memory,
/// instead of aborting. Code that can recover from a failed allocation makes it inside [`fallible`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

thread_local! {
    /// Whether this thread recovers from failed allocations.
    static FALLIBLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `allocate`, which handles failed allocations itself, like [`Vec::try_reserve_exact`].
pub fn fallible<T>(allocate: impl FnOnce() -> T) -> T {
    let before = FALLIBLE.replace(true);
    let result = allocate();
    FALLIBLE.set(before);
    result
}

/// Reserves capacity for exactly `additional` more values.
///
/// # Errors
/// Returns an error if there is not enough memory.
pub fn reserve<T>(values: &mut Vec<T>, additional: usize) -> Result<(), TryReserveError> {
    fallible(|| values.try_reserve_exact(additional))
}

/// A kernel needed memory that is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The bytes that it needed at once.
    pub bytes: usize,
}

/// Ends a kernel that cannot allocate `values` numbers, and what waits for it, up to [`recover`].
pub(crate) fn give_up(values: usize) -> ! {
    // Without the message of a panic: the caller reports an error.
    resume_unwind(Box::new(OutOfMemory { bytes: values.saturating_mul(size_of::<f32>()) }))
}

/// Runs kernels, which have no other way to report that there is not enough memory. What they write is then incomplete.
///
/// # Errors
/// Returns an error if one of them cannot allocate its memory.
pub fn recover<T>(work: impl FnOnce() -> T) -> Result<T, OutOfMemory> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| match cause.downcast::<OutOfMemory>() {
        Ok(found) => *found,
        Err(panic) => resume_unwind(panic),
    })
}

// SAFETY: every call is forwarded to the system allocator.
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
        exit_out_of_memory(bytes);
    }
    memory
}

/// Exits with a message, without allocating.
fn exit_out_of_memory(bytes: usize) -> ! {
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
    write_and_exit(&text[..text.len() - left])
}

#[cfg(target_os = "linux")]
fn write_and_exit(text: &[u8]) -> ! {
    // SAFETY: the slice is valid; nothing of the program runs afterwards.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(1)
    }
}

#[cfg(not(target_os = "linux"))]
fn write_and_exit(text: &[u8]) -> ! {
    let _ = std::io::stderr().write_all(text);
    std::process::exit(1)
}

/// Zeros mapped from the system, or null. Huge pages are requested; whether the system grants them affects only speed.
#[cfg(target_os = "linux")]
fn pages(layout: Layout) -> *mut f32 {
    let Some(room) = layout.size().checked_add(PAGE) else { return std::ptr::null_mut() };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address chosen by the system; what lies before and after its aligned part is unmapped
    // and was never used.
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

/// Unmaps what [`pages`] mapped.
///
/// # Safety
/// `values` came from [`pages`] for this layout and is not used afterwards.
#[cfg(target_os = "linux")]
unsafe fn unmap_pages(values: *mut f32, layout: Layout) {
    // SAFETY: guaranteed by the caller.
    unsafe { libc::munmap(values.cast(), layout.size()) };
}

#[cfg(not(target_os = "linux"))]
use small as pages;

#[cfg(not(target_os = "linux"))]
unsafe fn unmap_pages(values: *mut f32, layout: Layout) {
    // SAFETY: guaranteed by the caller.
    unsafe { dealloc(values.cast(), layout) };
}

impl Default for Buffer {
    /// An empty buffer.
    fn default() -> Self {
        Self { values: std::ptr::NonNull::dangling().as_ptr(), len: 0 }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(layout) = Self::layout(self.len).filter(|_| self.len > 0) else { return };
        // SAFETY: allocated with this layout and not used afterwards.
        unsafe {
            match layout.align() {
                PAGE => unmap_pages(self.values, layout),
                _ => dealloc(self.values.cast(), layout),
            }
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` initialized values, which cannot change while the buffer is borrowed.
        unsafe { std::slice::from_raw_parts(self.values, self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.values, self.len) }
    }
}

impl Clone for Buffer {
    /// If there is not enough memory, it ends as [`recover`] describes.
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len).unwrap_or_else(|| give_up(self.len));
        copy.copy_from_slice(self);
        copy
    }
}

impl std::fmt::Debug for Buffer {
    /// Only the length: there may be millions of values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} values)", self.len)
    }
}

/// Makes the GNU allocator keep freed memory, up to a few hundred megabytes per thread, for later allocations. Call it
/// once, when a program starts; it has no effect on other allocators.
///
/// The pixels of an image and the planes of a decoder are allocated and freed thousands of times per second. By default
/// GNU's allocator returns blocks of that size to the system each time and gets them back page by page, zeroed, which
/// takes a quarter of the time of reading an image.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest value that the allocator accepts.
        const MAPPED_FROM: libc::c_int = 32 << 20;
        const TRIMMED_FROM: libc::c_int = 256 << 20;
        // SAFETY: both calls only set limits of the allocator, which is allowed at any time.
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
    fn buffers_are_zero_and_aligned_or_refused_if_too_large() {
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
    fn reserving_too_much_is_an_error() {
        let mut values: Vec<u8> = Vec::new();
        reserve(&mut values, 1000).unwrap();
        assert_eq!(values.capacity(), 1000);
        assert!(reserve(&mut values, usize::MAX / 4).is_err());
        assert!(!FALLIBLE.get());
    }
}
