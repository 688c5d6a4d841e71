//! Dropout as its definition reads.
use crate::hash::mix;
use crate::real::Real;
/// Apply.
pub fn apply<T: Real>(values: &mut [T], batch: usize, keys: &[u64], rate: f32, scale: T) {
    let n = values.len() / batch.max(1);
    for (values, &key) in values.chunks_mut(n.max(1)).zip(keys) {
        for (i, v) in values.iter_mut().enumerate() {
            let u = (mix(key.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))) >> 40) as f32
                / (1u32 << 24) as f32;
            *v = if u < rate { T::ZERO } else { *v * scale };
        }
    }
}
/// Scale.
pub fn scale<T: Real>(values: &mut [T], factor: T) {
    values.iter_mut().for_each(|v| *v *= factor);
}
