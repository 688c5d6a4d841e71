//! Local response normalisation across maps (paper, section 3.3), in each group (column) by itself:
//!
//! `y[c] = x[c] s[c]^-beta`, `s[c] = k + alpha sum_j x[j]^2`, `j` from `c - size / 2`, `size` maps, cut at the
//! group's edges.
//!
//! The backward pass saves nothing from the forward one: with `t[j] = dy[j] x[j] s[j]^(-beta - 1)`,
//! `dx[c] = dy[c] s[c]^-beta - 2 alpha beta x[c] sum_j t[j]`, summed over the `j` whose windows hold `c`.

pub mod reference;

use crate::geometry::{NormGeometry, Normalisation};
use crate::isa::multiversioned;
use crate::{GRAIN, check_len};
use rayon::prelude::*;

/// `y` from `x`, both `[batch, h, w, c]`.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.maps.len());
    check_len!(y, batch * g.maps.len());
    let column = g.maps.channels / g.groups;
    let chunk = chunk(column);
    x.par_chunks(chunk).zip(y.par_chunks_mut(chunk)).for_each(|(x, y)| {
        let mut powers = vec![0.0; column];
        forward_columns(&g.constants, x, y, &mut powers);
    });
}

/// `dx` from `x` and `dy`, all `[batch, h, w, c]`.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    check_len!(x, batch * g.maps.len());
    check_len!(dy, batch * g.maps.len());
    check_len!(dx, batch * g.maps.len());
    let column = g.maps.channels / g.groups;
    let chunk = chunk(column);
    x.par_chunks(chunk).zip(dy.par_chunks(chunk)).zip(dx.par_chunks_mut(chunk)).for_each(|((x, dy), dx)| {
        let mut scratch = vec![0.0; 3 * column];
        let (bases, rest) = scratch.split_at_mut(column);
        let (powers, terms) = rest.split_at_mut(column);
        backward_columns(&g.constants, x, dy, dx, bases, powers, terms);
    });
}

/// Values that one task takes: whole columns.
fn chunk(column: usize) -> usize {
    (GRAIN / column).max(1) * column
}

multiversioned! {
    /// Each `powers.len()` values of `x` are the maps of one column at one pixel.
    fn forward_columns(constants: &Normalisation, x: &[f32], y: &mut [f32], powers: &mut [f32]) {
        let column = powers.len();
        for (x, y) in x.chunks_exact(column).zip(y.chunks_exact_mut(column)) {
            bases(constants, x, powers);
            to_powers(powers, constants.beta);
            for ((y, x), power) in y.iter_mut().zip(x).zip(&*powers) {
                *y = x * power;
            }
        }
    }

    /// As [`forward_columns`].
    fn backward_columns(
        constants: &Normalisation,
        x: &[f32],
        dy: &[f32],
        dx: &mut [f32],
        bases_: &mut [f32],
        powers: &mut [f32],
        terms: &mut [f32],
    ) {
        let column = powers.len();
        let Normalisation { size, alpha, beta, .. } = *constants;
        let factor = (2.0 * alpha * beta) as f32;
        let columns = x.chunks_exact(column).zip(dy.chunks_exact(column)).zip(dx.chunks_exact_mut(column));
        for ((x, dy), dx) in columns {
            bases(constants, x, bases_);
            powers.copy_from_slice(bases_);
            to_powers(powers, beta);
            for c in 0..column {
                terms[c] = dy[c] * x[c] * powers[c] / bases_[c];
            }
            // The windows that hold c begin where c's own window, mirrored, does.
            dx.fill(0.0);
            window_sums(terms, (size - 1) - size / 2, size, dx);
            for c in 0..column {
                dx[c] = dy[c] * powers[c] - factor * x[c] * dx[c];
            }
        }
    }
}

/// `s[c] = k + alpha sum x^2` for the maps of one column.
#[inline(always)]
fn bases(constants: &Normalisation, x: &[f32], s: &mut [f32]) {
    let (alpha, k) = (constants.alpha as f32, constants.k as f32);
    s.fill(0.0);
    let before = constants.size / 2;
    shifted(x.len(), before, constants.size, |to, from, len| {
        for (s, x) in s[to..to + len].iter_mut().zip(&x[from..from + len]) {
            *s += x * x;
        }
    });
    s.iter_mut().for_each(|s| *s = k + alpha * *s);
}

/// `sums[c] += sum_j values[j]`, `j` from `c - before`, `size` of them, cut at the edges.
#[inline(always)]
fn window_sums(values: &[f32], before: usize, size: usize, sums: &mut [f32]) {
    shifted(values.len(), before, size, |to, from, len| {
        for (sum, value) in sums[to..to + len].iter_mut().zip(&values[from..from + len]) {
            *sum += value;
        }
    });
}

/// Calls `add(to, from, len)` for each shift of a window over `column` values: value `from + i` enters sum `to + i`.
///
/// Shift by shift, each is one contiguous loop, which the compiler turns into vectors.
#[inline(always)]
fn shifted(column: usize, before: usize, size: usize, mut add: impl FnMut(usize, usize, usize)) {
    for shift in 0..size {
        let (to, from) = (before.saturating_sub(shift), shift.saturating_sub(before));
        if to.max(from) < column {
            add(to, from, column - to.max(from));
        }
    }
}

/// `s^-beta` in place. The paper's 0.75 is two square roots.
#[inline(always)]
fn to_powers(s: &mut [f32], beta: f64) {
    if beta == 0.75 {
        s.iter_mut().for_each(|s| *s = 1.0 / (s.sqrt() * s.sqrt().sqrt()));
    } else {
        let beta = -beta as f32;
        s.iter_mut().for_each(|s| *s = s.powf(beta));
    }
}
