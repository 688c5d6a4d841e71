//! Response normalisation within each map (cuda-convnet's `rnorm`):
//!
//! `y[p] = x[p] s[p]^-beta`, `s[p] = k + alpha sum_q x[q]^2` over the `size x size` pixels `q` of the same map that
//! begin `size / 2` above and to the left of `p`, cut at the map's edges.
//!
//! The backward pass is that of [`crate::lrn`], its windows lying over pixels instead of maps.

pub mod reference;

use crate::check_len;
use crate::geometry::{Maps, NormGeometry};
use crate::isa::multiversioned;
use rayon::prelude::*;

/// `y` from `x`, both `[batch, h, w, c]`.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.maps.len());
    check_len!(y, batch * g.maps.len());
    x.par_chunks(g.maps.len()).zip(y.par_chunks_mut(g.maps.len())).for_each(|(x, y)| {
        let mut bases = vec![0.0; x.len()];
        window_bases(g, x, &mut bases);
        scale(g.constants.beta, x, &bases, y);
    });
}

/// `dx` from `x` and `dy`, all `[batch, h, w, c]`.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    check_len!(x, batch * g.maps.len());
    check_len!(dy, batch * g.maps.len());
    check_len!(dx, batch * g.maps.len());
    let n = g.maps.len();
    x.par_chunks(n).zip(dy.par_chunks(n)).zip(dx.par_chunks_mut(n)).for_each(|((x, dy), dx)| {
        let (mut bases, mut terms) = (vec![0.0; n], vec![0.0; n]);
        window_bases(g, x, &mut bases);
        scale(g.constants.beta, dy, &bases, dx);
        for i in 0..n {
            terms[i] = dx[i] * x[i] / bases[i];
        }
        // The windows that hold a pixel begin where its own window, mirrored, does.
        let size = g.constants.size;
        let mut sums = bases;
        sums.fill(0.0);
        window_sums(g.maps, (size - 1) - size / 2, size, &terms, &mut sums);
        let factor = (2.0 * g.constants.alpha * g.constants.beta) as f32;
        for i in 0..n {
            dx[i] -= factor * x[i] * sums[i];
        }
    });
}

/// `s[p] = k + alpha sum x^2`.
fn window_bases(g: &NormGeometry, x: &[f32], s: &mut [f32]) {
    let squares: Vec<f32> = x.iter().map(|x| x * x).collect();
    let (size, alpha, k) = (g.constants.size, g.constants.alpha as f32, g.constants.k as f32);
    s.fill(0.0);
    window_sums(g.maps, size / 2, size, &squares, s);
    s.iter_mut().for_each(|s| *s = k + alpha * *s);
}

multiversioned! {
    /// `sums[p] += sum_q values[q]` over the `size x size` pixels from `before` above and to the left of `p`.
    fn window_sums(maps: Maps, before: usize, size: usize, values: &[f32], sums: &mut [f32]) {
        let channels = maps.channels;
        for y in 0..maps.height {
            for x in 0..maps.width {
                let sums = &mut sums[(y * maps.width + x) * channels..][..channels];
                for from_y in y.saturating_sub(before)..(y + size - before).min(maps.height) {
                    for from_x in x.saturating_sub(before)..(x + size - before).min(maps.width) {
                        let values = &values[(from_y * maps.width + from_x) * channels..][..channels];
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum += value;
                        }
                    }
                }
            }
        }
    }

    /// `y = x s^-beta`. The paper's 0.75 is two square roots.
    fn scale(beta: f64, x: &[f32], s: &[f32], y: &mut [f32]) {
        if beta == 0.75 {
            for ((y, x), s) in y.iter_mut().zip(x).zip(s) {
                *y = x / (s.sqrt() * s.sqrt().sqrt());
            }
        } else {
            for ((y, x), s) in y.iter_mut().zip(x).zip(s) {
                *y = x * s.powf(-beta as f32);
            }
        }
    }
}
