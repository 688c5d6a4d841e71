//! `Y = M X M^T`, where each element of the squares `X` and `Y` is a vector of channels.

use super::matrices::{LONGEST, Matrix};
#[cfg(target_arch = "x86_64")]
use super::store::{Halves, Pairs};
use super::store::{Rounded, Store, StoreAny, StoreAs, Words};
use crate::isa::Isa;
use crate::simd::{Four, LINE, One, Vector, prefetch, starts};
use std::mem::MaybeUninit;

/// The offset of an element that does not exist: it reads as zero and is not written.
pub(super) const NOWHERE: usize = usize::MAX;

/// A matrix known at compile time, so that multiplications by 0 and 1 cost nothing.
pub(super) trait Linear {
    const MATRIX: Matrix;
}

/// `B^T` for a side and a set of points.
pub(super) struct Input<const SIDE: usize, const SET: usize>;
/// `G` for a number of weights.
pub(super) struct Kernel<const SIDE: usize, const LENGTH: usize, const SET: usize>;
/// `A^T` for a number of outputs.
pub(super) struct Output<const SIDE: usize, const LENGTH: usize, const SET: usize>;

impl<const SIDE: usize, const SET: usize> Linear for Input<SIDE, SET> {
    const MATRIX: Matrix = Matrix::input(SIDE, SET);
}

impl<const SIDE: usize, const LENGTH: usize, const SET: usize> Linear for Kernel<SIDE, LENGTH, SET> {
    const MATRIX: Matrix = Matrix::kernel(SIDE, LENGTH, SET);
}

impl<const SIDE: usize, const LENGTH: usize, const SET: usize> Linear for Output<SIDE, LENGTH, SET> {
    const MATRIX: Matrix = Matrix::output(SIDE, LENGTH, SET);
}

/// What happens to a result before it is stored: `max(result + bias, floor)`.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) bias: Option<&'a [f32]>,
    pub(super) floor: f32,
}

impl Finish<'_> {
    /// The result is stored unchanged.
    pub(super) const NONE: Self = Self { bias: None, floor: f32::NEG_INFINITY };
}

/// One square to transform; `from` and `to` are the offsets of its elements, row by row, `to` in words.
#[derive(Clone, Copy)]
pub(super) struct Square<'a> {
    pub(super) x: &'a [f32],
    pub(super) from: &'a [usize],
    pub(super) y: *mut f32,
    pub(super) to: &'a [usize],
    pub(super) channels: usize,
    pub(super) store: StoreAs,
    pub(super) finish: Finish<'a>,
    /// Elements of `x` that the next square reads: they are prefetched.
    pub(super) next: &'a [usize],
    /// Where the sum of the elements of `x` is stored for each channel.
    pub(super) totals: Option<*mut f32>,
}

/// Transforms a square. Returns whether all results are finite, before the floor is applied. The offsets in `from` are
/// checked against `x`.
///
/// # Safety
/// The machine supports the instruction set, and AVX512-BF16 where halves are stored. `channels` values can be written at
/// each offset `to` from `y` and at `totals`, and no other thread accesses them during the call.
pub(super) type Transform = unsafe fn(Isa, &Square) -> bool;

/// Runs code for vectors that the channels fill: sixteen lanes if none is left over, else eight, else fewer. Halves and pairs need a multiple of 8 channels.
///
/// # Safety
/// As [`Transform`].
pub(super) unsafe fn transform<L: Linear>(isa: Isa, square: &Square) -> bool {
    let Square { x, from, to, channels, store, finish, .. } = *square;
    assert!(channels.is_multiple_of(8) || matches!(store, StoreAs::Words | StoreAs::Rounded));
    assert!(from.iter().all(|&from| from == NOWHERE || from + channels <= x.len()));
    assert!(from.len() == L::MATRIX.columns.pow(2) && to.len() == L::MATRIX.rows.pow(2));
    assert!(finish.bias.is_none_or(|bias| bias.len() == channels));
    // SAFETY: offsets and lengths were checked; the instructions and `y` are guaranteed by the caller.
    unsafe {
        match store {
            StoreAs::Words => transform_to::<L, Words>(isa, square),
            StoreAs::Rounded => transform_to::<L, Rounded>(isa, square),
            #[cfg(target_arch = "x86_64")]
            StoreAs::Halves => x86::bf16::<L, Halves>(square),
            #[cfg(target_arch = "x86_64")]
            StoreAs::Pairs { .. } => x86::bf16::<L, Pairs>(square),
            #[cfg(not(target_arch = "x86_64"))]
            StoreAs::Halves | StoreAs::Pairs { .. } => unreachable!("pairs are only multiplied on x86-64"),
        }
    }
}

/// [`transform`] for one way to store results.
///
/// # Safety
/// As [`Transform`], and lengths were checked.
unsafe fn transform_to<L: Linear, S: StoreAny>(isa: Isa, square: &Square) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx if square.channels.is_multiple_of(16) => x86::avx512::<L, S>(square),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 | Isa::Amx => x86::avx2::<L, S>(square),
            _ if square.channels >= Four::LANES => sandwich::<L, Four, S>(square),
            _ => sandwich::<L, One<false>, S>(square),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Linear, One, Square, Store, StoreAny, Vector, sandwich};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<L: Linear, S: StoreAny>(square: &Square) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match square.channels >= __m256::LANES {
                true => sandwich::<L, __m256, S>(square),
                false => sandwich::<L, One<true>, S>(square),
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512<L: Linear, S: Store<__m512>>(square: &Square) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe { sandwich::<L, __m512, S>(square) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,fma")]
    pub(super) unsafe fn bf16<L: Linear, S: Store<__m256> + Store<__m512>>(square: &Square) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match square.channels.is_multiple_of(16) {
                true => sandwich::<L, __m512, S>(square),
                false => sandwich::<L, __m256, S>(square),
            }
        }
    }
}

/// Multiplies by `M` along the columns, then along the rows. The channels fill a vector; where they do not fill the last one, it
/// begins earlier, and computes results of the one before it again.
#[allow(clippy::needless_range_loop)] // Indices mirror the formulas.
#[inline(always)]
unsafe fn sandwich<L: Linear, V: Vector, S: Store<V>>(square: &Square) -> bool {
    let Square { x, from, y, to, channels, store, finish, next, totals } = *square;
    let low = match store {
        StoreAs::Pairs { low } => low,
        StoreAs::Words | StoreAs::Rounded | StoreAs::Halves => std::ptr::null(),
    };
    let (rows, columns) = (L::MATRIX.rows, L::MATRIX.columns);
    // SAFETY: guaranteed by the caller.
    unsafe {
        for &next in next {
            for c in (0..channels).step_by(LINE) {
                prefetch(x.as_ptr().wrapping_add(next.wrapping_add(c)));
            }
        }
        let (floor, zero) = (V::splat(finish.floor), V::splat(0.0));
        // Stays zero while every value is finite.
        let mut trace = zero;
        let mut half = [[MaybeUninit::<V>::uninit(); LONGEST]; LONGEST];
        for c in starts::<V, false>(channels) {
            let mut total = zero;
            for j in 0..columns {
                let mut column = [V::splat(0.0); LONGEST];
                for i in 0..columns {
                    let from = *from.get_unchecked(i * columns + j);
                    if from != NOWHERE {
                        column[i] = V::load(x.as_ptr().add(from + c));
                    }
                }
                if totals.is_some() {
                    for value in &column[..columns] {
                        total = total.add(*value);
                    }
                }
                let column = line::<L, V>(column);
                for i in 0..rows {
                    half[i][j].write(column[i]);
                }
            }
            if let Some(totals) = totals {
                total.store(totals.add(c));
            }
            let bias = finish.bias.map_or(V::splat(0.0), |bias| V::load(bias.as_ptr().add(c)));
            for (i, half) in half[..rows].iter().enumerate() {
                let mut row = [V::splat(0.0); LONGEST];
                for j in 0..columns {
                    // The first pass has initialized `rows x columns` of them.
                    row[j] = half[j].assume_init();
                }
                let row = line::<L, V>(row);
                for j in 0..rows {
                    let to = *to.get_unchecked(i * rows + j);
                    if to != NOWHERE {
                        let value = row[j].add(bias);
                        trace = value.mul_add(zero, trace);
                        let low = low.wrapping_add((i * rows + j) * channels / 2);
                        S::store(value.at_least(floor), y.add(to), low, c);
                    }
                }
            }
        }
        trace.is_zero()
    }
}

/// `y = M x`. `M` is a compile-time constant: zeros vanish, ones become additions, and the rows or columns of opposite
/// points share their sums. Loops are written out so that nothing is looked up at run time.
#[inline(always)]
unsafe fn line<L: Linear, V: Vector>(x: [V; LONGEST]) -> [V; LONGEST] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        // Opposite points have equal factors up to sign: add and subtract first, multiply once.
        let (mut even, mut odd) = (x, x);
        for j in 0..LONGEST - 1 {
            if L::MATRIX.mirrored_columns[j] {
                even[j] = x[j].add(x[j + 1]);
                odd[j] = x[j].sub(x[j + 1]);
            }
        }
        [
            row::<L, V, 0, 0>(&even),
            row::<L, V, 1, 1>(&odd),
            row::<L, V, 2, 1>(&even),
            row::<L, V, 3, 3>(&odd),
            row::<L, V, 4, 3>(&even),
            row::<L, V, 5, 5>(&odd),
            row::<L, V, 6, 5>(&even),
            row::<L, V, 7, 7>(&odd),
        ]
    }
}

/// Row `I` of `M` times `x`; `FIRST` is the first row of the pair that may belong to opposite points.
#[inline(always)]
unsafe fn row<L: Linear, V: Vector, const I: usize, const FIRST: usize>(x: &[V; LONGEST]) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if !const { L::MATRIX.mirrored_rows[FIRST] } {
            return sum::<L, V, I, true, true>(x);
        }
        let (even, odd) = (sum::<L, V, FIRST, true, false>(x), sum::<L, V, FIRST, false, true>(x));
        if I == FIRST { even.add(odd) } else { even.sub(odd) }
    }
}

/// Row `I` of `M` times `x`, over the even columns, the odd ones or both.
#[inline(always)]
unsafe fn sum<L: Linear, V: Vector, const I: usize, const EVEN: bool, const ODD: bool>(
    x: &[V; LONGEST],
) -> V {
    let sum = None;
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sum = if EVEN { term::<L, V, I, 0>(sum, x) } else { sum };
        let sum = if ODD { term::<L, V, I, 1>(sum, x) } else { sum };
        let sum = if EVEN { term::<L, V, I, 2>(sum, x) } else { sum };
        let sum = if ODD { term::<L, V, I, 3>(sum, x) } else { sum };
        let sum = if EVEN { term::<L, V, I, 4>(sum, x) } else { sum };
        let sum = if ODD { term::<L, V, I, 5>(sum, x) } else { sum };
        let sum = if EVEN { term::<L, V, I, 6>(sum, x) } else { sum };
        let sum = if ODD { term::<L, V, I, 7>(sum, x) } else { sum };
        sum.unwrap_or(V::splat(0.0))
    }
}

/// `sum + m[I, J] x[J]`, where `None` is an empty sum. The second column of a pair of opposite points is skipped: the
/// first already includes it.
#[inline(always)]
unsafe fn term<L: Linear, V: Vector, const I: usize, const J: usize>(
    sum: Option<V>,
    x: &[V; LONGEST],
) -> Option<V> {
    if const { J > 0 && L::MATRIX.mirrored_columns[J.saturating_sub(1)] } {
        return sum;
    }
    let (factor, value) = (const { L::MATRIX.at[I][J] }, x[J]);
    // SAFETY: guaranteed by the caller.
    unsafe {
        match (sum, factor) {
            (sum, 0.0) => sum,
            (None, 1.0) => Some(value),
            (None, -1.0) => Some(V::splat(0.0).sub(value)),
            (None, _) => Some(value.mul_add(V::splat(factor), V::splat(0.0))),
            (Some(sum), 1.0) => Some(sum.add(value)),
            (Some(sum), -1.0) => Some(sum.sub(value)),
            (Some(sum), _) => Some(value.mul_add(V::splat(factor), sum)),
        }
    }
}
