//! How the results of a transform are stored: as the words that micro-kernels multiply.

use crate::bf16;
use crate::gemm::Word;
use crate::simd::{Four, One, Vector};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The form of stored results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreAs {
    /// One value in each word.
    Words,
    /// One value in each word, rounded to bfloat16.
    Rounded,
    /// Two bfloat16 values in each word, which belong to neighboring channels.
    Halves,
    /// Two bfloat16 values in each word: the low one was stored by [`StoreAs::Halves`], element by element without gaps, and
    /// begins at this address.
    Pairs {
        /// The low values.
        low: *const f32,
    },
}

impl StoreAs {
    /// Operands whose products are summed over channels, in words of neighboring channels.
    pub(super) const fn along_channels(word: Word) -> Self {
        match word {
            Word::F32 => Self::Words,
            Word::RoundedToBf16 => Self::Rounded,
            Word::Bf16Pair => Self::Halves,
        }
    }
}

/// Stores squares as operands whose products are summed over squares. Where a word holds two values, squares `2 i` and `2 i + 1`
/// share the words of row `i`: the first is kept apart until the second is there.
pub(super) struct AlongSquares<'a> {
    word: Word,
    /// The halves of the first square of a pair.
    low: &'a mut [f32],
    /// The offsets of its elements.
    low_offsets: Vec<usize>,
    channels: usize,
}

/// Where a square is stored.
pub(super) struct Target<'a> {
    pub(super) y: *mut f32,
    pub(super) to: &'a [usize],
    pub(super) store: StoreAs,
}

impl<'a> AlongSquares<'a> {
    /// Words of memory that pairs need.
    pub(super) const fn len(word: Word, elements: usize, channels: usize) -> usize {
        match word {
            Word::F32 | Word::RoundedToBf16 => 0,
            Word::Bf16Pair => elements * channels / 2,
        }
    }

    /// Stores squares of `channels` channels, in pairs a multiple of 8, with [`Self::len`] words of memory.
    pub(super) fn new(word: Word, channels: usize, low: &'a mut [f32]) -> Self {
        let low_offsets = match word {
            Word::F32 | Word::RoundedToBf16 => Vec::new(),
            Word::Bf16Pair => (0..low.len()).step_by(channels / 2).collect(),
        };
        Self { word, low, low_offsets, channels }
    }

    /// Whether the last of `squares` squares is the first of a pair, so that a square of zeros has to follow.
    pub(super) const fn is_incomplete(&self, squares: usize) -> bool {
        !squares.is_multiple_of(self.word.values())
    }

    /// Where square number `square` is stored, if the elements of row 0 are at the offsets `to` of `y`, whose rows are `row`
    /// words apart.
    ///
    /// # Panics
    /// If a row does not fit `y`.
    pub(super) fn target<'b>(
        &'b mut self,
        square: usize,
        y: &mut [f32],
        row: usize,
        to: &'b [usize],
    ) -> Target<'b> {
        let y = &mut y[square / self.word.values() * row..];
        assert!(to.iter().all(|&to| to + self.channels <= y.len()));
        let y = y.as_mut_ptr();
        match self.word {
            Word::F32 => Target { y, to, store: StoreAs::Words },
            Word::RoundedToBf16 => Target { y, to, store: StoreAs::Rounded },
            Word::Bf16Pair if square.is_multiple_of(2) => {
                Target { y: self.low.as_mut_ptr(), to: &self.low_offsets, store: StoreAs::Halves }
            }
            Word::Bf16Pair => Target { y, to, store: StoreAs::Pairs { low: self.low.as_ptr() } },
        }
    }
}

/// What the sums of a product run along, and thereby how its squares are stored.
pub(super) enum Along<'a> {
    /// Along the channels: a row for each square.
    Channels(Word),
    /// Along the squares.
    Squares(AlongSquares<'a>),
}

impl Along<'_> {
    /// See [`AlongSquares::target`].
    ///
    /// # Panics
    /// If a row does not fit `y`.
    pub(super) fn target<'b>(
        &'b mut self,
        square: usize,
        y: &mut [f32],
        row: usize,
        to: &'b [usize],
    ) -> Target<'b> {
        match self {
            Self::Channels(word) => {
                let y = y[square * row..].as_mut_ptr();
                Target { y, to, store: StoreAs::along_channels(*word) }
            }
            Self::Squares(squares) => squares.target(square, y, row, to),
        }
    }

    /// The row of a square.
    pub(super) const fn row(&self, square: usize) -> usize {
        match self {
            Self::Channels(_) => square,
            Self::Squares(along) => square / along.word.values(),
        }
    }

    /// Whether a square of zeros has to follow `squares` squares.
    pub(super) const fn is_incomplete(&self, squares: usize) -> bool {
        match self {
            Self::Channels(_) => false,
            Self::Squares(along) => along.is_incomplete(squares),
        }
    }
}

/// Stores a register of channels from channel `c` on; `y` is the address of channel 0 of its element, and `low` that of the
/// halves to pair it with.
pub(super) trait Store<V: Vector> {
    /// # Safety
    /// The machine supports the instructions, and the words can be written.
    unsafe fn store(value: V, y: *mut f32, low: *const f32, c: usize);
}

/// A way to store that every instruction set has.
#[cfg(target_arch = "x86_64")]
pub(super) trait StoreAny:
    Store<Four> + Store<__m256> + Store<__m512> + Store<One<false>> + Store<One<true>>
{
}
/// A way to store that every instruction set has.
#[cfg(not(target_arch = "x86_64"))]
pub(super) trait StoreAny: Store<Four> + Store<One<false>> {}

/// See [`StoreAs::Words`].
pub(super) struct Words;
/// See [`StoreAs::Rounded`].
pub(super) struct Rounded;

impl StoreAny for Words {}
impl StoreAny for Rounded {}

impl<V: Vector> Store<V> for Words {
    #[inline(always)]
    unsafe fn store(value: V, y: *mut f32, _: *const f32, c: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe { value.store(y.add(c)) }
    }
}

impl<V: Vector> Store<V> for Rounded {
    #[inline(always)]
    unsafe fn store(value: V, y: *mut f32, _: *const f32, c: usize) {
        let mut lanes = [0.0; 16];
        // SAFETY: the array has room for the lanes; the rest is guaranteed by the caller.
        unsafe {
            value.store(lanes.as_mut_ptr());
            V::load(lanes.map(bf16::round).as_ptr()).store(y.add(c));
        }
    }
}

/// See [`StoreAs::Halves`].
#[cfg(target_arch = "x86_64")]
pub(super) struct Halves;
/// See [`StoreAs::Pairs`].
#[cfg(target_arch = "x86_64")]
pub(super) struct Pairs;

/// Implements both for a register, whose halves fill `$halves`.
#[cfg(target_arch = "x86_64")]
macro_rules! store_halves {
    ($register:ident, $halves:ident, $narrow:ident, $load_halves:ident, $store_halves:ident, $widen:ident, $shift:ident,
     $or:ident, $store:ident) => {
        impl Store<$register> for Halves {
            #[inline(always)]
            unsafe fn store(value: $register, y: *mut f32, _: *const f32, c: usize) {
                // SAFETY: registers of the same size; the rest is guaranteed by the caller.
                unsafe {
                    let halves: $halves = std::mem::transmute($narrow(value));
                    $store_halves(y.add(c / 2).cast(), halves);
                }
            }
        }

        impl Store<$register> for Pairs {
            #[inline(always)]
            unsafe fn store(value: $register, y: *mut f32, low: *const f32, c: usize) {
                // SAFETY: as above.
                unsafe {
                    let high: $halves = std::mem::transmute($narrow(value));
                    let low = $widen($load_halves(low.add(c / 2).cast()));
                    $store(y.add(c).cast(), $or(low, $shift::<16>($widen(high))));
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
store_halves!(
    __m256, __m128i, _mm256_cvtneps_pbh, _mm_loadu_si128, _mm_storeu_si128, _mm256_cvtepu16_epi32, _mm256_slli_epi32,
    _mm256_or_si256, _mm256_storeu_si256
);
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
store_halves!(
    __m512, __m256i, _mm512_cvtneps_pbh, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_cvtepu16_epi32, _mm512_slli_epi32,
    _mm512_or_si512, _mm512_storeu_si512
);
