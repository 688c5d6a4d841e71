//! The update as its definition.

use crate::real::Real;

/// `v = momentum v - decay rate w - rate g`, `w = w + v`.
pub fn step<T: Real>(w: &mut [T], v: &mut [T], g: &[T], rate: T, momentum: T, decay: T) {
    for i in 0..w.len() {
        v[i] = momentum * v[i] - decay * rate * w[i] - rate * g[i];
        w[i] += v[i];
    }
}
