//! Bytes in memory that is kept as `f32`.

use crate::memory::{self, Buffer};
use crate::scratch;

/// Lends `len` bytes of scratch memory, aligned to a cache line, with unspecified contents.
pub(super) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    scratch::with(len.div_ceil(size_of::<f32>()), |words| work(&mut of_mut(words)[..len]))
}

/// A buffer of at least `len` zero bytes, aligned to a cache line.
///
/// If there is not enough memory, it ends as [`memory::recover`] describes.
pub(super) fn zeros(len: usize) -> Buffer {
    let words = len.div_ceil(size_of::<f32>());
    Buffer::zeros(words).unwrap_or_else(|| memory::give_up(words))
}

pub(super) fn of(words: &[f32]) -> &[u8] {
    // SAFETY: the same memory; every byte is valid.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

pub(super) fn of_mut(words: &mut [f32]) -> &mut [u8] {
    // SAFETY: the same memory, borrowed exclusively; every pattern of bits is a valid byte and a valid `f32`.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}
