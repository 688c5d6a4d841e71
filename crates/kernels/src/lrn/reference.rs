//! Normalization across maps, written as its definition.

use crate::geometry::{NormGeometry, Reach};
use crate::real::Real;
use std::ops::Range;

/// The maps in the sum of map `i`, cut off at the edges of its group.
fn neighbors(g: &NormGeometry, i: usize) -> Range<usize> {
    let Reach { before, after } = g.constants.reach();
    let width = g.maps.channels / g.groups;
    let edge = i / width * width;
    i.saturating_sub(before).max(edge)..(i + after + 1).min(edge + width)
}

/// `s = k + alpha sum x^2` of every map of a pixel.
fn denominators<T: Real>(g: &NormGeometry, x: &[T]) -> Vec<T> {
    let denominator = |i| {
        let mut sum = T::ZERO;
        for j in neighbors(g, i) {
            sum += x[j] * x[j];
        }
        T::from_f64(g.constants.k) + T::from_f64(g.constants.alpha) * sum
    };
    (0..x.len()).map(denominator).collect()
}

/// `y_i = x_i s_i^-beta`.
pub fn forward<T: Real>(g: &NormGeometry, batch: usize, x: &[T], y: &mut [T]) {
    let beta = T::from_f64(g.constants.beta);
    let channels = g.maps.channels;
    for pixel in 0..batch * g.maps.pixels() {
        let at = pixel * channels;
        let x = &x[at..at + channels];
        let s = denominators(g, x);
        for i in 0..channels {
            y[at + i] = x[i] * s[i].powf(-beta);
        }
    }
}

/// `dx_i = dy_i s_i^-beta - 2 alpha beta x_i sum dy_j x_j s_j^(-beta - 1)` over the maps `j` that have `i` as a
/// neighbor.
pub fn backward<T: Real>(g: &NormGeometry, batch: usize, x: &[T], dy: &[T], dx: &mut [T]) {
    let beta = T::from_f64(g.constants.beta);
    let slope = T::from_f64(2.0 * g.constants.alpha * g.constants.beta);
    let channels = g.maps.channels;
    for pixel in 0..batch * g.maps.pixels() {
        let at = pixel * channels;
        let (x, dy, dx) = (&x[at..at + channels], &dy[at..at + channels], &mut dx[at..at + channels]);
        let s = denominators(g, x);
        let mut sums = vec![T::ZERO; channels];
        for j in 0..channels {
            for i in neighbors(g, j) {
                sums[i] += dy[j] * x[j] * s[j].powf(-beta - T::ONE);
            }
        }
        for i in 0..channels {
            dx[i] = dy[i] * s[i].powf(-beta) - slope * x[i] * sums[i];
        }
    }
}
