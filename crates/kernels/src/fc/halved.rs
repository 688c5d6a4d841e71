//! Weights of fully connected layers in half precision, as an operand of a product.

use crate::gemm::{Operand, interleave};
use crate::half::widen;
use crate::isa::Isa;
use crate::scratch;
use std::ops::Range;

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
