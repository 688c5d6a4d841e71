//! Non-linearities as their formulas read.

use crate::real::Real;

/// See [`super::relu`].
#[inline]
pub fn relu<T: Real>(values: &mut [T]) {
    for value in values {
        *value = if *value < T::ZERO { T::ZERO } else { *value };
    }
}

/// See [`super::relu_backward`].
#[inline]
pub fn relu_backward<T: Real>(y: &[T], dy: &mut [T]) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = if y > T::ZERO { *dy } else { T::ZERO };
    }
}

/// See [`super::tanh`].
pub fn tanh<T: Real>(values: &mut [T]) {
    for value in values {
        *value = value.tanh();
    }
}

/// See [`super::tanh_backward`].
#[inline]
pub fn tanh_backward<T: Real>(y: &[T], dy: &mut [T]) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy *= T::ONE - y * y;
    }
}

/// See [`super::logistic`].
pub fn logistic<T: Real>(values: &mut [T]) {
    for value in values {
        *value = T::ONE / (T::ONE + (-*value).exp());
    }
}

/// See [`super::logistic_backward`].
#[inline]
pub fn logistic_backward<T: Real>(y: &[T], dy: &mut [T]) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy *= y * (T::ONE - y);
    }
}
