//! Convolution as its formula reads.

use crate::geometry::ConvGeometry;
use crate::real::Real;

/// Calls `visit(input, tap weight, output, output pixel)` with the indices of every product in one image.
pub(crate) fn products(g: &ConvGeometry, mut visit: impl FnMut(usize, usize, usize, usize)) {
    let (window, inputs, outputs) = (g.window, g.group_inputs(), g.group_outputs());
    for oy in 0..g.output.height {
        for ox in 0..g.output.width {
            for ky in 0..window.kernel {
                for kx in 0..window.kernel {
                    let (y, x) = (oy * window.stride + ky, ox * window.stride + kx);
                    let inside = |place: usize, size| place >= window.pad && place - window.pad < size;
                    if !inside(y, g.input.height) || !inside(x, g.input.width) {
                        continue;
                    }
                    let source = ((y - window.pad) * g.input.width + x - window.pad) * g.input.channels;
                    for c in 0..g.input.channels {
                        let group = c / inputs;
                        for o in 0..outputs {
                            let tap = (group * window.kernel + ky) * window.kernel + kx;
                            let weight = (tap * inputs + c % inputs) * outputs + o;
                            let pixel = oy * g.output.width + ox;
                            visit(source + c, weight, pixel * g.output.channels + group * outputs + o, pixel);
                        }
                    }
                }
            }
        }
    }
}

/// See [`super::forward`].
pub fn forward<T: Real>(g: &ConvGeometry, batch: usize, x: &[T], w: &[T], bias: &[T], y: &mut [T]) {
    for b in 0..batch {
        let x = &x[b * g.input.len()..][..g.input.len()];
        let y = &mut y[b * g.output.len()..][..g.output.len()];
        for (i, y) in y.iter_mut().enumerate() {
            *y = bias[i % g.output.channels];
        }
        products(g, |i, k, o, _| y[o] += w[k] * x[i]);
    }
}

/// See [`super::backward_input`].
pub fn backward_input<T: Real>(g: &ConvGeometry, batch: usize, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for b in 0..batch {
        let dy = &dy[b * g.output.len()..][..g.output.len()];
        let dx = &mut dx[b * g.input.len()..][..g.input.len()];
        products(g, |i, k, o, _| dx[i] += w[k] * dy[o]);
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
        products(g, |i, k, o, _| dw[k] += x[i] * dy[o]);
        for (i, &dy) in dy.iter().enumerate() {
            dbias[i % g.output.channels] += dy;
        }
    }
}
