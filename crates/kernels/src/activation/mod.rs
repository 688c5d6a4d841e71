//! Non-linearities, in place: the rectifier (paper, section 3.1) and the saturating ones it is compared with.
//!
//! Every derivative is a function of the output, so a backward pass needs only what the forward pass left:
//! `y` is that, and `dy` becomes the gradient with respect to the input.

pub mod reference;

use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
use rayon::prelude::*;

/// What happens to a layer's outputs while they are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    Identity,
    /// They are rectified, as by [`relu`].
    Relu,
}

impl Epilogue {
    /// What no output is below.
    pub(crate) const fn floor(self) -> f32 {
        match self {
            Self::Identity => f32::NEG_INFINITY,
            Self::Relu => 0.0,
        }
    }

    /// Does it to outputs that are written already.
    pub(crate) fn apply(self, values: &mut [f32]) {
        if self == Self::Relu {
            relu(values);
        }
    }
}

/// `a = max(a, 0)`; not a number stays so.
pub fn relu(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(relu_part);
}

/// `dy = dy` where `y > 0`, else 0: the gradient at 0 is 0.
///
/// # Panics
/// When the slices differ in length.
pub fn relu_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, relu_backward_part);
}

/// `a = tanh(a)`.
pub fn tanh(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(reference::tanh);
}

/// `dy = dy (1 - y^2)`.
///
/// # Panics
/// When the slices differ in length.
pub fn tanh_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, tanh_backward_part);
}

/// `a = 1 / (1 + e^-a)`.
pub fn logistic(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(reference::logistic);
}

/// `dy = dy y (1 - y)`.
///
/// # Panics
/// When the slices differ in length.
pub fn logistic_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, logistic_backward_part);
}

fn backward(y: &[f32], dy: &mut [f32], part: fn(&[f32], &mut [f32])) {
    check_len!(y, dy.len());
    y.par_chunks(GRAIN).zip(dy.par_chunks_mut(GRAIN)).for_each(|(y, dy)| part(y, dy));
}

// Adding zero changes no value, only the sign of -0. Without it the compiler stores under a mask, to spare the
// values that stay as they are, and such stores are slow on AMD's machines.
multiversioned! {
    fn relu_part(values: &mut [f32]) {
        for a in values {
            *a = if *a < 0.0 { 0.0 } else { *a + 0.0 };
        }
    }

    fn relu_backward_part(y: &[f32], dy: &mut [f32]) {
        for (y, dy) in y.iter().zip(dy) {
            *dy = if *y > 0.0 { *dy + 0.0 } else { 0.0 };
        }
    }

    fn tanh_backward_part(y: &[f32], dy: &mut [f32]) {
        reference::tanh_backward(y, dy);
    }

    fn logistic_backward_part(y: &[f32], dy: &mut [f32]) {
        reference::logistic_backward(y, dy);
    }
}
