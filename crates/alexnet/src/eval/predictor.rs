//! A model loaded from a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::evaluate::{Classifier, add_probabilities};
use crate::data::{Image, Preprocess, View};
use crate::engine::{Engine, Options};
use crate::model::{Model, layout};
use crate::net::Precision;
use crate::{Error, Result};

/// A model, loaded from a file and verified with its golden samples.
pub struct Predictor {
    /// The class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image becomes the input of the network.
    pub preprocess: Arc<Preprocess>,
    /// The number of views averaged per image, from the recipe: 1 or 10.
    pub views: usize,
    /// The model file.
    pub path: PathBuf,
    /// The digest of the training images, if the file contains it; see [`crate::model::Summary`].
    pub trained_on: Option<String>,
    engine: Box<dyn Engine>,
}

/// How a model is opened for inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictorOptions {
    /// Maximum number of views per call. Default: 1.
    pub batch: usize,
    /// Number of threads. Default: all cores.
    pub threads: usize,
    /// The format of the operands of products. Default: `None`, that of the recipe.
    pub precision: Option<Precision>,
    /// Whether the weights of fully connected layers are stored in half precision (binary16): faster on single images.
    /// Default: `false`.
    pub half: bool,
}

impl Default for PredictorOptions {
    fn default() -> Self {
        let Options { batch, threads, .. } = Options::default();
        Self { batch, threads, precision: None, half: false }
    }
}

impl Predictor {
    /// Loads the model at `path`, a file or a run folder (see [`model_path`]).
    ///
    /// # Errors
    /// Returns an error if there is no model, if it is damaged, or if verification with its golden samples fails.
    pub fn load(path: &Path, options: &PredictorOptions) -> Result<Self> {
        let PredictorOptions { batch, threads, precision, half } = *options;
        let path = model_path(path)?;
        let model = Model::load(&path)?;
        let precision = precision.unwrap_or(model.recipe.precision);
        let mut engine =
            model.engine_at(batch, threads, precision).map_err(|error| error.context(path.display()))?;
        if half {
            engine.convert_fc_to_f16()?;
        }
        let Model { recipe, classes, preprocess, summary, .. } = model;
        let views = recipe.evaluation.views;
        let (preprocess, trained_on) = (Arc::new(preprocess), summary.trained_on);
        Ok(Self { classes, preprocess, views, path, trained_on, engine })
    }

    /// Returns the model in the form that [`super::evaluate()`] needs.
    pub fn classifier(&mut self) -> Classifier<'_> {
        Classifier { engine: &mut *self.engine, preprocess: &self.preprocess }
    }

    /// Computes the class probabilities of an image: the mean of the softmax over 1 or 10 views.
    ///
    /// # Errors
    /// Returns an error if the engine fails.
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
        add_probabilities(&mut self.classifier(), &images, views.len(), weight, &mut probabilities)?;
        Ok(probabilities)
    }
}

/// Returns the model file that `path` refers to: the file itself, or in a run folder the best model, or the last one if
/// training ended before its first validation.
///
/// # Errors
/// Returns an error if `path` does not exist, or if it is a folder without a model.
pub fn model_path(path: &Path) -> Result<PathBuf> {
    let refuse = |what: &str| {
        Err(Error::model(format!("{}: {what}", path.display()))
            .help("specify a model file or a run folder: `alexnet eval runs/NAME --data SRC`"))
    };
    if !path.exists() {
        return refuse("no such file or folder");
    }
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    layout::model(path).map_or_else(
        || {
            let (best, last) = (layout::BEST, layout::LAST);
            refuse(&format!("the folder contains neither {best} nor {last}, expected a run folder"))
        },
        Ok,
    )
}

/// Checks that the models of an ensemble have the same classes in the same order.
///
/// # Errors
/// Returns an error that names the first difference.
pub fn same_classes(models: &[Predictor]) -> Result<()> {
    let Some((first, others)) = models.split_first() else { return Ok(()) };
    let Some(other) = others.iter().find(|other| other.classes != first.classes) else { return Ok(()) };
    let name = |model: &Predictor, i: usize| {
        model.classes.get(i).map_or("missing".into(), |name| format!("{name:?}"))
    };
    let i = (0..).find(|&i| first.classes.get(i) != other.classes.get(i)).unwrap_or(0);
    Err(Error::model(format!(
        "class {i} is {} in {} and {} in {}, expected the same classes in the same order",
        name(first, i),
        first.path.display(),
        name(other, i),
        other.path.display()
    ))
    .help("evaluate the models separately, or train them on the same classes"))
}
