//! A slice that several jobs write at the same time, each its own elements.

use std::marker::PhantomData;

/// A mutable slice whose elements several threads access through a pointer.
pub(crate) struct Shared<'a> {
    values: *mut f32,
    len: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: accessing an element is unsafe, and callers guarantee that no other thread accesses it at the same time.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { values: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// Accesses through the pointer stay inside the slice, to elements that no other thread accesses at the same time.
    pub(crate) unsafe fn at(&self, index: usize) -> *mut f32 {
        debug_assert!(index <= self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { self.values.add(index) }
    }

    /// `len` elements from `first` on.
    ///
    /// # Safety
    /// They lie inside the slice, and no other thread accesses them while the result is alive.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, first: usize, len: usize) -> &mut [f32] {
        debug_assert!(first + len <= self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(first), len) }
    }
}
