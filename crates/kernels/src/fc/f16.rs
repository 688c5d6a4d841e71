//! Weights in half precision as the left operand of a product: `a[o, i] = w[o, i]`, converted while packing.

use crate::f16::to_f32;
use crate::gemm::{Operand, interleave};
use crate::isa::Isa;
use crate::scratch;
use std::ops::Range;

/// Weights `[outputs, inputs]` in half precision.
pub(super) struct F16Weights<'a> {
    pub(super) values: &'a [u16],
    pub(super) inputs: usize,
}

impl Operand for F16Weights<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len();
        scratch::with(width * len, |wide| {
            for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
                for (row, wide) in (start..start + width).zip(wide.chunks_exact_mut(len)) {
                    match row < rows.end {
                        true => convert(&self.values[row * self.inputs..][depth.clone()], wide),
                        false => wide.fill(0.0),
                    }
                }
                interleave(width, |i| &wide[i * len..][..len], panel);
            }
        });
    }
}

fn convert(halves: &[u16], wide: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if Isa::current() >= Isa::Avx2 {
        // SAFETY: `current` only returns sets that the machine supports.
        return unsafe { x86::convert(halves, wide) };
    }
    halves.iter().zip(wide).for_each(|(&half, wide)| *wide = to_f32(half));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::f16::to_f32;
    use std::arch::x86_64::*;

    /// # Safety
    /// The machine supports the instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn convert(halves: &[u16], wide: &mut [f32]) {
        let (blocks, rest) = halves.as_chunks::<8>();
        let (wide_blocks, wide_rest) = wide.as_chunks_mut::<8>();
        for (halves, wide) in blocks.iter().zip(wide_blocks) {
            // SAFETY: eight values on either side.
            unsafe {
                let values = _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast()));
                _mm256_storeu_ps(wide.as_mut_ptr(), values);
            }
        }
        rest.iter().zip(wide_rest).for_each(|(&half, wide)| *wide = to_f32(half));
    }
}
