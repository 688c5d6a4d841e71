//! Layer-wise adaptive rate scaling, LARS (You, Gitman, Ginsburg 2017, "Large Batch Training of Convolutional Networks"):
//! before [`step`](super::step), the learning rate of a layer is multiplied by
//! `trust * ||w|| / (||g|| + weight_decay ||w||)`.

use std::ops::Add;

use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
use rayon::prelude::*;

/// Sums of squares of a layer's weights and gradient. Those of the parts of a layer add up to those of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SquaredNorms {
    /// Of the weights.
    pub weights: f64,
    /// Of the gradient with respect to them.
    pub gradient: f64,
}

impl SquaredNorms {
    /// Computes the sums in double precision, in an order that depends on the length alone.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn of(w: &[f32], g: &[f32]) -> Self {
        check_len!(g, w.len());
        let chunks = w.par_chunks(GRAIN).zip(g.par_chunks(GRAIN));
        let sums: Vec<Self> =
            chunks.map(|(w, g)| Self { weights: sum_of_squares(w), gradient: sum_of_squares(g) }).collect();
        sums.into_iter().fold(Self::default(), Self::add)
    }

    /// Returns the factor of the layer's learning rate. It is 1 if the weights or the gradient are zero: such weights could
    /// not grow otherwise, and without a gradient there is no ratio to keep.
    pub fn local_rate(self, trust: f64, weight_decay: f64) -> f64 {
        let (weights, gradient) = (self.weights.sqrt(), self.gradient.sqrt());
        if weights == 0.0 || gradient == 0.0 {
            return 1.0;
        }
        trust * weights / (gradient + weight_decay * weights)
    }
}

impl Add for SquaredNorms {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { weights: self.weights + other.weights, gradient: self.gradient + other.gradient }
    }
}

/// Sums that are computed side by side, so that they can be vectorized.
const LANES: usize = 16;

multiversioned! {
    /// The sum of the squares of a part of a tensor, on the calling thread.
    fn sum_of_squares(values: &[f32]) -> f64 {
        let mut sums = [0.0; LANES];
        let rows = values.chunks_exact(LANES);
        let rest = rows.remainder();
        for row in rows {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
        for (sum, &value) in sums.iter_mut().zip(rest) {
            *sum += f64::from(value) * f64::from(value);
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 31 + seed) as f32).sin() * ((i % 37) as f32 - 18.0).exp2()).collect()
    }

    #[test]
    fn norms_are_sums_of_squares_at_any_number_of_threads() {
        for len in [0, 1, 15, 17, GRAIN + 5, 5 * GRAIN + 1] {
            let (w, g) = (values(len, 1), values(len, 2));
            let exact = |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            let norms = [1, 2, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| SquaredNorms::of(&w, &g))
            });
            for norms in norms {
                assert!((norms.weights - exact(&w)).abs() <= 1e-12 * exact(&w), "{len}");
                assert!((norms.gradient - exact(&g)).abs() <= 1e-12 * exact(&g), "{len}");
            }
            assert!(
                norms.iter().all(|other| *other == norms[0]),
                "{len}: bits depend on the number of threads"
            );
        }
    }

    #[test]
    fn squares_do_not_overflow_or_vanish() {
        for scale in [1e30, 1e-30] {
            let norms = SquaredNorms::of(&[3.0 * scale, 4.0 * scale], &[scale, 0.0]);
            let expected = 0.5 * 5.0 / (1.0 + 0.1 * 5.0);
            assert!((norms.local_rate(0.5, 0.1) / expected - 1.0).abs() < 1e-6, "{scale}");
        }
    }

    #[test]
    fn zero_weights_and_zero_gradients_have_the_common_rate() {
        let norms = |weights, gradient| SquaredNorms { weights, gradient }.local_rate(0.001, 0.0005);
        assert_eq!([norms(0.0, 4.0), norms(4.0, 0.0), norms(0.0, 0.0)], [1.0; 3]);
        assert_eq!(norms(4.0, 1.0), 0.001 * 2.0 / (1.0 + 0.0005 * 2.0));
    }

    #[test]
    fn non_finite_values_are_not_hidden() {
        assert!(SquaredNorms::of(&[1.0], &[f32::NAN]).local_rate(0.001, 0.0).is_nan());
        assert!(SquaredNorms::of(&[f32::NAN], &[1.0]).local_rate(0.001, 0.0).is_nan());
    }
}
