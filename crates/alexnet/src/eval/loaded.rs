//! A single model that was loaded for inference.

use std::sync::Arc;

use alexnet_kernels::memory;

use super::evaluate::{Classifier, add_probabilities};
use super::jobs::for_each;
use crate::data::{ImageRef, Preprocess, View};
use crate::engine::{Engine, Tensor};
use crate::model::{AnyModel, WeightPrecision};
use crate::net::Views;
use crate::{Error, Result};

/// The number of values that is worth a thread.
const VALUES_PER_THREAD: usize = 1 << 17;

/// A single model of a [`Predictor`](super::Predictor).
pub struct LoadedModel {
    /// The weight of its probabilities: 1, or less in an ensemble, whose weights sum to 1.
    pub weight: f64,
    /// How an image becomes the input of the network.
    pub preprocess: Arc<Preprocess>,
    /// The digest of the training images, if the file contains it; see [`crate::model::Summary`].
    pub trained_on: Option<String>,
    /// The precision of the weights.
    pub precision: WeightPrecision,
    engine: Box<dyn Engine>,
    threads: usize,
    /// The memory of the views, recycled.
    input: Vec<f32>,
}

impl LoadedModel {
    pub(super) fn new(
        model: &AnyModel,
        weight: f64,
        mut engine: Box<dyn Engine>,
        threads: usize,
        half: bool,
    ) -> Result<Self> {
        if half {
            engine.convert_fc_to_f16()?;
        }
        Ok(Self {
            weight,
            preprocess: Arc::new(model.preprocess().clone()),
            trained_on: model.summary().trained_on.clone(),
            precision: model.precision(),
            engine,
            threads,
            input: Vec::new(),
        })
    }

    /// Returns the model in the form that [`super::evaluate()`] needs.
    pub fn classifier(&mut self) -> Classifier<'_> {
        Classifier { engine: &mut *self.engine, preprocess: &self.preprocess, weight: self.weight }
    }

    /// Returns the engine, which holds the parameters and computes activations.
    pub fn engine(&mut self) -> &mut dyn Engine {
        &mut *self.engine
    }

    /// Computes the outputs of the named layers for the center views of images, in the order of the names: tensors
    /// `[images, height, width, channels]`.
    ///
    /// # Errors
    /// Returns an error if there are no images, if there is no layer of a name, if there is not enough memory, or if the engine
    /// fails.
    pub fn activations(&mut self, images: &[ImageRef<'_>], layers: &[&str]) -> Result<Vec<Tensor>> {
        let Self { preprocess, engine, threads, input, .. } = self;
        let center = [View::center(preprocess.square, preprocess.crop)];
        let mut found: Option<Vec<Tensor>> = None;
        for images in images.chunks(engine.batch().max(1)) {
            write_views(preprocess, images, &center, *threads, input)?;
            let part = engine.activations(input, layers)?;
            match &mut found {
                None => found = Some(part),
                Some(found) => found.iter_mut().zip(part).for_each(|(all, part)| append(all, &part)),
            }
        }
        found.ok_or_else(|| Error::shape("images", 0, "at least 1"))
    }

    /// Adds `weight` times the probabilities of each image, averaged over `views`, to `sums` `[images, classes]`.
    pub(super) fn add(
        &mut self,
        images: &[ImageRef<'_>],
        views: Views,
        weight: f64,
        sums: &mut [f64],
    ) -> Result<()> {
        let Self { preprocess, engine, threads, input, .. } = self;
        let each = View::of(views, preprocess.square, preprocess.crop);
        let at_once = (engine.batch() / views.count()).max(1);
        let weight = weight / views.count() as f64;
        let classes = engine.network().classes;
        for (images, sums) in images.chunks(at_once).zip(sums.chunks_mut(at_once * classes)) {
            write_views(preprocess, images, &each, *threads, input)?;
            let mut model = Classifier { engine: &mut **engine, preprocess, weight: 1.0 };
            add_probabilities(&mut model, input, views, weight, sums)?;
        }
        Ok(())
    }
}

/// Appends the images of a part to a tensor.
fn append(all: &mut Tensor, part: &Tensor) {
    all.shape[0] += part.shape[0];
    all.data.extend_from_slice(&part.data);
}

/// Writes the views of images, `[images, views, crop, crop, 3]`, with up to `threads` threads.
fn write_views(
    preprocess: &Preprocess,
    images: &[ImageRef<'_>],
    views: &[View],
    threads: usize,
    out: &mut Vec<f32>,
) -> Result<()> {
    let view_len = preprocess.view_len();
    let len = views.len() * view_len;
    let values = images.len() * len;
    memory::reserve(out, values.saturating_sub(out.len())).map_err(|_| {
        Error::out_of_memory(values * size_of::<f32>(), None).context(format!("{} images", images.len()))
    })?;
    out.resize(values, 0.0);
    let threads = threads.min(images.len()).min(values / VALUES_PER_THREAD);
    for_each(images.iter().zip(out.chunks_exact_mut(len)), threads, |(image, out)| {
        let square = preprocess.square_of(*image);
        let square = ImageRef::new(preprocess.square, preprocess.square, &square);
        for (&view, out) in views.iter().zip(out.chunks_exact_mut(view_len)) {
            preprocess.view(square, view, [0.0; 3], out);
        }
    });
    Ok(())
}
