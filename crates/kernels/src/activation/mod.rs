//! Non-linearities, in place: the rectifier `max(x, 0)` and the saturating functions it is compared with (paper, section
//! 3.1).
//!
//! Every derivative is a function of the output, so a backward pass needs only the result `y` of the forward pass; it
//! turns `dy` into the gradient with respect to the input.

mod curve;
pub mod reference;

use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
use rayon::prelude::*;

/// An operation fused into a kernel, applied to its outputs while they are in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// No operation.
    Identity,
    /// The rectifier, [`relu`].
    Relu,
}

impl Epilogue {
    /// The lower bound that it puts on outputs.
    pub(crate) const fn floor(self) -> f32 {
        match self {
            Self::Identity => f32::NEG_INFINITY,
            Self::Relu => 0.0,
        }
    }

    /// Applies it to outputs in memory.
    pub(crate) fn apply(self, values: &mut [f32]) {
        if self == Self::Relu {
            relu(values);
        }
    }
}

/// `a = max(a, 0)`; NaN stays NaN.
pub fn relu(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(relu_chunk);
}

/// `dy = dy` where `y > 0`, else 0: the gradient at 0 is 0.
///
/// # Panics
/// If the slices differ in length.
pub fn relu_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, relu_backward_chunk);
}

/// `a = tanh(a)`.
pub fn tanh(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(tanh_chunk);
}

/// `dy = dy (1 - y^2)`.
///
/// # Panics
/// If the slices differ in length.
pub fn tanh_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, tanh_backward_chunk);
}

/// `a = 1 / (1 + e^-a)`.
pub fn logistic(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(reference::logistic);
}

/// `dy = dy y (1 - y)`.
///
/// # Panics
/// If the slices differ in length.
pub fn logistic_backward(y: &[f32], dy: &mut [f32]) {
    backward(y, dy, logistic_backward_chunk);
}

fn backward(y: &[f32], dy: &mut [f32], chunk: fn(&[f32], &mut [f32])) {
    check_len!(y, dy.len());
    y.par_chunks(GRAIN).zip(dy.par_chunks_mut(GRAIN)).for_each(|(y, dy)| chunk(y, dy));
}

/// [`relu_backward`] for part of the values, in code that is compiled for several instruction sets.
#[inline(always)]
pub(crate) fn rectify_gradient(y: &[f32], dy: &mut [f32]) {
    for (y, dy) in y.iter().zip(dy) {
        *dy = if *y > 0.0 { *dy + 0.0 } else { 0.0 };
    }
}

// Adding zero changes no value except the sign of -0. Without it the compiler emits masked stores, to skip values that do
// not change, and those are slow on AMD processors.
multiversioned! {
    fn relu_chunk(values: &mut [f32]) {
        for a in values {
            *a = if *a < 0.0 { 0.0 } else { *a + 0.0 };
        }
    }

    fn relu_backward_chunk(y: &[f32], dy: &mut [f32]) {
        rectify_gradient(y, dy);
    }

    fn tanh_chunk(values: &mut [f32]) {
        for a in values {
            *a = curve::tanh(*a);
        }
    }

    fn tanh_backward_chunk(y: &[f32], dy: &mut [f32]) {
        reference::tanh_backward(y, dy);
    }

    fn logistic_backward_chunk(y: &[f32], dy: &mut [f32]) {
        reference::logistic_backward(y, dy);
    }
}
