//! A fully connected layer for a few images: a dot product for each output, at the speed of memory.

use crate::isa::multiversioned;
use crate::scratch;
use rayon::prelude::*;

/// Partial sums of a dot product: enough vectors to hide the latency of an addition.
const LANES: usize = 32;

/// Outputs that a task computes.
const OUTPUTS: usize = 32;

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
pub(super) fn forward(inputs: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
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
        for (b, y) in y.chunks_exact_mut(outputs).enumerate() {
            for (o, (y, bias)) in y.iter_mut().zip(bias).enumerate() {
                *y = bias + turned[o * batch + b];
            }
        }
    });
}

multiversioned! {
    /// `turned[o, b] = sum_i w[o, i] x[b, i]`.
    fn rows(inputs: usize, x: &[f32], w: &[f32], turned: &mut [f32]) {
        let batch = x.len() / inputs;
        for (sums, w) in turned.chunks_exact_mut(batch).zip(w.chunks_exact(inputs)) {
            for (sum, x) in sums.iter_mut().zip(x.chunks_exact(inputs)) {
                *sum = dot(w, x);
            }
        }
    }
}

/// `sum_i a[i] b[i]`, in a fixed order: lane by lane, then the lanes.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = a.as_chunks::<LANES>();
    let (others, other_rest) = b.as_chunks::<LANES>();
    for (a, b) in blocks.iter().zip(others) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(rest).zip(other_rest) {
        *lane += a * b;
    }
    lanes.iter().sum()
}
