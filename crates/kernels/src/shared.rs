//! A slice that several jobs write at the same time, each its own elements.

use std::marker::PhantomData;

/// A mutable slice whose elements several threads access through a pointer.
pub(crate) struct Shared<'a, T = f32> {
    values: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: accessing an element is unsafe, and callers guarantee that no other thread accesses it at the same time.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { values: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// Accesses through the pointer stay inside the slice, to elements that no other thread accesses at the same time.
    pub(crate) unsafe fn at(&self, index: usize) -> *mut T {
        debug_assert!(index <= self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { self.values.add(index) }
    }

    /// `len` elements from `first` on.
    ///
    /// # Safety
    /// They lie inside the slice, and no other thread accesses them while the result is alive.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, first: usize, len: usize) -> &mut [T] {
        debug_assert!(first + len <= self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(first), len) }
    }
}
