//! Normalization within maps, written as its definition.

use crate::geometry::{Maps, NormGeometry, Reach};
use crate::real::Real;

/// The elements of one image in the sum of element `i`: the pixels around it in its map, in row-major order.
fn neighbors(g: &NormGeometry, i: usize) -> impl Iterator<Item = usize> {
    let Maps { height, width, channels } = g.maps;
    let Reach { before, after } = g.constants.reach();
    let (y, x, c) = (i / channels / width, i / channels % width, i % channels);
    let rows = y.saturating_sub(before)..(y + after + 1).min(height);
    let columns = x.saturating_sub(before)..(x + after + 1).min(width);
    rows.flat_map(move |y| columns.clone().map(move |x| (y * width + x) * channels + c))
}

/// `s = k + alpha sum x^2` of every element of an image.
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
    let len = g.maps.len();
    for image in 0..batch {
        let x = &x[image * len..][..len];
        let s = denominators(g, x);
        for i in 0..len {
            y[image * len + i] = x[i] * s[i].powf(-beta);
        }
    }
}

/// `dx_i = dy_i s_i^-beta - 2 alpha beta x_i sum dy_j x_j s_j^(-beta - 1)` over the elements `j` that have `i` as a
/// neighbor.
pub fn backward<T: Real>(g: &NormGeometry, batch: usize, x: &[T], dy: &[T], dx: &mut [T]) {
    let beta = T::from_f64(g.constants.beta);
    let slope = T::from_f64(2.0 * g.constants.alpha * g.constants.beta);
    let len = g.maps.len();
    for image in 0..batch {
        let (x, dy) = (&x[image * len..][..len], &dy[image * len..][..len]);
        let s = denominators(g, x);
        let mut sums = vec![T::ZERO; len];
        for j in 0..len {
            for i in neighbors(g, j) {
                sums[i] += dy[j] * x[j] * s[j].powf(-beta - T::ONE);
            }
        }
        for i in 0..len {
            dx[image * len + i] = dy[i] * s[i].powf(-beta) - slope * x[i] * sums[i];
        }
    }
}
