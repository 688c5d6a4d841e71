//! The contents of an ensemble's file.

use serde::{Deserialize, Serialize};

use super::checks::{check_same_classes, check_weights};
use super::member::Member;
use super::mixture::{GoldenMixture, Mixture};
use crate::engine::Engine;
use crate::error::Kind;
use crate::net::{Precision, Views};
use crate::{Error, Result};

/// The images per call of the engines that compute the golden samples.
const BATCH: usize = 4;

/// Several models whose class probabilities are averaged with weights, for inference.
///
/// The file is a safetensors file with `format_version` 4. The tensors and string metadata of model I, from 0, are those of its
/// own file with `models.I.` before their names, without its `sha256`. The ensemble's own tensors: `golden.pictures` bytes
/// `[n, side, side, 3]`, `golden.probabilities` `[n, classes]`, and last `sha256` as in a [`Model`](crate::model::Model).
/// Its own metadata: `weights` (a JSON array), `views`, `summary` (a JSON object), and for each model `models.I.sha256`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// The models, at least one, with the same classes in the same order.
    pub members: Vec<Member>,
    /// The views averaged per image.
    pub views: Views,
    /// How the ensemble was made.
    pub summary: EnsembleSummary,
    /// Sample images with the probabilities of the ensemble.
    pub golden: GoldenMixture,
}

/// How an ensemble was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleSummary {
    /// The version of the program that wrote the file.
    pub program: String,
    /// How the weights were chosen.
    pub weights: WeightChoice,
}

/// How the weights of an ensemble were chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "choice", rename_all = "kebab-case")]
pub enum WeightChoice {
    /// Equal.
    Equal,
    /// Specified by the user.
    Specified,
    /// Searched on images. Accuracies are top-1, from 0 to 1.
    Searched {
        /// The SHA-256 of the names and labels of the images.
        searched_on: String,
        /// The number of images.
        images: usize,
        /// The accuracy on these images with equal weights.
        equal: f64,
        /// The accuracy on these images with the weights found: optimistic.
        searched: f64,
        /// The accuracy on each half of these images with weights that were searched on the other half.
        nested: f64,
    },
}

impl Ensemble {
    /// Makes an ensemble and computes its golden samples. Verifies each model with its own golden samples first. `threads` is the
    /// number of compute threads.
    ///
    /// # Errors
    /// Returns an error if there are no models, if their classes differ, if weights are not above 0 or do not sum to 1, or if
    /// the engine of a model cannot be opened.
    pub fn new(members: Vec<Member>, views: Views, weights: WeightChoice, threads: usize) -> Result<Self> {
        let summary = EnsembleSummary { program: env!("CARGO_PKG_VERSION").into(), weights };
        let golden = GoldenMixture { images: Vec::new(), probabilities: Vec::new() };
        let mut ensemble = Self { members, views, summary, golden };
        ensemble.check()?;
        let images = ensemble.members[0].model.golden().images.clone();
        let mut mixture = Mixture::new(&ensemble.members, images.len());
        for (i, member) in ensemble.members.iter().enumerate() {
            let engine = member.model.engine_at(BATCH, threads, None);
            let mut engine = engine.map_err(|error| error.context(ensemble.name(i)))?;
            mixture.add(member, &mut *engine, &images)?;
        }
        let probabilities = mixture.finish();
        ensemble.golden = GoldenMixture { images, probabilities };
        Ok(ensemble)
    }

    /// Opens an engine for each member, for inference on up to `batch` images at once with `threads` threads, and verifies them
    /// and their mixture with the golden samples. `precision` is that of the products of f32 models; `None`, those of their
    /// recipes.
    ///
    /// # Errors
    /// Returns an error as [`AnyModel::engine_at`](crate::model::AnyModel::engine_at) does, or if the probabilities of the golden samples differ from those in the
    /// file.
    pub fn engines(
        &self,
        batch: usize,
        threads: usize,
        precision: Option<Precision>,
    ) -> Result<Vec<Box<dyn Engine>>> {
        let open = |(i, member): (usize, &Member)| {
            let engine = member.model.engine_at(batch, threads, precision);
            engine.map_err(|error| error.context(self.name(i)))
        };
        let mut engines = self.members.iter().enumerate().map(open).collect::<Result<Vec<_>>>()?;
        self.golden.verify(&self.members, &mut engines)?;
        Ok(engines)
    }

    /// The class names, in the order of the outputs.
    pub fn classes(&self) -> &[String] {
        self.members.first().map_or(&[], |member| member.model.classes())
    }

    /// Checks that members and weights fit each other.
    pub(super) fn check(&self) -> Result<()> {
        if self.members.is_empty() {
            return Err(Error::model("the ensemble contains no models, expected at least 1"));
        }
        let weights: Vec<f64> = self.members.iter().map(|member| member.weight).collect();
        check_weights(&weights, self.members.len()).map_err(|error| Error { kind: Kind::Model, ..error })?;
        let classes = self.members.iter().enumerate();
        check_same_classes(classes.map(|(i, member)| (self.name(i), member.model.classes())))
    }

    /// `model 2 of 3`.
    fn name(&self, i: usize) -> String {
        format!("model {} of {}", i + 1, self.members.len())
    }
}
