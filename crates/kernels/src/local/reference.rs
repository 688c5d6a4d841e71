//! The locally connected layer, written as its definition: the connections of a convolution, each with its own weight.

use crate::conv::reference::{Connection, connections};
use crate::geometry::ConvGeometry;
use crate::real::Real;
use crate::slices::check_len;

/// Calls `visit` for every connection.
pub fn local_connections(g: &ConvGeometry, batch: usize, mut visit: impl FnMut(Connection)) {
    connections(g, batch, |at| {
        let pixel = at.output % g.output.len() / g.output.channels;
        visit(Connection { weight: pixel * g.weights() + at.weight, ..at });
    });
}

/// `y[b, oy, ox, o] = bias[oy, ox, o] + sum w x` over the connections of the output.
pub fn forward<T: Real>(g: &ConvGeometry, batch: usize, x: &[T], w: &[T], bias: &[T], y: &mut [T]) {
    check_len!(bias, g.output.len());
    for (i, y) in y.iter_mut().enumerate() {
        *y = bias[i % bias.len()];
    }
    local_connections(g, batch, |at| y[at.output] += w[at.weight] * x[at.input]);
}

/// `dx[b, iy, ix, i] = sum w dy` over the connections of the input.
pub fn backward_input<T: Real>(g: &ConvGeometry, batch: usize, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    local_connections(g, batch, |at| dx[at.input] += w[at.weight] * dy[at.output]);
}

/// `dw = sum x dy` over the connections of the weight; `dbias[oy, ox, o] = sum dy[b, oy, ox, o]`.
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
    local_connections(g, batch, |at| dw[at.weight] += x[at.input] * dy[at.output]);
    for (i, &dy) in dy.iter().enumerate() {
        dbias[i % g.output.len()] += dy;
    }
}
