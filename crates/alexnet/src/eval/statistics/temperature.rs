//! Temperature scaling.

use serde::{Deserialize, Serialize};

/// The smallest and the largest temperature.
const LIMITS: (f64, f64) = (0.01, 100.0);

const MOST_STEPS: usize = 100;

/// The relative precision of the temperature.
const PRECISION: f64 = 1e-10;

/// The result of [`temperature`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// The temperature T: probabilities are the softmax of `logits / T`. Above 1 it lowers the confidence.
    pub temperature: f64,
    /// The mean loss on the images at T = 1.
    pub loss_before: f64,
    /// The mean loss on the images at the temperature.
    pub loss_after: f64,
    /// Whether the loss decreases beyond the limits, 0.01 and 100: every image is correct, or the model is worse than chance.
    pub at_limit: bool,
}

/// Fits the temperature with the least mean loss on images with these logits, or log probabilities, `[images, labels.len()]`.
/// With b = 1 / T the loss is convex, and its derivative is the mean over the images of the expected logit minus the logit of
/// the label, `sum(p z) - z_label`. Its root is bracketed and found by Newton's method. Without images T is 1.
///
/// Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
pub fn temperature(logits: &[f32], labels: &[usize]) -> Temperature {
    let images = Images { logits, labels };
    let before = images.at(1.0);
    let found = |inverse: f64, at_limit: bool| Temperature {
        temperature: 1.0 / inverse,
        loss_before: before.loss,
        loss_after: images.at(inverse).loss,
        at_limit,
    };
    if labels.is_empty() || before.slope == 0.0 {
        return found(1.0, false);
    }
    let (mut low, mut high) = (1.0 / LIMITS.1, 1.0 / LIMITS.0);
    if images.at(low).slope >= 0.0 {
        return found(low, true);
    }
    if images.at(high).slope <= 0.0 {
        return found(high, true);
    }
    let mut inverse = 1.0;
    for _ in 0..MOST_STEPS {
        let Loss { slope, curvature, .. } = images.at(inverse);
        if slope > 0.0 {
            high = inverse
        } else {
            low = inverse
        }
        let newton = inverse - slope / curvature;
        let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        let step = (next - inverse).abs();
        inverse = next;
        if step <= PRECISION * inverse {
            break;
        }
    }
    found(inverse, false)
}

struct Images<'a> {
    logits: &'a [f32],
    labels: &'a [usize],
}

/// The mean loss, and its derivatives by 1 / T.
#[derive(Clone, Copy, Default)]
struct Loss {
    loss: f64,
    slope: f64,
    curvature: f64,
}

impl Images<'_> {
    fn at(&self, inverse: f64) -> Loss {
        let mut sum = Loss::default();
        let count = self.labels.len().max(1);
        let classes = (self.logits.len() / count).max(1);
        for (logits, &label) in self.logits.chunks_exact(classes).zip(self.labels) {
            let own = f64::from(logits[label]);
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
            for &logit in logits {
                let above = f64::from(logit) - f64::from(largest);
                let weight = (inverse * above).exp();
                total += weight;
                first += weight * above;
                second += weight * above * above;
            }
            let (mean, own) = (first / total, own - f64::from(largest));
            sum.loss += total.ln() - inverse * own;
            sum.slope += mean - own;
            sum.curvature += second / total - mean * mean;
        }
        let mean = |sum: f64| sum / count as f64;
        Loss { loss: mean(sum.loss), slope: mean(sum.slope), curvature: mean(sum.curvature) }
    }
}
