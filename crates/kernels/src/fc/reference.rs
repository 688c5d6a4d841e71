//! The fully connected layer, written as its definition.

use crate::geometry::FcGeometry;
use crate::real::Real;

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
pub fn forward<T: Real>(g: &FcGeometry, batch: usize, x: &[T], w: &[T], bias: &[T], y: &mut [T]) {
    let &FcGeometry { inputs, outputs } = g;
    for b in 0..batch {
        for o in 0..outputs {
            let mut sum = bias[o];
            for i in 0..inputs {
                sum += w[o * inputs + i] * x[b * inputs + i];
            }
            y[b * outputs + o] = sum;
        }
    }
}

/// `dx[b, i] = sum_o w[o, i] dy[b, o]`.
pub fn backward_input<T: Real>(g: &FcGeometry, batch: usize, dy: &[T], w: &[T], dx: &mut [T]) {
    let &FcGeometry { inputs, outputs } = g;
    for b in 0..batch {
        for i in 0..inputs {
            let mut sum = T::ZERO;
            for o in 0..outputs {
                sum += w[o * inputs + i] * dy[b * outputs + o];
            }
            dx[b * inputs + i] = sum;
        }
    }
}

/// `dw[o, i] = sum_b dy[b, o] x[b, i]`, `dbias[o] = sum_b dy[b, o]`.
pub fn backward_weights<T: Real>(
    g: &FcGeometry,
    batch: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    dbias: &mut [T],
) {
    let &FcGeometry { inputs, outputs } = g;
    dw.fill(T::ZERO);
    dbias.fill(T::ZERO);
    for b in 0..batch {
        for o in 0..outputs {
            let dy = dy[b * outputs + o];
            dbias[o] += dy;
            for i in 0..inputs {
                dw[o * inputs + i] += dy * x[b * inputs + i];
            }
        }
    }
}
