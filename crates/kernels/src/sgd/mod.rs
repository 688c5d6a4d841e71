//! One step of gradient descent with momentum and weight decay (paper, section 5):
//! `v <- momentum v - decay rate w - rate g; w <- w + v`.

pub mod reference;

use crate::isa::multiversioned;
use crate::{GRAIN, check_len};
use rayon::prelude::*;

/// Updates `w` and `v` in place.
pub fn step(w: &mut [f32], v: &mut [f32], g: &[f32], rate: f32, momentum: f32, decay: f32) {
    check_len!(v, w.len());
    check_len!(g, w.len());
    let parts = w.par_chunks_mut(GRAIN).zip(v.par_chunks_mut(GRAIN)).zip(g.par_chunks(GRAIN));
    parts.for_each(|((w, v), g)| part(w, v, g, rate, momentum, decay));
}

multiversioned! {
    fn part(w: &mut [f32], v: &mut [f32], g: &[f32], rate: f32, momentum: f32, decay: f32) {
        reference::step(w, v, g, rate, momentum, decay);
    }
}
