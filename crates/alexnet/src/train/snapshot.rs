//! A model of a run as the run's state records it: its steps, its validation result, the file that holds it.

use serde::{Deserialize, Serialize};

use crate::eval::Evaluation;

/// A model of this run. It is recorded as soon as it has been evaluated, whether or not it could be saved yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its result on the validation images; `None` without any.
    #[serde(flatten)]
    pub evaluation: Option<Evaluation>,
    /// The epoch after which it was taken, counted from 1; 0 in checkpoints of format version 1.
    #[serde(default)]
    pub epoch: usize,
    /// Steps it was trained for; 0 in checkpoints of format version 1.
    #[serde(default)]
    pub step: usize,
    /// Digest of the file that holds it ([`crate::model::Model::digest`]); `None` until it is saved.
    #[serde(default)]
    pub file: Option<String>,
}

impl Snapshot {
    /// Whether a model with this evaluation is better than `best`: it classifies more validation images correctly, or the
    /// same number at a lower loss. A NaN loss is never better. Without validation images, the latest model is the best.
    pub fn is_improved_by(best: Option<&Self>, evaluation: Option<&Evaluation>) -> bool {
        let before = best.and_then(|best| best.evaluation.as_ref());
        match (before, evaluation) {
            (Some(_), None) => false,
            (None, None) => true,
            (_, Some(now)) if now.loss.is_nan() => false,
            (None, Some(_)) => true,
            (Some(before), Some(now)) => {
                let (top1_before, top1_now) = (before.top1_share(), now.top1_share());
                top1_now > top1_before
                    || (top1_now == top1_before && (now.loss < before.loss || before.loss.is_nan()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(top1: usize, loss: f64) -> Evaluation {
        Evaluation { images: 6, top1, top5: 6, loss, skipped: Vec::new() }
    }

    fn snapshot(evaluation: Option<Evaluation>) -> Snapshot {
        Snapshot { evaluation, epoch: 1, step: 10, file: None }
    }

    #[test]
    fn ties_go_to_the_lower_loss() {
        let best = snapshot(Some(evaluation(2, 1.5)));
        let improves = |now: Option<Evaluation>| Snapshot::is_improved_by(Some(&best), now.as_ref());
        assert!(improves(Some(evaluation(3, 9.0))) && !improves(Some(evaluation(1, 0.1))));
        assert!(improves(Some(evaluation(2, 1.4))) && !improves(Some(evaluation(2, 1.5))));
        assert!(!improves(Some(evaluation(2, f64::NAN))) && !improves(Some(evaluation(3, f64::NAN))));
        assert!(!improves(None), "a model without an evaluation is not better than one with");
    }

    #[test]
    fn the_first_is_the_best_unless_its_loss_is_nan() {
        assert!(Snapshot::is_improved_by(None, Some(&evaluation(0, 3.0))));
        assert!(!Snapshot::is_improved_by(None, Some(&evaluation(6, f64::NAN))));
        assert!(Snapshot::is_improved_by(None, None), "without validation, the latest");
        assert!(Snapshot::is_improved_by(Some(&snapshot(None)), None));
        assert!(Snapshot::is_improved_by(
            Some(&snapshot(Some(evaluation(3, f64::NAN)))),
            Some(&evaluation(3, 2.0))
        ));
    }

    #[test]
    fn the_best_model_of_older_checkpoints_is_read() {
        let text = r#"{"images":6,"top1":2,"top5":6,"loss":1.5,"skipped":[]}"#;
        let read: Snapshot = serde_json::from_str(text).unwrap();
        assert_eq!(read, Snapshot { epoch: 0, step: 0, ..snapshot(Some(evaluation(2, 1.5))) });
        let text = serde_json::to_string(&snapshot(None)).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot(None));
    }
}
