//! Fully connected layers whose weights are kept in half precision. All arithmetic is in single precision.

use crate::gemm::{Operand, interleave};
use crate::half::widen;
use crate::isa::Isa;
use crate::scratch;
use rayon::prelude::*;
use std::ops::Range;

/// Outputs that a task computes.
const OUTPUTS: usize = 32;

/// Weights `[outputs, inputs]`, as the left operand of a product: widened where they are packed.
pub(super) struct Halves<'a> {
    pub(super) values: &'a [u16],
    pub(super) inputs: usize,
}

impl Operand for Halves<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len();
        scratch::with(width * len, |wide| {
            for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
                for (row, wide) in (start..start + width).zip(wide.chunks_exact_mut(len)) {
                    match row < rows.end {
                        true => widen_all(&self.values[row * self.inputs..][depth.clone()], wide),
                        false => wide.fill(0.0),
                    }
                }
                interleave(width, |i| &wide[i * len..][..len], panel);
            }
        });
    }
}

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]` for a few images, at the speed of memory.
pub(super) fn forward(inputs: usize, x: &[f32], w: &[u16], bias: &[f32], y: &mut [f32]) {
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
        tasks.for_each(|(turned, w)| {
            for (sums, w) in turned.chunks_exact_mut(batch).zip(w.chunks_exact(inputs)) {
                for (sum, x) in sums.iter_mut().zip(x.chunks_exact(inputs)) {
                    *sum = dot(w, x);
                }
            }
        });
        for (b, y) in y.chunks_exact_mut(outputs).enumerate() {
            for (o, (y, bias)) in y.iter_mut().zip(bias).enumerate() {
                *y = bias + turned[o * batch + b];
            }
        }
    });
}

/// `sum_i w[i] x[i]`.
fn dot(w: &[u16], x: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if Isa::current() >= Isa::Avx2 {
        // SAFETY: this set is only current on a machine that has it.
        return unsafe { x86::dot(w, x) };
    }
    w.iter().zip(x).map(|(&w, x)| widen(w) * x).sum()
}

fn widen_all(halves: &[u16], wide: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if Isa::current() >= Isa::Avx2 {
        // SAFETY: this set is only current on a machine that has it.
        return unsafe { x86::widen_all(halves, wide) };
    }
    halves.iter().zip(wide).for_each(|(&half, wide)| *wide = widen(half));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::half::widen;
    use std::arch::x86_64::*;

    /// Registers of partial sums: enough to hide the latency of a multiply-add.
    const SUMS: usize = 4;

    /// # Safety
    /// The machine has the instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn dot(w: &[u16], x: &[f32]) -> f32 {
        let (w_blocks, w_rest) = w.as_chunks::<{ 8 * SUMS }>();
        let (x_blocks, x_rest) = x.as_chunks::<{ 8 * SUMS }>();
        let mut sums = [_mm256_setzero_ps(); SUMS];
        for (w, x) in w_blocks.iter().zip(x_blocks) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the `i`-th eight of the block's values.
                let (w, x) = unsafe {
                    let w = _mm_loadu_si128(w.as_ptr().add(8 * i).cast());
                    (_mm256_cvtph_ps(w), _mm256_loadu_ps(x.as_ptr().add(8 * i)))
                };
                *sum = _mm256_fmadd_ps(w, x, *sum);
            }
        }
        let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
        let mut lanes = [0.0; 8];
        // SAFETY: there is room for eight.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
        let rest: f32 = w_rest.iter().zip(x_rest).map(|(&w, x)| widen(w) * x).sum();
        lanes.iter().sum::<f32>() + rest
    }

    /// # Safety
    /// The machine has the instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn widen_all(halves: &[u16], wide: &mut [f32]) {
        let (blocks, rest) = halves.as_chunks::<8>();
        let (wide_blocks, wide_rest) = wide.as_chunks_mut::<8>();
        for (halves, wide) in blocks.iter().zip(wide_blocks) {
            // SAFETY: eight values on either side.
            unsafe {
                let values = _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast()));
                _mm256_storeu_ps(wide.as_mut_ptr(), values);
            }
        }
        rest.iter().zip(wide_rest).for_each(|(&half, wide)| *wide = widen(half));
    }
}
