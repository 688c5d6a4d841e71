//! The non-linearities, written as their definitions.

use crate::real::Real;

/// `a = max(a, 0)`; NaN stays NaN.
pub fn relu<T: Real>(values: &mut [T]) {
    for a in values {
        if *a <= T::ZERO {
            *a = T::ZERO;
        }
    }
}

/// `dy = dy` where `y > 0`, else 0.
pub fn relu_backward<T: Real>(y: &[T], dy: &mut [T]) {
    for (&y, dy) in y.iter().zip(dy) {
        *dy = if y > T::ZERO { *dy } else { T::ZERO };
    }
}

/// `a = tanh(a)`.
pub fn tanh<T: Real>(values: &mut [T]) {
    for a in values {
        *a = a.tanh();
    }
}

/// `dy = dy (1 - y^2)`.
pub fn tanh_backward<T: Real>(y: &[T], dy: &mut [T]) {
    for (&y, dy) in y.iter().zip(dy) {
        *dy *= T::ONE - y * y;
    }
}

/// `a = 1 / (1 + e^-a)`.
pub fn logistic<T: Real>(values: &mut [T]) {
    for a in values {
        *a = T::ONE / (T::ONE + (-*a).exp());
    }
}

/// `dy = dy y (1 - y)`.
pub fn logistic_backward<T: Real>(y: &[T], dy: &mut [T]) {
    for (&y, dy) in y.iter().zip(dy) {
        *dy *= y * (T::ONE - y);
    }
}
