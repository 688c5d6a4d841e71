//! The convolution, written as its definition: a sum over connections.

use crate::geometry::ConvGeometry;
use crate::real::Real;
use crate::slices::check_len;

/// One connection of a convolution, as indices into inputs, outputs and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Index into `[batch, height, width, channels]` of the input.
    pub input: usize,
    /// Index into `[batch, height, width, channels]` of the output.
    pub output: usize,
    /// Index into `[groups, kernel, kernel, group_inputs, group_outputs]`.
    pub weight: usize,
}

/// Calls `visit` for every connection. Taps outside the map see zero and are skipped.
pub fn connections(g: &ConvGeometry, batch: usize, mut visit: impl FnMut(Connection)) {
    let (kernel, stride, pad) = (g.window.kernel, g.window.stride, g.window.pad);
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    for b in 0..batch {
        for oy in 0..g.output.height {
            let rows = g.window.covered(oy, g.input.height);
            for ox in 0..g.output.width {
                let columns = g.window.covered(ox, g.input.width);
                let output = ((b * g.output.height + oy) * g.output.width + ox) * g.output.channels;
                for iy in rows.clone() {
                    let ky = iy + pad - oy * stride;
                    for ix in columns.clone() {
                        let kx = ix + pad - ox * stride;
                        let input = ((b * g.input.height + iy) * g.input.width + ix) * g.input.channels;
                        for group in 0..g.groups {
                            let tap = (group * kernel + ky) * kernel + kx;
                            for i in 0..inputs {
                                for o in 0..outputs {
                                    visit(Connection {
                                        input: input + group * inputs + i,
                                        output: output + group * outputs + o,
                                        weight: (tap * inputs + i) * outputs + o,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y[b, oy, ox, o] = bias[o] + sum w x` over the connections of the output.
pub fn forward<T: Real>(g: &ConvGeometry, batch: usize, x: &[T], w: &[T], bias: &[T], y: &mut [T]) {
    check_len!(bias, g.output.channels);
    for (i, y) in y.iter_mut().enumerate() {
        *y = bias[i % bias.len()];
    }
    connections(g, batch, |at| y[at.output] += w[at.weight] * x[at.input]);
}

/// `dx[b, iy, ix, i] = sum w dy` over the connections of the input.
pub fn backward_input<T: Real>(g: &ConvGeometry, batch: usize, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    connections(g, batch, |at| dx[at.input] += w[at.weight] * dy[at.output]);
}

/// `dw = sum x dy` over the connections of the weight; `dbias[o] = sum dy[b, oy, ox, o]`.
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
    connections(g, batch, |at| dw[at.weight] += x[at.input] * dy[at.output]);
    for (i, &dy) in dy.iter().enumerate() {
        dbias[i % g.output.channels] += dy;
    }
}
