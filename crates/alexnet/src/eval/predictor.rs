//! A model file with an engine that holds it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Judge;
use super::evaluate::add_probabilities;
use crate::data::{Image, Preprocess, View};
use crate::engine::Engine;
use crate::model::Model;
use crate::{Error, Result};

/// A model, loaded, checked with its golden samples, and ready to judge images.
pub struct Predictor {
    /// Class names, in the order of the network's outputs.
    pub classes: Vec<String>,
    /// How an image becomes the network's input.
    pub preprocess: Arc<Preprocess>,
    /// Views averaged per image, as its recipe says: 1 or 10.
    pub views: usize,
    /// The file it came from.
    pub path: PathBuf,
    /// Digest of the images it was trained on, where its file says: see [`crate::model::Summary`].
    pub trained_on: Option<String>,
    engine: Box<dyn Engine>,
}

impl Predictor {
    /// Loads the model at `path`, a file or a run folder (see [`model_path`]), for `batch` views at once on `threads`
    /// threads; with `halved`, the weights of its fully connected layers are kept in half precision once it is checked.
    ///
    /// # Errors
    /// When there is no model, it is malformed, or it gives its golden samples other logits on this machine.
    pub fn load(path: &Path, batch: usize, threads: usize, halved: bool) -> Result<Self> {
        let path = model_path(path)?;
        let model = Model::load(&path)?;
        let mut engine = model.engine(batch, threads).map_err(|error| error.context(path.display()))?;
        if halved {
            engine.convert_fc_to_f16()?;
        }
        let Model { recipe, classes, preprocess, summary, .. } = model;
        let views = recipe.evaluation.views;
        let (preprocess, trained_on) = (Arc::new(preprocess), summary.trained_on);
        Ok(Self { classes, preprocess, views, path, trained_on, engine })
    }

    /// What [`super::evaluate()`] takes.
    pub fn judge(&mut self) -> Judge<'_> {
        Judge { engine: &mut *self.engine, preprocess: &self.preprocess }
    }

    /// Probabilities `[classes]` of an image: the mean of the softmax over 1 or 10 views.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn probabilities(&mut self, image: &Image, views: usize) -> Result<Vec<f64>> {
        let (side, crop) = (self.preprocess.square, self.preprocess.crop);
        let views = if views == 10 { View::ten(side, crop).to_vec() } else { vec![View::center(side, crop)] };
        let square = self.preprocess.square(image);
        let len = self.preprocess.view_len();
        let mut images = vec![0.0; views.len() * len];
        for (view, image) in views.iter().zip(images.chunks_exact_mut(len)) {
            self.preprocess.view(&square, *view, [0.0; 3], image);
        }
        let mut probabilities = vec![0.0; self.classes.len()];
        let weight = 1.0 / views.len() as f64;
        add_probabilities(&mut self.judge(), &images, views.len(), weight, &mut probabilities)?;
        Ok(probabilities)
    }
}

/// The model file that `path` means: itself, or a run folder's best model, or its last one where a training ended
/// before its first validation.
///
/// # Errors
/// When there is nothing at `path`, or it is a folder without a model.
pub fn model_path(path: &Path) -> Result<PathBuf> {
    let refuse = |what: &str| {
        Err(Error::model(format!("{}: {what}", path.display()))
            .help("name a model file or a run folder: `alexnet eval runs/NAME --data SRC`"))
    };
    if !path.exists() {
        return refuse("there is no such file or folder");
    }
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    match ["best.safetensors", "last.safetensors"]
        .map(|name| path.join(name))
        .into_iter()
        .find(|p| p.is_file())
    {
        Some(model) => Ok(model),
        None => refuse("the folder has no best.safetensors and no last.safetensors, expected a run folder"),
    }
}

/// Checks that the models of an ensemble have the same classes in the same order.
///
/// # Errors
/// Names the first difference.
pub fn same_classes(models: &[Predictor]) -> Result<()> {
    let Some((first, others)) = models.split_first() else { return Ok(()) };
    let Some(other) = others.iter().find(|other| other.classes != first.classes) else { return Ok(()) };
    let name = |model: &Predictor, i: usize| {
        model.classes.get(i).map_or("no class".into(), |name| format!("{name:?}"))
    };
    let i = (0..).find(|&i| first.classes.get(i) != other.classes.get(i)).unwrap_or(0);
    Err(Error::model(format!(
        "an ensemble's models have the same classes in the same order; class {i} is {} in {} and {} in {}",
        name(first, i),
        first.path.display(),
        name(other, i),
        other.path.display()
    ))
    .help("evaluate them one by one, or train them on the same classes"))
}
