//! A model of a run as the run's state knows it: which steps it learned from, how it was judged, which file holds it.

use serde::{Deserialize, Serialize};

use crate::eval::Evaluation;

/// A model of this run. It is known from the moment it is judged, whether or not it could be saved yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// How it was judged on the validation images; `None` without any.
    #[serde(flatten)]
    pub found: Option<Evaluation>,
    /// The epoch after which it was taken, counted from 1; 0 in checkpoints that did not say.
    #[serde(default)]
    pub epoch: usize,
    /// Updates it learned from; 0 in checkpoints that did not say.
    #[serde(default)]
    pub step: usize,
    /// Digest of the file that holds it ([`crate::model::Model::digest`]); `None` while it is not saved.
    #[serde(default)]
    pub file: Option<String>,
}

impl Snapshot {
    /// Whether a model that was judged so is better than `best`: a larger share of validation images is right, or the same
    /// share at a lower loss. A loss that is not a number is never better. Without validation images, the latest model is
    /// the best.
    pub fn is_improved_by(best: Option<&Self>, found: Option<&Evaluation>) -> bool {
        let before = best.and_then(|best| best.found.as_ref());
        match (before, found) {
            (Some(_), None) => false,
            (None, None) => true,
            (_, Some(found)) if found.loss.is_nan() => false,
            (None, Some(_)) => true,
            (Some(before), Some(found)) => {
                let (then, now) = (before.top1_share(), found.top1_share());
                now > then || (now == then && (found.loss < before.loss || before.loss.is_nan()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(top1: usize, loss: f64) -> Evaluation {
        Evaluation { images: 6, top1, top5: 6, loss, skipped: Vec::new() }
    }

    fn snapshot(found: Option<Evaluation>) -> Snapshot {
        Snapshot { found, epoch: 1, step: 10, file: None }
    }

    #[test]
    fn ties_go_to_the_lower_loss() {
        let best = snapshot(Some(found(2, 1.5)));
        let improves = |now: Option<Evaluation>| Snapshot::is_improved_by(Some(&best), now.as_ref());
        assert!(improves(Some(found(3, 9.0))) && !improves(Some(found(1, 0.1))));
        assert!(improves(Some(found(2, 1.4))) && !improves(Some(found(2, 1.5))));
        assert!(!improves(Some(found(2, f64::NAN))) && !improves(Some(found(3, f64::NAN))));
        assert!(!improves(None), "a model that nobody judged is not better than one that was judged");
    }

    #[test]
    fn the_first_is_the_best_unless_its_loss_is_not_a_number() {
        assert!(Snapshot::is_improved_by(None, Some(&found(0, 3.0))));
        assert!(!Snapshot::is_improved_by(None, Some(&found(6, f64::NAN))));
        assert!(Snapshot::is_improved_by(None, None), "without validation, the latest");
        assert!(Snapshot::is_improved_by(Some(&snapshot(None)), None));
        assert!(Snapshot::is_improved_by(Some(&snapshot(Some(found(3, f64::NAN)))), Some(&found(3, 2.0))));
    }

    #[test]
    fn the_best_of_older_checkpoints_is_read() {
        let text = r#"{"images":6,"top1":2,"top5":6,"loss":1.5,"skipped":[]}"#;
        let read: Snapshot = serde_json::from_str(text).unwrap();
        assert_eq!(read, Snapshot { epoch: 0, step: 0, ..snapshot(Some(found(2, 1.5))) });
        let text = serde_json::to_string(&snapshot(None)).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot(None));
    }
}
