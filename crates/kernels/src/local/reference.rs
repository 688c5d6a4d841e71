//! Locally connected layers as their formula reads.

use crate::conv::reference::products;
use crate::geometry::ConvGeometry;
use crate::real::Real;

/// See [`super::forward`].
pub fn forward<T: Real>(g: &ConvGeometry, batch: usize, x: &[T], w: &[T], bias: &[T], y: &mut [T]) {
    for b in 0..batch {
        let x = &x[b * g.input.len()..][..g.input.len()];
        let y = &mut y[b * g.output.len()..][..g.output.len()];
        y.copy_from_slice(bias);
        products(g, |i, k, o, pixel| y[o] += w[pixel * g.weights() + k] * x[i]);
    }
}

/// See [`super::backward_input`].
pub fn backward_input<T: Real>(g: &ConvGeometry, batch: usize, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for b in 0..batch {
        let dy = &dy[b * g.output.len()..][..g.output.len()];
        let dx = &mut dx[b * g.input.len()..][..g.input.len()];
        products(g, |i, k, o, pixel| dx[i] += w[pixel * g.weights() + k] * dy[o]);
    }
}

/// See [`super::backward_weights`].
pub fn backward_weights<T: Real>(
    g: &ConvGeometry,
    batch: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    dbias: &mut [T],
) {
    dw.fill(T::ZERO);
    dbias.fill(T::ZERO);
    for b in 0..batch {
        let x = &x[b * g.input.len()..][..g.input.len()];
        let dy = &dy[b * g.output.len()..][..g.output.len()];
        products(g, |i, k, o, pixel| dw[pixel * g.weights() + k] += x[i] * dy[o]);
        dbias.iter_mut().zip(dy).for_each(|(sum, &dy)| *sum += dy);
    }
}
