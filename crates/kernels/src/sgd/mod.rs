//! Stochastic gradient descent with momentum and weight decay (paper, section 5).

pub mod reference;

use crate::isa::multiversioned;
use crate::{GRAIN, check_len};
use rayon::prelude::*;

/// `v = momentum v - decay rate w - rate g`, then `w = w + v`. Tells whether every weight is a finite number afterwards.
///
/// # Shapes
/// Weights `w`, their momentum `v` and their gradient `g` have the same length.
///
/// # Panics
/// When they have not.
pub fn step(w: &mut [f32], v: &mut [f32], g: &[f32], rate: f32, momentum: f32, decay: f32) -> bool {
    check_len!(v, w.len());
    check_len!(g, w.len());
    let parts = w.par_chunks_mut(GRAIN).zip(v.par_chunks_mut(GRAIN)).zip(g.par_chunks(GRAIN));
    parts.map(|((w, v), g)| step_part(w, v, g, rate, momentum, decay)).reduce(|| true, |a, b| a & b)
}

const SIGN: u32 = 1 << 31;

multiversioned! {
    /// A part of [`step`], on this thread.
    pub(crate) fn step_part(w: &mut [f32], v: &mut [f32], g: &[f32], rate: f32, momentum: f32, decay: f32) -> bool {
        let shrink = decay * rate;
        // Without their sign, the bits of floats are in the order of their values, infinity and NaN last.
        let mut largest = 0;
        for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
            *v = momentum * *v - shrink * *w - rate * g;
            *w += *v;
            largest = largest.max(w.to_bits() & !SIGN);
        }
        largest < f32::INFINITY.to_bits()
    }
}
