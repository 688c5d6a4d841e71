//! Non-linearities, element by element and in place. The backward passes need the outputs only.

pub mod reference;

use crate::isa::multiversioned;
use crate::{GRAIN, check_len};
use rayon::prelude::*;

/// `max(0, x)` (paper, section 3.1). A NaN stays.
pub fn relu(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(relu_part);
}

/// `dy` where `y > 0`, else 0.
pub fn relu_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, relu_backward_part);
}

/// The hyperbolic tangent.
pub fn tanh(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(reference::tanh);
}

/// `dy (1 - y^2)`.
pub fn tanh_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, tanh_backward_part);
}

/// `1 / (1 + exp(-x))`.
pub fn logistic(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(reference::logistic);
}

/// `dy y (1 - y)`.
pub fn logistic_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, logistic_backward_part);
}

fn backward(y: &[f32], dy: &mut [f32], part: impl Fn(&[f32], &mut [f32]) + Send + Sync) {
    check_len!(y, dy.len());
    y.par_chunks(GRAIN).zip(dy.par_chunks_mut(GRAIN)).for_each(|(y, dy)| part(y, dy));
}

multiversioned! {
    fn relu_part(values: &mut [f32]) {
        reference::relu(values);
    }

    fn relu_backward_part(y: &[f32], dy: &mut [f32]) {
        reference::relu_backward(y, dy);
    }

    fn tanh_backward_part(y: &[f32], dy: &mut [f32]) {
        reference::tanh_backward(y, dy);
    }

    fn logistic_backward_part(y: &[f32], dy: &mut [f32]) {
        reference::logistic_backward(y, dy);
    }
}
