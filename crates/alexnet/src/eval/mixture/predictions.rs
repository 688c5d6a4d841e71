//! The probabilities of a model for all images of a split.

use crate::Result;
use crate::data::{Loader, Share, Skip, Split};
use crate::engine::softmax::check_finite;
use crate::eval::evaluate::{Classifier, add_probabilities};
use crate::net::Views;

/// The probabilities of a model for the images of a split that can be decoded, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// The number of classes.
    pub classes: usize,
    /// The mean of the softmax over the views, `[images, classes]`.
    pub probabilities: Vec<f32>,
    /// The labels.
    pub labels: Vec<u32>,
    /// The images that were skipped, with reasons.
    pub skipped: Vec<Skip>,
}

/// Computes the probabilities of all images of `split`, with the softmax averaged over `views`. `workers` threads load
/// images. `on_batch` receives the number of images processed so far; an error from it ends the computation.
///
/// # Errors
/// Returns an error if a file cannot be read, if a probability is not finite, or if the engine fails.
pub fn predict(
    model: &mut Classifier<'_>,
    split: &Split,
    views: Views,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Predictions> {
    let classes = model.engine.network().classes;
    let images = (model.engine.batch() / views.count()).max(1);
    let mut loader = Loader::evaluation(split, model.preprocess, views, images, Share::WHOLE, workers);
    let mut all = Predictions { classes, probabilities: Vec::new(), labels: Vec::new(), skipped: Vec::new() };
    while let Some(batch) = loader.next() {
        let mut batch = batch?;
        let mut probabilities = vec![0.0; batch.labels.len() * classes];
        add_probabilities(model, &batch.images, views, 1.0 / views.count() as f64, &mut probabilities)?;
        check_finite(&probabilities)?;
        all.probabilities.extend(probabilities.iter().map(|&probability| probability as f32));
        all.labels.extend_from_slice(&batch.labels);
        all.skipped.append(&mut batch.skipped);
        loader.recycle(batch);
        on_batch(all.labels.len() + all.skipped.len())?;
    }
    Ok(all)
}
