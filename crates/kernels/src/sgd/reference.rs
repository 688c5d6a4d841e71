//! The update, written as its formula.

use super::settings::SgdSettings;
use crate::real::Real;

/// `v <- momentum v - weight_decay learning_rate w - learning_rate g`, `w <- w + v`.
pub fn step<T: Real>(w: &mut [T], v: &mut [T], g: &[T], settings: SgdSettings<T>) {
    let SgdSettings { learning_rate, momentum, weight_decay } = settings;
    for i in 0..w.len() {
        v[i] = momentum * v[i] - weight_decay * learning_rate * w[i] - learning_rate * g[i];
        w[i] += v[i];
    }
}
