//! Stochastic gradient descent with momentum and weight decay (paper, section 5):
//! `v <- momentum v - weight_decay learning_rate w - learning_rate g`, then `w <- w + v`.
//!
//! # Shapes
//! Weights `w`, velocity `v` and gradient `g` have the same length.

mod lars;
pub mod reference;
mod settings;

use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
pub use lars::SquaredNorms;
use rayon::prelude::*;
pub use settings::SgdSettings;

/// Updates `w` and `v` in place, and returns whether every weight is finite afterwards.
///
/// # Panics
/// If the slices differ in length.
pub fn step(w: &mut [f32], v: &mut [f32], g: &[f32], settings: SgdSettings) -> bool {
    check_len!(v, w.len());
    check_len!(g, w.len());
    let chunks = w.par_chunks_mut(GRAIN).zip(v.par_chunks_mut(GRAIN)).zip(g.par_chunks(GRAIN));
    chunks.map(|((w, v), g)| step_chunk(w, v, g, settings)).reduce(|| true, |a, b| a & b)
}

const SIGN: u32 = 1 << 31;

multiversioned! {
    /// [`step`] for part of a tensor, on the calling thread.
    pub(crate) fn step_chunk(w: &mut [f32], v: &mut [f32], g: &[f32], settings: SgdSettings) -> bool {
        let SgdSettings { learning_rate, momentum, weight_decay } = settings;
        let shrink = weight_decay * learning_rate;
        // Without the sign bit, floats compare like their bits, and infinity and NaN come last.
        let mut largest = 0;
        for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
            *v = momentum * *v - shrink * *w - learning_rate * g;
            *w += *v;
            largest = largest.max(w.to_bits() & !SIGN);
        }
        largest < f32::INFINITY.to_bits()
    }
}
