//! 8-bit weights, with a scale for each output channel.

use rayon::prelude::*;

use crate::engine::{FloatWeights, IntegerWeights};

/// The largest magnitude of a weight.
const LARGEST: f32 = 127.0;

/// 8-bit weights, and how they differ from the weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rounded {
    pub(super) weights: IntegerWeights,
    /// The relative RMS error of the weights.
    pub(super) error: f64,
    /// The number of output channels whose weights are all zero.
    pub(super) zero_channels: usize,
}

impl Rounded {
    /// Rounds weights in the layout of the model file, output channels first. The largest weight of a channel becomes 127; a
    /// channel of zeros has a scale of 1.
    pub(super) fn new(exact: &FloatWeights) -> Self {
        let FloatWeights { weights, biases } = exact;
        let fan_in = weights.len() / biases.len().max(1);
        let channels: Vec<(f32, Vec<i8>)> = weights.par_chunks(fan_in.max(1)).map(channel).collect();
        let zero_channels =
            channels.iter().filter(|(_, weights)| weights.iter().all(|&weight| weight == 0)).count();
        let (scales, integers): (Vec<f32>, Vec<Vec<i8>>) = channels.into_iter().unzip();
        let stored = integers.iter().zip(&scales);
        let stored =
            stored.flat_map(|(row, &scale)| row.iter().map(move |&weight| scale * f32::from(weight)));
        let error = relative_rms(stored, weights.iter().copied());
        let weights = IntegerWeights { weights: integers.concat(), scales, biases: biases.clone() };
        Self { weights, error, zero_channels }
    }
}

fn channel(weights: &[f32]) -> (f32, Vec<i8>) {
    let largest = weights.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
    let scale = largest / LARGEST;
    if !scale.is_normal() {
        return (1.0, vec![0; weights.len()]);
    }
    let integer = |weight: &f32| (weight / scale).round_ties_even().clamp(-LARGEST, LARGEST) as i8;
    (scale, weights.iter().map(integer).collect())
}

/// Returns the root mean square of the differences divided by that of `exact`; 0 if both are zero.
pub(super) fn relative_rms(
    found: impl IntoIterator<Item = f32>,
    exact: impl IntoIterator<Item = f32>,
) -> f64 {
    let (mut errors, mut squares) = (0.0, 0.0);
    for (found, exact) in found.into_iter().zip(exact) {
        let (found, exact) = (f64::from(found), f64::from(exact));
        errors += (found - exact) * (found - exact);
        squares += exact * exact;
    }
    if errors == 0.0 { 0.0 } else { (errors / squares).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(weights: &[f32], biases: &[f32]) -> Rounded {
        Rounded::new(&FloatWeights { weights: weights.to_vec(), biases: biases.to_vec() })
    }

    #[test]
    fn every_channel_has_its_own_scale() {
        let weights = [1.0, -0.5, 0.25, 100.0, 50.0, -100.0];
        let Rounded { weights, error, zero_channels } = rounded(&weights, &[0.5, -3.0]);
        assert_eq!(weights.weights, [127, -64, 32, 127, 64, -127]);
        assert_eq!(weights.scales, [1.0 / 127.0, 100.0 / 127.0]);
        assert_eq!(weights.biases, [0.5, -3.0]);
        assert!(error > 0.0 && error < 0.005 && zero_channels == 0, "{error}");
    }

    #[test]
    fn channels_of_zeros_have_a_valid_scale() {
        for tiny in [0.0, f32::MIN_POSITIVE / 8.0] {
            let rounded = rounded(&[0.0, tiny, 1.0, 2.0], &[0.0, 0.0]);
            assert_eq!(rounded.weights.scales, [1.0, 2.0 / 127.0]);
            assert_eq!((&rounded.weights.weights[..2], rounded.zero_channels), (&[0, 0][..], 1));
        }
        let all = rounded(&[0.0; 6], &[0.0; 3]);
        assert_eq!((all.error, all.zero_channels), (0.0, 3));
    }

    #[test]
    fn the_largest_weight_is_not_rounded_beyond_the_range() {
        for largest in [0.1f32, 0.3, 1e-35, 3e38, 7.77] {
            let rounded = rounded(&[largest, -largest], &[0.0]);
            assert_eq!(rounded.weights.weights, [127, -127], "{largest}");
        }
    }
}
