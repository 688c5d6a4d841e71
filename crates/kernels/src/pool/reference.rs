//! Pooling, written as its definition.

use crate::geometry::PoolGeometry;
use crate::real::Real;

/// Calls `visit(output, inputs)` for every output, with its index and those of the pixels of its window inside the map,
/// in row-major order.
fn windows(g: &PoolGeometry, batch: usize, mut visit: impl FnMut(usize, &[usize])) {
    let channels = g.input.channels;
    let mut inputs = Vec::new();
    for b in 0..batch {
        for oy in 0..g.output.height {
            let rows = g.window.covered(oy, g.input.height);
            for ox in 0..g.output.width {
                let columns = g.window.covered(ox, g.input.width);
                for c in 0..channels {
                    inputs.clear();
                    for iy in rows.clone() {
                        for ix in columns.clone() {
                            inputs.push(((b * g.input.height + iy) * g.input.width + ix) * channels + c);
                        }
                    }
                    visit(((b * g.output.height + oy) * g.output.width + ox) * channels + c, &inputs);
                }
            }
        }
    }
}

/// The index of the largest input: the first of equal ones, or the last NaN.
fn largest<T: Real>(x: &[T], inputs: &[usize]) -> usize {
    let mut best = inputs[0];
    for &i in inputs {
        if x[i] > x[best] || x[i].is_nan() {
            best = i;
        }
    }
    best
}

/// `y = max x` over the window.
pub fn max_forward<T: Real>(g: &PoolGeometry, batch: usize, x: &[T], y: &mut [T]) {
    windows(g, batch, |output, inputs| y[output] = x[largest(x, inputs)]);
}

/// The gradient of an output goes to the first maximum of its window.
pub fn max_backward<T: Real>(g: &PoolGeometry, batch: usize, x: &[T], dy: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    windows(g, batch, |output, inputs| dx[largest(x, inputs)] += dy[output]);
}

/// `y = 1/n sum x` over the `n` pixels of the window that lie inside the map.
pub fn avg_forward<T: Real>(g: &PoolGeometry, batch: usize, x: &[T], y: &mut [T]) {
    windows(g, batch, |output, inputs| {
        let mut sum = T::ZERO;
        for &i in inputs {
            sum += x[i];
        }
        y[output] = sum / T::from_f64(inputs.len() as f64);
    });
}

/// The gradient of an output is divided equally among the pixels of its window.
pub fn avg_backward<T: Real>(g: &PoolGeometry, batch: usize, dy: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    windows(g, batch, |output, inputs| {
        for &i in inputs {
            dx[i] += dy[output] / T::from_f64(inputs.len() as f64);
        }
    });
}
