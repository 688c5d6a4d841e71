//! Sgd.
use rayon::prelude::*;
/// Step.
pub fn step(w: &mut [f32], v: &mut [f32], g: &[f32], rate: f32, momentum: f32, decay: f32) {
    w.par_chunks_mut(1 << 14).zip(v.par_chunks_mut(1 << 14)).zip(g.par_chunks(1 << 14)).for_each(
        |((w, v), g)| {
            for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
                *v = momentum * *v - decay * rate * *w - rate * g;
                *w += *v;
            }
        },
    );
}
