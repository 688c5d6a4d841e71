//! The fully connected layer for a few images: `y[b, o] = bias[o] + w[o] . x[b]`, one dot product per output, at the
//! speed of memory.

use crate::bf16;
use crate::f16::to_f32;
use crate::geometry::FcGeometry;
use crate::isa::Isa;
use crate::scratch;
use crate::simd::{Four, Vector};
use crate::transpose::transpose_into;
use rayon::prelude::*;

/// Registers of partial sums per output.
const SUMS: usize = 2;

/// Rows of weights read side by side: several address streams get more bandwidth out of one core than one does.
const ROWS: usize = 4;

/// Outputs per task.
const OUTPUTS: usize = 32;

/// A weight as stored.
pub(super) trait Weight: Copy + Sync {
    /// # Safety
    /// The machine supports the vector's instructions, and `V::LANES` values can be read.
    unsafe fn load<V: Vector>(from: *const Self) -> V;

    fn value(self) -> f32;
}

impl Weight for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: guaranteed by the caller.
        unsafe { V::load(from) }
    }

    fn value(self) -> f32 {
        self
    }
}

/// bfloat16, by its bits.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Bf16(u16);

impl Bf16 {
    /// Values by their bits.
    pub(super) fn of(bits: &[u16]) -> &[Self] {
        // SAFETY: the struct has the layout of its only field.
        unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
    }
}

impl Weight for Bf16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: guaranteed by the caller.
        unsafe { V::load_bf16(from.cast()) }
    }

    fn value(self) -> f32 {
        bf16::to_f32(self.0)
    }
}

/// Half precision.
impl Weight for u16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: guaranteed by the caller.
        unsafe { V::load_f16(from) }
    }

    fn value(self) -> f32 {
        to_f32(self)
    }
}

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
pub(super) fn forward<W: Weight>(g: &FcGeometry, x: &[f32], w: &[W], bias: &[f32], y: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    let batch = y.len() / g.outputs;
    // Tasks own outputs, so that each weight is read once; y is transposed at the end.
    scratch::with(y.len(), |transposed| {
        let tasks = transposed.par_chunks_mut(OUTPUTS * batch).zip(w.par_chunks(OUTPUTS * g.inputs));
        tasks.for_each(|(transposed, w)| rows(g.inputs, x, w, transposed));
        transpose_into(transposed, g.outputs, Some(bias), y);
    });
}

/// `transposed[o, b] = sum_i w[o, i] x[b, i]`.
fn rows<W: Weight>(inputs: usize, x: &[f32], w: &[W], transposed: &mut [f32]) {
    // SAFETY: `current` only returns sets that the machine supports.
    unsafe {
        match Isa::current() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => x86::avx512(inputs, x, w, transposed),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::avx2(inputs, x, w, transposed),
            _ => rows_by::<Four, W>(inputs, x, w, transposed),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Weight, rows_by};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn avx2<W: Weight>(inputs: usize, x: &[f32], w: &[W], transposed: &mut [f32]) {
        // SAFETY: guaranteed by the caller.
        unsafe { rows_by::<__m256, W>(inputs, x, w, transposed) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512<W: Weight>(inputs: usize, x: &[f32], w: &[W], transposed: &mut [f32]) {
        // SAFETY: guaranteed by the caller.
        unsafe { rows_by::<__m512, W>(inputs, x, w, transposed) }
    }
}

/// # Safety
/// The machine supports the instructions.
#[inline(always)]
unsafe fn rows_by<V: Vector, W: Weight>(inputs: usize, x: &[f32], w: &[W], transposed: &mut [f32]) {
    let batch = x.len() / inputs;
    let outputs = transposed.len() / batch;
    assert!(w.len() >= outputs * inputs);
    for first in (0..outputs).step_by(ROWS) {
        // Past the end the last row is read again, so that there is one code path.
        let row = |o: usize| &w[(first + o).min(outputs - 1) * inputs..][..inputs];
        let w: [&[W]; ROWS] = std::array::from_fn(row);
        for (b, x) in x.chunks_exact(inputs).enumerate() {
            // SAFETY: guaranteed by the caller.
            let sums = unsafe { dots::<V, W>(w, x) };
            for (o, sum) in (first..outputs).zip(sums) {
                transposed[o * batch + b] = sum;
            }
        }
    }
}

/// `sum_i w[o, i] x[i]` for a few `o`, in an order that depends on the length alone.
///
/// # Safety
/// The machine supports the instructions.
#[inline(always)]
unsafe fn dots<V: Vector, W: Weight>(w: [&[W]; ROWS], x: &[f32]) -> [f32; ROWS] {
    let step = SUMS * V::LANES;
    let whole = x.len() / step * step;
    assert!(w.iter().all(|w| w.len() == x.len()));
    // SAFETY: every vector lies in the first `whole` values of its slice; the array has room for the lanes.
    unsafe {
        let mut sums = [[V::splat(0.0); SUMS]; ROWS];
        for at in (0..whole).step_by(step) {
            let x: [V; SUMS] = std::array::from_fn(|i| V::load(x.as_ptr().add(at + i * V::LANES)));
            for (sums, w) in sums.iter_mut().zip(w) {
                for i in 0..SUMS {
                    sums[i] = W::load::<V>(w.as_ptr().add(at + i * V::LANES)).mul_add(x[i], sums[i]);
                }
            }
        }
        let mut dots = [0.0; ROWS];
        for ((dot, sums), w) in dots.iter_mut().zip(sums).zip(w) {
            let mut lanes = [0.0; 16];
            sums[0].add(sums[1]).store(lanes.as_mut_ptr());
            let rest: f32 = w[whole..].iter().zip(&x[whole..]).map(|(w, x)| w.value() * x).sum();
            *dot = lanes.iter().sum::<f32>() + rest;
        }
        dots
    }
}
