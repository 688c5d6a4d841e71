//! What the results of an evaluation show.

use super::results::{Evaluation, ImageResults};
use super::statistics::{Calibration, Confusion, Interval, wilson};

/// Totals of an evaluation with intervals, per class, and by confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The totals.
    pub total: Evaluation,
    /// The interval of the top-1 accuracy.
    pub top1: Interval,
    /// The interval of the top-5 accuracy; `None` with at most five classes, where it is always 1.
    pub top5: Option<Interval>,
    /// Which classes are predicted as which.
    pub confusion: Confusion,
    /// Confidence compared to accuracy.
    pub calibration: Calibration,
}

impl Analysis {
    /// Analyzes the results of models with this number of classes.
    pub fn of(results: &ImageResults, classes: usize) -> Self {
        let total = results.total();
        let images = &results.images;
        Self {
            top1: wilson(total.top1, total.images),
            top5: (classes > 5).then(|| wilson(total.top5, total.images)),
            confusion: Confusion::of(classes, images.iter().map(|image| (image.label, image.predicted))),
            calibration: Calibration::of(images.iter().map(|image| (image.confidence, image.is_correct()))),
            total,
        }
    }
}
