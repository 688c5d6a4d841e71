//! The update as its formula reads.

use crate::real::Real;

/// See [`super::step`].
#[inline]
pub fn step<T: Real>(w: &mut [T], v: &mut [T], g: &[T], rate: T, momentum: T, decay: T) {
    for ((w, v), &g) in w.iter_mut().zip(v).zip(g) {
        *v = momentum * *v - decay * rate * *w - rate * g;
        *w += *v;
    }
}
