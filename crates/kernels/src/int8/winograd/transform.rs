//! The transforms of tiles, for vectors of channels. Each value has the bits of the scalar transforms, up to the sign of
//! zeros.

use super::super::isa::Int8Isa;
use super::super::tile::Value;
use super::super::vector::{ByteVector, One};
use super::algorithm::Algorithm;
use super::matrices::{LONGEST, Square, narrow};
use super::tiles::{self, NOWHERE};
use crate::simd::{Four, Vector};

/// Inputs of one tile.
pub(super) struct Inputs<'a> {
    pub(super) x: &'a [u8],
    pub(super) from: &'a tiles::Inputs,
    pub(super) channels: usize,
    /// The zero point of `x`.
    pub(super) zero: f32,
    /// The factor of each element before it is rounded.
    pub(super) factors: &'a [f32],
    /// Where the first element is stored.
    pub(super) v: *mut u8,
    /// Bytes from element to element.
    pub(super) element: usize,
}

/// Products of one tile.
pub(super) struct Products<'a, T> {
    pub(super) m: *const f32,
    /// Values from element to element.
    pub(super) element: usize,
    pub(super) offsets: *const f32,
    pub(super) channels: usize,
    pub(super) y: *mut T,
    pub(super) to: &'a tiles::Outputs,
}

/// An algorithm known at compile time, so that multiplications by 0 and 1 cost nothing.
pub(super) trait Plan {
    const ALGORITHM: Algorithm;
    const INPUT: Square = narrow(Self::ALGORITHM.input_matrix());
    const OUTPUT: Square = narrow(Self::ALGORITHM.output_matrix());
    const SIDE: usize = Self::ALGORITHM.side();
    const TILE: usize = Self::ALGORITHM.tile();
}

pub(super) struct F2x3;
pub(super) struct F4x3;
pub(super) struct F2x5Vertical;

impl Plan for F2x3 {
    const ALGORITHM: Algorithm = Algorithm::F2x3;
}

impl Plan for F4x3 {
    const ALGORITHM: Algorithm = Algorithm::F4x3;
}

impl Plan for F2x5Vertical {
    const ALGORITHM: Algorithm = Algorithm::F2x5Vertical;
}

impl Inputs<'_> {
    /// Transforms and quantizes the tile: `round(B^T (x - zero) B factors) + 128`.
    ///
    /// # Safety
    /// The machine supports `isa`; `channels` bytes can be read at each offset of `x` and written at each element of `v`.
    pub(super) unsafe fn transform<P: Plan>(&self, isa: Int8Isa) {
        debug_assert!(self.from.iter().all(|&at| at == NOWHERE || at + self.channels <= self.x.len()));
        assert!(self.factors.len() == P::SIDE * P::SIDE);
        // SAFETY: guaranteed by the caller.
        unsafe {
            match isa {
                Int8Isa::Portable => self.all_channels::<P, Four>(),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx2 => x86::inputs_avx2::<P>(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => x86::inputs_avx512::<P>(self),
                #[cfg(not(target_arch = "x86_64"))]
                Int8Isa::Avx2 | Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                    self.all_channels::<P, Four>()
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::transform`].
    #[inline(always)]
    unsafe fn all_channels<P: Plan, V: ByteVector>(&self) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match self.zero == 0.0 {
                true => self.all_channels_above::<P, V, true>(),
                false => self.all_channels_above::<P, V, false>(),
            }
        }
    }

    /// [`Self::all_channels`] for a zero point that is 0, or for any other.
    ///
    /// # Safety
    /// As [`Self::transform`].
    #[inline(always)]
    unsafe fn all_channels_above<P: Plan, V: ByteVector, const IS_ZERO: bool>(&self) {
        let whole = self.channels / V::LANES * V::LANES;
        // SAFETY: guaranteed by the caller.
        unsafe {
            for c in (0..whole).step_by(V::LANES) {
                self.some_channels::<P, V, IS_ZERO>(c);
            }
            for c in whole..self.channels {
                self.some_channels::<P, One, IS_ZERO>(c);
            }
        }
    }

    /// Transforms the channels from `c` on that fill a register.
    ///
    /// # Safety
    /// As [`Self::transform`].
    #[allow(clippy::needless_range_loop)] // Indices mirror the formulas.
    #[inline(always)]
    unsafe fn some_channels<P: Plan, V: ByteVector, const IS_ZERO: bool>(&self, c: usize) {
        // SAFETY: guaranteed by the caller; the number of factors was checked.
        unsafe {
            let (none, zero) = (V::splat(0.0), V::splat(self.zero));
            let mut half = [[none; LONGEST]; LONGEST];
            for j in 0..P::SIDE {
                let mut column = [none; LONGEST];
                for i in 0..P::SIDE {
                    let from = *self.from.get_unchecked(i * P::SIDE + j);
                    if from != NOWHERE {
                        let value = V::load_bytes(self.x.as_ptr().add(from + c));
                        column[i] = if IS_ZERO { value } else { value.sub(zero) };
                    }
                }
                let column = input_line::<P, V>(&column);
                for i in 0..P::SIDE {
                    half[i][j] = column[i];
                }
            }
            for i in (0..P::SIDE).step_by(2) {
                // Two rows fill a whole number of the groups of four that are rounded together.
                let mut values = [none; 2 * LONGEST];
                for pair in 0..2 {
                    let row = input_line::<P, V>(&half[i + pair]);
                    for j in 0..P::SIDE {
                        let factor = *self.factors.get_unchecked((i + pair) * P::SIDE + j);
                        values[pair * P::SIDE + j] = row[j].mul(V::splat(factor));
                    }
                }
                for four in (0..2 * P::SIDE).step_by(4) {
                    let to = |k: usize| self.v.add((i * P::SIDE + four + k) * self.element + c);
                    let values = [values[four], values[four + 1], values[four + 2], values[four + 3]];
                    V::store_centered(values, [to(0), to(1), to(2), to(3)]);
                }
            }
        }
    }
}

impl<T: Value> Products<'_, T> {
    /// Computes the tile's outputs: `finish(A^T m A + offsets)`.
    ///
    /// # Safety
    /// The machine supports `isa`; `channels` values can be read at each element of `m` and at `offsets`, and written at
    /// each offset from `y`.
    pub(super) unsafe fn transform<P: Plan>(&self, isa: Int8Isa) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match isa {
                Int8Isa::Portable => self.all_channels::<P, Four>(),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx2 => x86::products_avx2::<P, T>(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => x86::products_avx512::<P, T>(self),
                #[cfg(not(target_arch = "x86_64"))]
                Int8Isa::Avx2 | Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                    self.all_channels::<P, Four>()
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::transform`].
    #[inline(always)]
    unsafe fn all_channels<P: Plan, V: ByteVector>(&self) {
        let whole = self.channels / V::LANES * V::LANES;
        // SAFETY: guaranteed by the caller.
        unsafe {
            for c in (0..whole).step_by(V::LANES) {
                self.some_channels::<P, V>(c);
            }
            for c in whole..self.channels {
                self.some_channels::<P, One>(c);
            }
        }
    }

    /// Transforms the channels from `c` on that fill a register.
    ///
    /// # Safety
    /// As [`Self::transform`].
    #[allow(clippy::needless_range_loop)] // Indices mirror the formulas.
    #[inline(always)]
    unsafe fn some_channels<P: Plan, V: ByteVector>(&self, c: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let none = V::splat(0.0);
            let mut half = [[none; LONGEST]; LONGEST];
            for j in 0..P::SIDE {
                let mut column = [none; LONGEST];
                for i in 0..P::SIDE {
                    column[i] = V::load(self.m.add((i * P::SIDE + j) * self.element + c));
                }
                let column = output_line::<P, V>(&column);
                for i in 0..P::TILE {
                    half[i][j] = column[i];
                }
            }
            let offset = V::load(self.offsets.add(c));
            for i in 0..P::TILE {
                let row = output_line::<P, V>(&half[i]);
                for j in 0..P::TILE {
                    let to = *self.to.get_unchecked(i * P::TILE + j);
                    if to != NOWHERE {
                        T::store(row[j].add(offset), self.y.add(to + c));
                    }
                }
            }
        }
    }
}

/// `B^T x`: rows of opposite points are the sum and the difference of the same sums over even and odd columns.
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
pub(super) unsafe fn input_line<P: Plan, V: Vector>(x: &[V; LONGEST]) -> [V; LONGEST] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let (even, odd) = (sum::<P, V, 1, 0>(x), sum::<P, V, 1, 1>(x));
        let mut y = [sum::<P, V, 0, 0>(x), even.add(odd), even.sub(odd), even, even, even];
        if P::SIDE == 4 {
            y[3] = sum::<P, V, 3, 1>(x);
        } else {
            let (even, odd) = (sum::<P, V, 3, 0>(x), sum::<P, V, 3, 1>(x));
            (y[3], y[4], y[5]) = (even.add(odd), even.sub(odd), sum::<P, V, 5, 1>(x));
        }
        y
    }
}

/// Row `ROW` of `B^T` times `x`, over the columns `FIRST`, `FIRST + 2` and `FIRST + 4`.
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
unsafe fn sum<P: Plan, V: Vector, const ROW: usize, const FIRST: usize>(x: &[V; LONGEST]) -> V {
    let factor = |column: usize| P::INPUT[ROW][column];
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sum = term(None, factor(FIRST), x[FIRST]);
        let sum = term(sum, factor(FIRST + 2), x[FIRST + 2]);
        term(sum, factor(FIRST + 4), x[FIRST + 4]).unwrap_or(V::splat(0.0))
    }
}

/// `A^T m`: values of opposite points are added or subtracted before they are multiplied.
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
pub(super) unsafe fn output_line<P: Plan, V: Vector>(m: &[V; LONGEST]) -> [V; LONGEST] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sums = [m[1].add(m[2]), m[3].add(m[4])];
        let differences = [m[1].sub(m[2]), m[3].sub(m[4])];
        [
            output_row::<P, V, 0>(m, &sums),
            output_row::<P, V, 1>(m, &differences),
            output_row::<P, V, 2>(m, &sums),
            output_row::<P, V, 3>(m, &differences),
            sums[0],
            sums[0],
        ]
    }
}

/// Row `ROW` of `A^T` times `m`, with the sums or differences of opposite points.
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
unsafe fn output_row<P: Plan, V: Vector, const ROW: usize>(m: &[V; LONGEST], pairs: &[V; 2]) -> V {
    let factor = |column: usize| P::OUTPUT[ROW][column];
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sum = term(None, factor(0), m[0]);
        let sum = term(sum, factor(1), pairs[0]);
        let sum = if P::SIDE == 6 { term(sum, factor(3), pairs[1]) } else { sum };
        term(sum, factor(P::SIDE - 1), m[P::SIDE - 1]).unwrap_or(V::splat(0.0))
    }
}

/// `sum + factor value`, where `None` is an empty sum.
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
unsafe fn term<V: Vector>(sum: Option<V>, factor: f32, value: V) -> Option<V> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match (sum, factor) {
            (sum, 0.0) => sum,
            (None, 1.0) => Some(value),
            (None, _) => Some(value.mul(V::splat(factor))),
            (Some(sum), 1.0) => Some(sum.add(value)),
            (Some(sum), -1.0) => Some(sum.sub(value)),
            (Some(sum), _) => Some(sum.add(value.mul(V::splat(factor)))),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Inputs, Plan, Products, Value};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn inputs_avx2<P: Plan>(inputs: &Inputs) {
        // SAFETY: guaranteed by the caller.
        unsafe { inputs.all_channels::<P, __m256>() }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn inputs_avx512<P: Plan>(inputs: &Inputs) {
        // SAFETY: guaranteed by the caller.
        unsafe { inputs.all_channels::<P, __m512>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn products_avx2<P: Plan, T: Value>(products: &Products<T>) {
        // SAFETY: guaranteed by the caller.
        unsafe { products.all_channels::<P, __m256>() }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn products_avx512<P: Plan, T: Value>(products: &Products<T>) {
        // SAFETY: guaranteed by the caller.
        unsafe { products.all_channels::<P, __m512>() }
    }
}
