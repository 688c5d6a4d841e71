//! Convolution: `y[b, oy, ox, o] = bias[o] + sum_{ky, kx, i} w[ky, kx, i, o] x[b, oy s + ky - p, ox s + kx - p, i]`,
//! in each group by itself.
//!
//! All three passes are products over patches that are packed on the fly. `x`: `[batch, h, w, in]`; `y`:
//! `[batch, oh, ow, out]`; `w`: `[groups, k, k, in / groups, out / groups]`; `bias`: `[out]`.

pub mod reference;

use crate::gemm::{Matrix, Shape, Start, gemm};
use crate::geometry::ConvGeometry;
use crate::patches::{Patches, Transposed};
use crate::{check_len, reduce};

/// The convolution of a batch.
pub fn forward(g: &ConvGeometry, batch: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(w, g.weights());
    check_len!(bias, g.output.channels);
    check_len!(y, batch * g.output.len());
    let (outputs, depth) = (g.group_outputs(), g.depth());
    let shape = Shape { m: batch * g.output.pixels(), n: outputs, k: depth };
    for group in 0..g.groups {
        let first = group * outputs;
        let patches = Patches::of_input(g, group, x);
        let w = Matrix::across_rows(&w[group * depth * outputs..][..depth * outputs], outputs);
        gemm(shape, &patches, &w, Start::Row(&bias[first..][..outputs]), &mut y[first..], g.output.channels);
    }
}

/// `dx`, the gradient by `x`, from `dy`, the gradient by `y`.
pub fn backward_input(g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * g.output.len());
    check_len!(w, g.weights());
    check_len!(dx, batch * g.input.len());
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    let taps = g.window.kernel * g.window.kernel;
    let shape = Shape { m: batch * g.input.pixels(), n: inputs, k: taps * outputs };
    for group in 0..g.groups {
        let w = transposed(&w[group * g.depth() * outputs..][..g.depth() * outputs], inputs, outputs);
        let patches = Patches::of_output(g, group, dy);
        let first = group * inputs;
        gemm(
            shape,
            &patches,
            &Matrix::across_rows(&w, inputs),
            Start::Zero,
            &mut dx[first..],
            g.input.channels,
        );
    }
}

/// `[taps, inputs, outputs]` to `[taps, outputs, inputs]`.
fn transposed(w: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let tap = |tap: &[f32]| -> Vec<f32> {
        (0..outputs)
            .flat_map(|o| (0..inputs).map(move |i| (i, o)))
            .map(|(i, o)| tap[i * outputs + o])
            .collect()
    };
    w.chunks(inputs * outputs).flat_map(tap).collect()
}

/// `dw` and `dbias`, the gradients by `w` and `bias`, summed over the batch.
pub fn backward_weights(
    g: &ConvGeometry,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
) {
    check_len!(x, batch * g.input.len());
    check_len!(dy, batch * g.output.len());
    check_len!(dw, g.weights());
    check_len!(dbias, g.output.channels);
    let (outputs, depth) = (g.group_outputs(), g.depth());
    let shape = Shape { m: depth, n: outputs, k: batch * g.output.pixels() };
    for (group, dw) in dw.chunks_exact_mut(depth * outputs).enumerate() {
        let patches = Transposed(Patches::of_input(g, group, x));
        let dy = Matrix::across_rows(&dy[group * outputs..], g.output.channels);
        gemm(shape, &patches, &dy, Start::Zero, dw, outputs);
    }
    reduce::sum_rows(dy, dbias);
}
