//! Evaluation by several processes.

use serde::{Deserialize, Serialize};

use super::evaluate::{Classifier, Evaluation, ShareEvaluation, ShareResults};
use crate::Result;
use crate::data::{Share, Split};
use crate::parallel::Collective;

/// What a process says after a batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Progress {
    /// Images so far.
    images: usize,
    /// Whether it has more batches.
    more: bool,
    /// Whether it wants to stop.
    stop: bool,
}

/// Evaluates an ensemble with the processes of a group, each of which evaluates consecutive batches of the split. Every process
/// returns the result of the whole split, with the same bits as [`ensemble`](super::ensemble) if all images can be decoded.
/// `on_batch` receives the number of images that all processes have evaluated; if it fails in any process, all end the evaluation,
/// and the others return `None`.
///
/// # Errors
/// As [`ensemble`](super::ensemble), or if a process is lost.
pub fn evaluate_shared(
    models: &mut [Classifier<'_>],
    split: &Split,
    views: usize,
    workers: usize,
    group: &Collective,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Option<Evaluation>> {
    let share = Share { index: group.index(), of: group.size() };
    let mut evaluation = ShareEvaluation::new(models, split, share, views, workers)?;
    let mut wish = Ok(());
    loop {
        let more = evaluation.step(models)?;
        let progress = Progress { images: evaluation.images(), more, stop: wish.is_err() };
        let all = group.all_gather_values(&progress)?;
        if all.iter().any(|process| process.stop) {
            return wish.map(|()| None);
        }
        if !all.iter().any(|process| process.more) {
            break;
        }
        wish = on_batch(all.iter().map(|process| process.images).sum());
    }
    let all: Vec<ShareResults> = group.all_gather_values(&evaluation.finish())?;
    Ok(Some(Evaluation::of(all)))
}
