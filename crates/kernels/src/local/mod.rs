//! Locally connected layers: a convolution whose kernels are not shared between positions (cuda-convnet's `local`):
//! `y[b, p, o] = bias[p, o] + sum_{ky, kx, i} w[p, ky, kx, i, o] x[b, pixel of p under (ky, kx), i]`.
//!
//! `w`: `[oh * ow, groups, k, k, in / groups, out / groups]`, `bias`: `[oh, ow, out]`; the rest as in
//! [`crate::conv`]. Each position and group is a product over the batch.

pub mod reference;

use crate::gemm::{Matrix, Shape, Start, gemm};
use crate::geometry::ConvGeometry;
use crate::isa::multiversioned;
use crate::patches::{Patches, Transposed};
use crate::{check_len, reduce};
use rayon::prelude::*;

/// The layer's output.
pub fn forward(g: &ConvGeometry, batch: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(w, g.local_weights());
    check_len!(bias, g.output.len());
    check_len!(y, batch * g.output.len());
    let (outputs, depth) = (g.group_outputs(), g.depth());
    let shape = Shape { m: batch, n: outputs, k: depth };
    for (pixel, w) in w.chunks_exact(g.weights()).enumerate() {
        for (group, w) in w.chunks_exact(depth * outputs).enumerate() {
            let first = pixel * g.output.channels + group * outputs;
            let patches = Patches::of_input(g, group, x).at_pixel(pixel);
            let start = Start::Row(&bias[first..][..outputs]);
            gemm(shape, &patches, &Matrix::across_rows(w, outputs), start, &mut y[first..], g.output.len());
        }
    }
}

/// `dx`, the gradient by `x`, from `dy`, the gradient by `y`.
pub fn backward_input(g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * g.output.len());
    check_len!(w, g.local_weights());
    check_len!(dx, batch * g.input.len());
    dx.fill(0.0);
    let (outputs, depth) = (g.group_outputs(), g.depth());
    let shape = Shape { m: batch, n: depth, k: outputs };
    let mut patches = vec![0.0; batch * depth];
    for (pixel, w) in w.chunks_exact(g.weights()).enumerate() {
        for (group, w) in w.chunks_exact(depth * outputs).enumerate() {
            let first = pixel * g.output.channels + group * outputs;
            let dy = Matrix::along_rows(&dy[first..], g.output.len());
            gemm(shape, &dy, &Matrix::along_rows(w, outputs), Start::Zero, &mut patches, depth);
            let images = dx.par_chunks_exact_mut(g.input.len()).zip(patches.par_chunks_exact(depth));
            images.for_each(|(dx, patch)| add_patch(g, pixel, group, patch, dx));
        }
    }
}

multiversioned! {
    /// Adds a patch, `[k, k, in / groups]`, to the pixels of one image that it was cut from.
    fn add_patch(g: &ConvGeometry, pixel: usize, group: usize, patch: &[f32], dx: &mut [f32]) {
        let (window, channels) = (g.window, g.group_inputs());
        let (top, left) = (pixel / g.output.width * window.stride, pixel % g.output.width * window.stride);
        let inside = |place: usize, size: usize| place.checked_sub(window.pad).filter(|&place| place < size);
        for (tap, patch) in patch.chunks_exact(channels).enumerate() {
            let y = inside(top + tap / window.kernel, g.input.height);
            let x = inside(left + tap % window.kernel, g.input.width);
            if let (Some(y), Some(x)) = (y, x) {
                let first = (y * g.input.width + x) * g.input.channels + group * channels;
                for (dx, value) in dx[first..first + channels].iter_mut().zip(patch) {
                    *dx += value;
                }
            }
        }
    }
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
    check_len!(dw, g.local_weights());
    check_len!(dbias, g.output.len());
    let (outputs, depth) = (g.group_outputs(), g.depth());
    let shape = Shape { m: depth, n: outputs, k: batch };
    dw.par_chunks_exact_mut(depth * outputs).enumerate().for_each(|(i, dw)| {
        let (pixel, group) = (i / g.groups, i % g.groups);
        let patches = Transposed(Patches::of_input(g, group, x).at_pixel(pixel));
        let dy = Matrix::across_rows(&dy[pixel * g.output.channels + group * outputs..], g.output.len());
        gemm(shape, &patches, &dy, Start::Zero, dw, outputs);
    });
    reduce::sum_rows(dy, dbias);
}
