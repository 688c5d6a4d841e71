//! A slice that the jobs of one call write together, each its own elements.

use std::marker::PhantomData;

/// A mutable slice whose elements several threads reach through a pointer.
pub(crate) struct Shared<'a> {
    values: *mut f32,
    len: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: reaching an element is unsafe, and whoever does vouches that nobody else uses it meanwhile.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { values: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// What is read or written through it lies inside the slice, and nobody else uses it meanwhile.
    pub(crate) unsafe fn at(&self, index: usize) -> *mut f32 {
        debug_assert!(index <= self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { self.values.add(index) }
    }

    /// `len` elements from `first` on.
    ///
    /// # Safety
    /// They lie inside the slice, and nobody else uses them meanwhile.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, first: usize, len: usize) -> &mut [f32] {
        debug_assert!(first + len <= self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(first), len) }
    }
}
