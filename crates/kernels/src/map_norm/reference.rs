//! Response normalisation as its formula reads.

use crate::geometry::NormGeometry;
use crate::real::Real;

/// Calls `visit` with every element of the sum of element `i`: neighbouring pixels of the same map.
fn window(g: &NormGeometry, i: usize, mut visit: impl FnMut(usize)) {
    let (size, maps) = (g.constants.size, g.maps);
    let range = |place: usize, end: usize| place.saturating_sub(size / 2)..(place + size - size / 2).min(end);
    let (c, x, y) = (i % maps.channels, i / maps.channels % maps.width, i / maps.channels / maps.width);
    for y in range(y, maps.height) {
        range(x, maps.width).for_each(|x| visit((y * maps.width + x) * maps.channels + c));
    }
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
