//! Non-linearities as their formulas read.
use crate::real::Real;
/// max(0, x); a NaN stays.
pub fn relu<T: Real>(values: &mut [T]) {
    values.iter_mut().for_each(|v| {
        if *v < T::ZERO {
            *v = T::ZERO
        }
    });
}
/// dy where y > 0.
pub fn relu_backward<T: Real>(y: &[T], dy: &mut [T]) {
    dy.iter_mut().zip(y).for_each(|(dy, &y)| {
        if !(y > T::ZERO) {
            *dy = T::ZERO
        }
    });
}
/// tanh.
pub fn tanh<T: Real>(values: &mut [T]) {
    values.iter_mut().for_each(|v| *v = v.tanh());
}
/// dy (1 - y^2).
pub fn tanh_backward<T: Real>(y: &[T], dy: &mut [T]) {
    dy.iter_mut().zip(y).for_each(|(dy, &y)| *dy *= T::ONE - y * y);
}
/// 1 / (1 + exp(-x)).
pub fn logistic<T: Real>(values: &mut [T]) {
    values.iter_mut().for_each(|v| *v = T::ONE / (T::ONE + (-*v).exp()));
}
/// dy y (1 - y).
pub fn logistic_backward<T: Real>(y: &[T], dy: &mut [T]) {
    dy.iter_mut().zip(y).for_each(|(dy, &y)| *dy *= y * (T::ONE - y));
}
