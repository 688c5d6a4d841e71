//! Evaluation by several processes.

use serde::{Deserialize, Serialize};

use super::evaluate::{Classifier, ShareEvaluation};
use super::results::{Evaluation, ImageResults, Keep};
use crate::Result;
use crate::data::{Share, Split};
use crate::net::Views;
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

/// The part of a process in an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// All processes of the evaluation.
    pub world: &'a Collective,
    /// The share of the batches that this process evaluates.
    pub share: Share,
    /// Whether this process reports the results of its share, which others may evaluate together with it.
    pub reports: bool,
    /// Whether the engines of all processes compute together, so that a process without images left has to take part.
    pub in_step: bool,
}

impl<'a> Part<'a> {
    /// The part of a process that evaluates its share alone.
    pub const fn alone(world: &'a Collective) -> Self {
        Self { world, share: Share { index: world.index(), of: world.size() }, reports: true, in_step: false }
    }
}

/// Evaluates an ensemble with several processes, each of which evaluates consecutive batches of the split. Every process returns
/// the result of the whole split, with the same bits as [`ensemble`](super::ensemble) if all images can be decoded. `on_batch`
/// receives the number of images that all processes have evaluated; if it fails in any process, all end the evaluation, and the
/// others return `None`.
///
/// # Errors
/// As [`ensemble`](super::ensemble), or if a process is lost.
pub fn evaluate_shared(
    models: &mut [Classifier<'_>],
    split: &Split,
    views: Views,
    workers: usize,
    part: Part<'_>,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Option<Evaluation>> {
    let results = results_shared(models, split, views, workers, part, Keep::Predictions, on_batch)?;
    Ok(results.map(|results| results.total()))
}

/// Evaluates as [`evaluate_shared`] does, and returns the results of each image.
///
/// # Errors
/// As [`evaluate_shared`].
pub fn results_shared(
    models: &mut [Classifier<'_>],
    split: &Split,
    views: Views,
    workers: usize,
    part: Part<'_>,
    keep: Keep,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Option<ImageResults>> {
    let Part { world, share, reports, in_step } = part;
    let mut evaluation = ShareEvaluation::new(models, split, share, views, workers, keep)?;
    let mut wish = Ok(());
    loop {
        let evaluated = evaluation.step(models)?;
        // Without images, because no batch is left or none of it can be decoded, the engines have not been called.
        if in_step && evaluated.unwrap_or(0) == 0 {
            evaluation.take_part(models)?;
        }
        let more = evaluated.is_some();
        let images = if reports { evaluation.images() } else { 0 };
        let all = world.all_gather_values(&Progress { images, more, stop: wish.is_err() })?;
        if all.iter().any(|process| process.stop) {
            return wish.map(|()| None);
        }
        if !all.iter().any(|process| process.more) {
            break;
        }
        wish = on_batch(all.iter().map(|process| process.images).sum());
    }
    let own = if reports { evaluation.finish() } else { ImageResults::new(keep) };
    let mut whole = ImageResults::new(keep);
    world.all_gather_values(&own)?.into_iter().for_each(|share| whole.append(share));
    Ok(Some(whole))
}
