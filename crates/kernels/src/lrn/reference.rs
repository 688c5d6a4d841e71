//! Response normalisation as its formula reads.

use crate::geometry::NormGeometry;
use crate::real::Real;

/// Calls `visit` with every element of the sum of element `i`: neighbouring maps of the same column.
fn window(g: &NormGeometry, i: usize, mut visit: impl FnMut(usize)) {
    let column = g.maps.channels / g.groups;
    let c = i % column;
    let start = c.saturating_sub(g.constants.size / 2);
    let end = (c + g.constants.size - g.constants.size / 2).min(column);
    (start..end).for_each(|other| visit(i - c + other));
}

/// The denominators' bases: `k + alpha * sum a^2`.
fn bases<T: Real>(g: &NormGeometry, x: &[T]) -> Vec<T> {
    let base = |i: usize| {
        let mut sum = T::ZERO;
        window(g, i, |j| sum += x[j] * x[j]);
        T::from_f64(g.constants.k) + T::from_f64(g.constants.alpha) * sum
    };
    (0..x.len()).map(base).collect()
}

/// See [`super::forward`].
pub fn forward<T: Real>(g: &NormGeometry, batch: usize, x: &[T], y: &mut [T]) {
    let beta = T::from_f64(g.constants.beta);
    for b in 0..batch {
        let x = &x[b * g.maps.len()..][..g.maps.len()];
        let y = &mut y[b * g.maps.len()..][..g.maps.len()];
        for (i, base) in bases(g, x).into_iter().enumerate() {
            y[i] = x[i] * base.powf(-beta);
        }
    }
}

/// See [`super::backward`].
pub fn backward<T: Real>(g: &NormGeometry, batch: usize, x: &[T], dy: &[T], dx: &mut [T]) {
    let (alpha, beta) = (T::from_f64(g.constants.alpha), T::from_f64(g.constants.beta));
    let two = T::from_f64(2.0);
    for b in 0..batch {
        let x = &x[b * g.maps.len()..][..g.maps.len()];
        let dy = &dy[b * g.maps.len()..][..g.maps.len()];
        let dx = &mut dx[b * g.maps.len()..][..g.maps.len()];
        let bases = bases(g, x);
        for i in 0..x.len() {
            dx[i] = dy[i] * bases[i].powf(-beta);
        }
        for i in 0..x.len() {
            let common = two * alpha * beta * dy[i] * x[i] * bases[i].powf(-beta - T::ONE);
            window(g, i, |j| dx[j] -= common * x[j]);
        }
    }
}
