//! The effect of a temperature on images that it was not fitted on.

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::halves::halves;
use super::temperature::{Temperature, temperature};

/// A temperature, and how well temperatures calibrate images that they were not fitted on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutTemperature {
    /// The temperature fitted on all images.
    pub all: Temperature,
    /// The temperatures fitted on each half of the images.
    pub halves: [Temperature; 2],
    /// The calibration of all images, each half with the temperature of the other.
    pub calibration: Calibration,
    /// The mean loss of all images, each half with the temperature of the other.
    pub loss: f64,
}

/// Fits a temperature on log probabilities `[images, labels.len()]`, and measures what it is worth on other images: the images
/// are divided into halves, alternately within each class, and each half is evaluated with the temperature of the other.
/// `None` for fewer than two images.
pub fn held_out_temperature(log_probabilities: &[f32], labels: &[usize]) -> Option<HeldOutTemperature> {
    if labels.len() < 2 {
        return None;
    }
    let classes = log_probabilities.len() / labels.len();
    let row = |image: usize| &log_probabilities[image * classes..][..classes];
    let halves = halves(labels);
    let fitted = halves.each_ref().map(|half| {
        let rows: Vec<f32> = half.iter().flat_map(|&image| row(image).iter().copied()).collect();
        let labels: Vec<usize> = half.iter().map(|&image| labels[image]).collect();
        temperature(&rows, &labels)
    });
    let other = [fitted[1], fitted[0]];
    let (mut predictions, mut loss) = (Vec::with_capacity(labels.len()), 0.0);
    for (half, Temperature { temperature, .. }) in halves.iter().zip(other) {
        for &image in half {
            let found = at(row(image), labels[image], temperature);
            predictions.push((found.confidence, found.is_correct));
            loss += found.loss;
        }
    }
    Some(HeldOutTemperature {
        all: temperature(log_probabilities, labels),
        halves: fitted,
        calibration: Calibration::of(predictions),
        loss: loss / labels.len() as f64,
    })
}

/// The prediction for one image.
struct Prediction {
    confidence: f64,
    is_correct: bool,
    loss: f64,
}

fn at(logits: &[f32], label: usize, temperature: f64) -> Prediction {
    let best = (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
    let above = |i: usize| (f64::from(logits[i]) - f64::from(logits[best])) / temperature;
    let total: f64 = (0..logits.len()).map(|i| above(i).exp()).sum();
    Prediction { confidence: 1.0 / total, is_correct: best == label, loss: total.ln() - above(label) }
}
