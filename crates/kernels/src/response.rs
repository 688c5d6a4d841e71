//! The two response normalizations, for any neighborhood (paper, section 3.3).
//!
//! With `s = k + alpha sum x^2` over a neighborhood, `y = x s^-beta`. For the gradient,
//! `dx = dy s^-beta - 2 alpha beta x sum dy x s^(-beta - 1)`, summed over the elements whose neighborhood contains this
//! one: the same neighborhood, mirrored.

use crate::geometry::{NormGeometry, Normalization, Reach};
use crate::isa::multiversioned;
use crate::scratch;
use crate::slices::check_len;
use rayon::prelude::*;

/// Sums `values` over the neighborhood of each element.
pub(crate) type SumNeighbors = fn(&NormGeometry, values: &[f32], Reach, sums: &mut [f32]);

/// `y = x (k + alpha sum x^2)^-beta`, in parallel over blocks that contain whole neighborhoods.
pub(crate) fn forward(
    g: &NormGeometry,
    batch: usize,
    x: &[f32],
    y: &mut [f32],
    block: usize,
    sum: SumNeighbors,
) {
    check_len!(x, batch, g.maps.len());
    check_len!(y, batch, g.maps.len());
    x.par_chunks(block.max(1)).zip(y.par_chunks_mut(block.max(1))).for_each(|(x, y)| {
        scratch::with(x.len(), |s| forward_block(g, x, s, sum, y));
    });
}

/// The gradient of [`forward`], from `x` alone.
pub(crate) fn backward(
    g: &NormGeometry,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    block: usize,
    sum: SumNeighbors,
) {
    check_len!(x, batch, g.maps.len());
    check_len!(dy, batch, g.maps.len());
    check_len!(dx, batch, g.maps.len());
    let block = block.max(1);
    let blocks = x.par_chunks(block).zip(dy.par_chunks(block)).zip(dx.par_chunks_mut(block));
    blocks.for_each(|((x, dy), dx)| {
        scratch::with(2 * x.len(), |buffer| {
            let (s, products) = buffer.split_at_mut(x.len());
            backward_block(g, x, dy, s, products, sum, dx);
        });
    });
}

multiversioned! {
    fn forward_block(g: &NormGeometry, x: &[f32], s: &mut [f32], sum: SumNeighbors, y: &mut [f32]) {
        square(x, y);
        sum(g, y, g.constants.reach(), s);
        scale(&g.constants, x, s, y);
    }

    fn backward_block(
        g: &NormGeometry,
        x: &[f32],
        dy: &[f32],
        s: &mut [f32],
        products: &mut [f32],
        sum: SumNeighbors,
        dx: &mut [f32],
    ) {
        let reach = g.constants.reach();
        square(x, dx);
        sum(g, dx, reach, s);
        backward_scale(&g.constants, x, dy, s, products, dx);
        sum(g, products, reach.mirrored(), s);
        backward_subtract(&g.constants, x, s, dx);
    }
}

/// `squares = x^2`. Like the functions below, for code that is compiled for several instruction sets.
#[inline(always)]
pub(crate) fn square(x: &[f32], squares: &mut [f32]) {
    for (square, x) in squares.iter_mut().zip(x) {
        *square = x * x;
    }
}

/// `y = x s^-beta`, where `sums` are the sums of squares.
#[inline(always)]
pub(crate) fn scale(constants: &Normalization, x: &[f32], sums: &[f32], y: &mut [f32]) {
    let (alpha, k) = (constants.alpha as f32, constants.k as f32);
    let triples = y.iter_mut().zip(x).zip(sums);
    if constants.beta == 0.75 {
        triples.for_each(|((y, x), sum)| *y = x * power_of_three_quarters(k + alpha * sum));
    } else {
        let beta = constants.beta as f32;
        triples.for_each(|((y, x), sum)| *y = x * (k + alpha * sum).powf(-beta));
    }
}

/// `dx = dy s^-beta` and `products = dy x s^(-beta - 1)`, where `sums` are the sums of squares.
#[inline(always)]
pub(crate) fn backward_scale(
    constants: &Normalization,
    x: &[f32],
    dy: &[f32],
    sums: &[f32],
    products: &mut [f32],
    dx: &mut [f32],
) {
    let (alpha, k) = (constants.alpha as f32, constants.k as f32);
    let beta = constants.beta as f32;
    if constants.beta == 0.75 {
        for (dx, sum) in dx.iter_mut().zip(sums) {
            *dx = power_of_three_quarters(k + alpha * sum);
        }
    } else {
        for (dx, sum) in dx.iter_mut().zip(sums) {
            *dx = (k + alpha * sum).powf(-beta);
        }
    }
    let inputs = x.iter().zip(dy).zip(sums);
    for (((x, dy), sum), (product, dx)) in inputs.zip(products.iter_mut().zip(dx)) {
        *dx *= dy;
        *product = *dx * x / (k + alpha * sum);
    }
}

/// `dx = dx - 2 alpha beta x sum`.
#[inline(always)]
pub(crate) fn backward_subtract(constants: &Normalization, x: &[f32], sums: &[f32], dx: &mut [f32]) {
    let slope = (2.0 * constants.alpha * constants.beta) as f32;
    for ((dx, x), sum) in dx.iter_mut().zip(x).zip(sums) {
        *dx -= slope * x * sum;
    }
}

/// `s^(-3/4)`, the paper's exponent, from square roots, which are vector instructions; `powf` is a call.
#[inline(always)]
fn power_of_three_quarters(s: f32) -> f32 {
    let root = s.sqrt();
    1.0 / (root * root.sqrt())
}
