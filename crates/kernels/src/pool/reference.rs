//! Pooling as its definition reads.

use crate::geometry::PoolGeometry;
use crate::real::Real;

/// Calls `visit(output, inputs of its window)` for every output of one image.
fn windows(g: &PoolGeometry, mut visit: impl FnMut(usize, &[usize])) {
    let mut inputs = Vec::new();
    for oy in 0..g.output.height {
        for ox in 0..g.output.width {
            for c in 0..g.output.channels {
                inputs.clear();
                let (top, bottom) = g.window.covers(oy, g.input.height);
                let (left, right) = g.window.covers(ox, g.input.width);
                for y in top..bottom {
                    inputs.extend((left..right).map(|x| (y * g.input.width + x) * g.input.channels + c));
                }
                visit((oy * g.output.width + ox) * g.output.channels + c, &inputs);
            }
        }
    }
}

/// The first of the largest; a NaN is larger than anything.
fn largest<T: Real>(x: &[T], inputs: &[usize]) -> usize {
    let mut best = inputs[0];
    for &i in inputs {
        if x[i] > x[best] || (x[i].is_nan() && !x[best].is_nan()) {
            best = i;
        }
    }
    best
}

/// Max.
pub fn max_forward<T: Real>(g: &PoolGeometry, batch: usize, x: &[T], y: &mut [T]) {
    for b in 0..batch {
        let x = &x[b * g.input.len()..][..g.input.len()];
        let y = &mut y[b * g.output.len()..][..g.output.len()];
        windows(g, |o, inputs| y[o] = x[largest(x, inputs)]);
    }
}

/// Max.
pub fn max_backward<T: Real>(g: &PoolGeometry, batch: usize, x: &[T], dy: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for b in 0..batch {
        let x = &x[b * g.input.len()..][..g.input.len()];
        let dy = &dy[b * g.output.len()..][..g.output.len()];
        let dx = &mut dx[b * g.input.len()..][..g.input.len()];
        windows(g, |o, inputs| dx[largest(x, inputs)] += dy[o]);
    }
}

/// Average.
pub fn avg_forward<T: Real>(g: &PoolGeometry, batch: usize, x: &[T], y: &mut [T]) {
    for b in 0..batch {
        let x = &x[b * g.input.len()..][..g.input.len()];
        let y = &mut y[b * g.output.len()..][..g.output.len()];
        windows(g, |o, inputs| {
            let mut sum = T::ZERO;
            inputs.iter().for_each(|&i| sum += x[i]);
            y[o] = sum / T::from_f64(inputs.len() as f64);
        });
    }
}

/// Average.
pub fn avg_backward<T: Real>(g: &PoolGeometry, batch: usize, dy: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for b in 0..batch {
        let dy = &dy[b * g.output.len()..][..g.output.len()];
        let dx = &mut dx[b * g.input.len()..][..g.input.len()];
        windows(g, |o, inputs| {
            inputs.iter().for_each(|&i| dx[i] += dy[o] / T::from_f64(inputs.len() as f64))
        });
    }
}
