//! A fully connected layer for a few images: a dot product for each output, at the speed of memory.

use super::turn_back;
use crate::half::widen;
use crate::isa::Isa;
use crate::scratch;
use crate::simd::{Four, Vector};
use rayon::prelude::*;

/// Registers of partial sums for each output.
const SUMS: usize = 2;

/// Outputs whose weights are read side by side: one core asks for more of the memory's speed than a single stream of
/// addresses gets.
const TOGETHER: usize = 4;

/// Outputs that a task computes.
const OUTPUTS: usize = 32;

/// A value as weights are kept.
pub(super) trait Weight: Copy + Sync {
    /// # Safety
    /// The machine has the vector's instructions, and so many values can be read.
    unsafe fn load<V: Vector>(from: *const Self) -> V;

    fn value(self) -> f32;
}

impl Weight for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(from) }
    }

    fn value(self) -> f32 {
        self
    }
}

/// Half precision.
impl Weight for u16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load_half(from) }
    }

    fn value(self) -> f32 {
        widen(self)
    }
}

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
pub(super) fn forward<W: Weight>(inputs: usize, x: &[f32], w: &[W], bias: &[f32], y: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    if inputs == 0 {
        return y.chunks_exact_mut(bias.len()).for_each(|y| y.copy_from_slice(bias));
    }
    let outputs = bias.len();
    let batch = y.len() / outputs;
    // Tasks own outputs, so that each weight is read once; y is turned back at the end.
    scratch::with(y.len(), |turned| {
        let tasks = turned.par_chunks_mut(OUTPUTS * batch).zip(w.par_chunks(OUTPUTS * inputs));
        tasks.for_each(|(turned, w)| rows(inputs, x, w, turned));
        turn_back(turned, outputs, Some(bias), y);
    });
}

/// `turned[o, b] = sum_i w[o, i] x[b, i]`.
fn rows<W: Weight>(inputs: usize, x: &[f32], w: &[W], turned: &mut [f32]) {
    // SAFETY: a set of instructions is only current on a machine that has it.
    unsafe {
        match Isa::current() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::avx512(inputs, x, w, turned),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::avx2(inputs, x, w, turned),
            _ => rows_by::<Four, W>(inputs, x, w, turned),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Weight, rows_by};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn avx2<W: Weight>(inputs: usize, x: &[f32], w: &[W], turned: &mut [f32]) {
        // SAFETY: promised by the caller.
        unsafe { rows_by::<__m256, W>(inputs, x, w, turned) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512<W: Weight>(inputs: usize, x: &[f32], w: &[W], turned: &mut [f32]) {
        // SAFETY: promised by the caller.
        unsafe { rows_by::<__m512, W>(inputs, x, w, turned) }
    }
}

/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn rows_by<V: Vector, W: Weight>(inputs: usize, x: &[f32], w: &[W], turned: &mut [f32]) {
    let batch = x.len() / inputs;
    let outputs = turned.len() / batch;
    assert!(w.len() >= outputs * inputs);
    for first in (0..outputs).step_by(TOGETHER) {
        // The last few are read several times over, so that there is one path.
        let row = |o: usize| &w[(first + o).min(outputs - 1) * inputs..][..inputs];
        let w: [&[W]; TOGETHER] = std::array::from_fn(row);
        for (b, x) in x.chunks_exact(inputs).enumerate() {
            // SAFETY: promised by the caller.
            let sums = unsafe { dots::<V, W>(w, x) };
            for (o, sum) in (first..outputs).zip(sums) {
                turned[o * batch + b] = sum;
            }
        }
    }
}

/// `sum_i w[o, i] x[i]` for some `o`, in an order that the length decides.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn dots<V: Vector, W: Weight>(w: [&[W]; TOGETHER], x: &[f32]) -> [f32; TOGETHER] {
    let step = SUMS * V::LANES;
    let whole = x.len() / step * step;
    assert!(w.iter().all(|w| w.len() == x.len()));
    // SAFETY: every vector lies in the first `whole` values of its slice; the lanes have room in the array.
    unsafe {
        let mut sums = [[V::splat(0.0); SUMS]; TOGETHER];
        for at in (0..whole).step_by(step) {
            let x: [V; SUMS] = std::array::from_fn(|i| V::load(x.as_ptr().add(at + i * V::LANES)));
            for (sums, w) in sums.iter_mut().zip(w) {
                for i in 0..SUMS {
                    sums[i] = W::load::<V>(w.as_ptr().add(at + i * V::LANES)).mul_add(x[i], sums[i]);
                }
            }
        }
        let mut found = [0.0; TOGETHER];
        for ((found, sums), w) in found.iter_mut().zip(sums).zip(w) {
            let mut lanes = [0.0; 16];
            sums[0].add(sums[1]).store(lanes.as_mut_ptr());
            let rest: f32 = w[whole..].iter().zip(&x[whole..]).map(|(w, x)| w.value() * x).sum();
            *found = lanes.iter().sum::<f32>() + rest;
        }
        found
    }
}
