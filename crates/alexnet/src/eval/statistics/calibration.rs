//! Calibration: whether confidence is accuracy.

use serde::{Deserialize, Serialize};

/// The number of bins.
pub const BINS: usize = 15;

/// How confidence, the probability of the predicted class, compares to accuracy. Bins have equal width: bin m of M holds the
/// images with a confidence above `(m - 1) / M` and at most `m / M`.
///
/// Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The expected calibration error: the mean over the images of |accuracy - confidence| of their bin; 0 without images.
    pub ece: f64,
    /// The bins, in the order of confidence.
    pub bins: Vec<Bin>,
}

/// The images of a range of confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The lower end of the range, which belongs to the bin before.
    pub low: f64,
    /// The upper end of the range.
    pub high: f64,
    /// The number of images.
    pub images: usize,
    /// The mean confidence; `None` without images.
    pub confidence: Option<f64>,
    /// The fraction of correct predictions; `None` without images.
    pub accuracy: Option<f64>,
}

impl Calibration {
    /// Sorts predictions into [`BINS`] bins: the confidence of each, and whether it is correct. A confidence that is not from 0
    /// to 1 counts as the nearer of the two, NaN as 0.
    pub fn of(predictions: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut sums = [(0_usize, 0.0, 0_usize); BINS];
        for (confidence, correct) in predictions {
            let confidence = if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) };
            let (images, total, hits) = &mut sums[bin(confidence)];
            *images += 1;
            *total += confidence;
            *hits += usize::from(correct);
        }
        let all: usize = sums.iter().map(|sum| sum.0).sum();
        let gap: f64 = sums.iter().map(|&(_, total, hits)| (hits as f64 - total).abs()).sum();
        let bins = sums.iter().enumerate().map(|(i, &(images, total, hits))| {
            let mean = |sum: f64| (images > 0).then(|| sum / images as f64);
            let end = |i: usize| i as f64 / BINS as f64;
            Bin {
                low: end(i),
                high: end(i + 1),
                images,
                confidence: mean(total),
                accuracy: mean(hits as f64),
            }
        });
        Self { ece: gap / all.max(1) as f64, bins: bins.collect() }
    }
}

fn bin(confidence: f64) -> usize {
    ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}
