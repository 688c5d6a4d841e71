//! Models loaded from a file for inference.

use std::path::{Path, PathBuf};

use super::evaluate::Classifier;
use super::loaded::LoadedModel;
use crate::data::{Image, ImageRef, upright};
use crate::engine::Options;
use crate::engine::softmax::check_finite;
use crate::error::{nearest, shell};
use crate::model::{AnyModel, Ensemble, EnsembleSummary, ModelFile, check_same_classes, layout};
use crate::net::{Orientation, Precision, Views};
use crate::{Error, Result};

/// A model or an ensemble, loaded from a file and verified with its golden samples.
pub struct Predictor {
    /// The class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// The views averaged per image, from the recipe or the ensemble.
    pub views: Views,
    /// The model file.
    pub path: PathBuf,
    /// The models: several if the file is an ensemble.
    pub members: Vec<LoadedModel>,
    /// How the ensemble was made, if the file contains one.
    pub ensemble: Option<EnsembleSummary>,
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
    /// Loads the model or ensemble at `path`, a file or a run folder (see [`model_path`]).
    ///
    /// # Errors
    /// Returns an error if there is no model, if it is damaged, or if verification with its golden samples fails.
    pub fn load(path: &Path, options: &PredictorOptions) -> Result<Self> {
        let path = model_path(path)?;
        let file = ModelFile::load(&path)?;
        Self::open(&file, path.clone(), options).map_err(|error| error.context(path.display()))
    }

    /// Opens engines for the content of a model file, which was read from `path`.
    ///
    /// # Errors
    /// Returns an error if verification with the golden samples fails, if the options do not apply to the models, or if there is
    /// not enough memory.
    pub fn open(file: &ModelFile, path: PathBuf, options: &PredictorOptions) -> Result<Self> {
        match file {
            ModelFile::Single(model) => Self::single(model, path, options),
            ModelFile::Ensemble(ensemble) => Self::ensemble(ensemble, path, options),
        }
    }

    /// Opens an engine for a single model, which was read from `path`.
    ///
    /// # Errors
    /// See [`Predictor::open`].
    pub fn single(model: &AnyModel, path: PathBuf, options: &PredictorOptions) -> Result<Self> {
        let PredictorOptions { batch, threads, precision, half } = *options;
        let engine = model.engine_at(batch, threads, precision)?;
        Ok(Self {
            classes: model.classes().to_vec(),
            views: model.recipe().evaluation.views,
            path,
            members: vec![LoadedModel::new(model, 1.0, engine, threads, half)?],
            ensemble: None,
        })
    }

    fn ensemble(ensemble: &Ensemble, path: PathBuf, options: &PredictorOptions) -> Result<Self> {
        let PredictorOptions { batch, threads, precision, half } = *options;
        let engines = ensemble.engines(batch, threads, precision)?;
        let members = ensemble.members.iter().zip(engines);
        let members = members
            .map(|(member, engine)| LoadedModel::new(&member.model, member.weight, engine, threads, half));
        Ok(Self {
            classes: ensemble.classes().to_vec(),
            views: ensemble.views,
            path,
            members: members.collect::<Result<_>>()?,
            ensemble: Some(ensemble.summary.clone()),
        })
    }

    /// Returns the models in the form that [`super::ensemble()`] needs.
    pub fn classifiers(&mut self) -> impl Iterator<Item = Classifier<'_>> {
        self.members.iter_mut().map(LoadedModel::classifier)
    }

    /// Returns the model of a file that contains only one.
    ///
    /// # Errors
    /// Returns an error if it is an ensemble.
    pub fn single_member(&mut self) -> Result<&mut LoadedModel> {
        match &mut self.members[..] {
            [member] => Ok(member),
            members => {
                let (path, count) = (self.path.display(), members.len());
                let message = format!(
                    "{path}: an ensemble of {count} models, expected a single one, to read its activations"
                );
                Err(Error::usage(message).help("use one of the models that it was made of"))
            }
        }
    }

    /// Computes the class probabilities of an image: the mean of the softmax over `views`, and the weighted mean over
    /// the models.
    ///
    /// # Errors
    /// Returns an error as [`Predictor::probabilities_of_images`] does.
    pub fn probabilities(&mut self, image: &Image, views: Views) -> Result<Vec<f64>> {
        self.probabilities_of_images(&[image.into()], views)
    }

    /// Computes the class probabilities of several images, `[images, classes]`, as [`Predictor::probabilities`] does, in as few
    /// calls of the engines as their batch allows. Images may have different sizes; those whose size is that of the model's
    /// square are not copied.
    ///
    /// # Errors
    /// Returns an error if an engine fails, if a probability is not finite, or if there is not enough memory.
    pub fn probabilities_of_images(&mut self, images: &[ImageRef<'_>], views: Views) -> Result<Vec<f64>> {
        let total = self.total_weight();
        let mut probabilities = vec![0.0; images.len() * self.classes.len()];
        for member in &mut self.members {
            let weight = member.weight / total;
            member.add(images, views, weight, &mut probabilities)?;
        }
        check_finite(&probabilities)?;
        Ok(probabilities)
    }

    /// Computes the class probabilities of an image file, as [`Predictor::probabilities`] does. It is rotated by its EXIF
    /// orientation for the models whose preprocessing requires that.
    ///
    /// # Errors
    /// Returns an error if the image cannot be decoded, if a probability is not finite, or if an engine fails.
    pub fn probabilities_of_file(&mut self, bytes: &[u8], views: Views) -> Result<Vec<f64>> {
        let mut decoded: Vec<(Orientation, Image)> = Vec::new();
        for member in &self.members {
            let orientation = member.preprocess.orientation;
            if decoded.iter().all(|(other, _)| *other != orientation) {
                decoded.push((orientation, upright::decode(bytes, orientation)?));
            }
        }
        let total = self.total_weight();
        let mut probabilities = vec![0.0; self.classes.len()];
        for member in &mut self.members {
            let orientation = member.preprocess.orientation;
            let found = decoded.iter().find(|(other, _)| *other == orientation);
            let image = &found.expect("decoded for each member").1;
            let weight = member.weight / total;
            member.add(&[image.into()], views, weight, &mut probabilities)?;
        }
        check_finite(&probabilities)?;
        Ok(probabilities)
    }

    fn total_weight(&self) -> f64 {
        self.members.iter().map(|member| member.weight).sum()
    }
}

/// Returns the model file that `path` refers to: the file itself, or in a run folder the best model, or the last one if
/// training ended before its first validation.
///
/// # Errors
/// Returns an error if `path` does not exist, or if it is a folder without a model.
pub fn model_path(path: &Path) -> Result<PathBuf> {
    let refuse = |what: &str| Err(Error::model(format!("{}: {what}", path.display())).help(instead_of(path)));
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

/// Returns what to name instead of a path without a model: the runs in that folder, or the run with the most similar name.
fn instead_of(path: &Path) -> String {
    let runs_in = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        runs.retain(|run| layout::model(run).is_some());
        runs.sort();
        runs
    };
    let inside: Vec<String> = runs_in(path).iter().map(shell).collect();
    if !inside.is_empty() {
        return format!("specify one of the runs in it: {}", inside.join(", "));
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut runs = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => runs_in(folder),
        None => [runs_in(Path::new("runs")), runs_in(Path::new("."))].concat(),
    };
    runs.retain(|run| run != path);
    let names: Vec<String> = runs.iter().map(|run| name(run)).collect();
    let near = nearest(&name(path), names.iter().map(String::as_str));
    let near = near.and_then(|near| names.iter().position(|name| name == near));
    match near {
        Some(at) => format!("did you mean `{}`?", shell(&runs[at])),
        None => "specify a model file or a run folder, such as runs/NAME".to_owned(),
    }
}

/// Checks that the models of an ensemble have the same classes in the same order.
///
/// # Errors
/// Returns an error that names the first difference.
pub fn same_classes(models: &[Predictor]) -> Result<()> {
    check_same_classes(
        models.iter().map(|model| (model.path.display().to_string(), model.classes.as_slice())),
    )
}
