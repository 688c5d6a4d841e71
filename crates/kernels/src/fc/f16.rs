//! Weights in half precision as the left operand of a product: `a[o, i] = w[o, i]`, converted while packing.

use crate::f16::widen;
use crate::gemm::{Operand, interleave};
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
                        true => widen(&self.values[row * self.inputs..][depth.clone()], wide),
                        false => wide.fill(0.0),
                    }
                }
                interleave(width, |i| &wide[i * len..][..len], panel);
            }
        });
    }
}
