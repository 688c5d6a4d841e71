//! Fully connected layers as their formula reads.

use crate::real::Real;

/// See [`super::forward`].
pub fn forward<T: Real>(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[T],
    w: &[T],
    bias: &[T],
    y: &mut [T],
) {
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

/// See [`super::backward_input`].
pub fn backward_input<T: Real>(batch: usize, inputs: usize, outputs: usize, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for b in 0..batch {
        for o in 0..outputs {
            for i in 0..inputs {
                dx[b * inputs + i] += w[o * inputs + i] * dy[b * outputs + o];
            }
        }
    }
}

/// See [`super::backward_weights`].
pub fn backward_weights<T: Real>(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    dbias: &mut [T],
) {
    dw.fill(T::ZERO);
    dbias.fill(T::ZERO);
    for b in 0..batch {
        for o in 0..outputs {
            dbias[o] += dy[b * outputs + o];
            for i in 0..inputs {
                dw[o * inputs + i] += x[b * inputs + i] * dy[b * outputs + o];
            }
        }
    }
}
