//! The results of a reproduction: `results.json`. The names are an interface.

use serde::Serialize;

use super::experiment::Finding;
use super::speed::ChosenRate;
use crate::eval::statistics::{Interval, SignFlip};

/// The results of a reproduction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Results {
    /// The version of this format: 1.
    pub format_version: u32,
    /// The recipe's name.
    pub recipe: String,
    /// The data set.
    pub data: String,
    /// The number of seeds, 0 to `seeds - 1`.
    pub seeds: usize,
    /// The number of epochs of each arm.
    pub epochs: usize,
    /// What this number of seeds can show at all.
    pub power: String,
    /// What the reader has to know about the images.
    pub notes: Vec<String>,
    /// The experiments.
    pub experiments: Vec<ExperimentResult>,
    /// The arms, with the result of each seed.
    pub arms: Vec<ArmResult>,
    /// The learning rates of the `relu` experiment, and how they were chosen.
    pub rates: Vec<ChosenRate>,
}

/// The result of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExperimentResult {
    /// The name: `lrn`.
    pub name: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// What was compared.
    pub comparisons: Vec<ComparisonResult>,
    /// What the paper and others found.
    pub published: &'static [Finding],
    /// The curves, relative to the folder; `null` without them.
    pub plot: Option<String>,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonResult {
    /// What has the ingredient: `control`, `10 views`, `ensemble`, `relu`.
    pub with: String,
    /// What lacks it.
    pub without: String,
    /// The comparison.
    #[serde(flatten)]
    pub compared: Compared,
}

/// A comparison of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "pairs_of", rename_all = "kebab-case")]
pub enum Compared {
    /// Training runs with the same seeds.
    Seeds(SeedPairs),
    /// The same images.
    Images(ImagePairs),
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Top-1 accuracy in percent: differences are percentage points.
    Points,
    /// Epochs until the training error falls to 25 %.
    Epochs,
}

/// A comparison of training runs with the same seeds. A positive difference means that the ingredient helps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedPairs {
    /// What is measured.
    pub unit: Unit,
    /// The pairs, by seed.
    pub pairs: Vec<SeedPair>,
    /// The mean of the differences.
    pub mean_difference: f64,
    /// The BCa bootstrap interval of the mean; null for one seed.
    pub interval: Option<Interval>,
    /// The two-sided sign-flip test; null for one seed.
    pub sign_flip: Option<SignFlip>,
    /// For epochs: the mean without the ingredient over the mean with it; null if training runs of both ended too early.
    pub ratio: Option<f64>,
    /// For epochs: training runs that ended before the error had fallen to the target. Their epochs are lower bounds.
    pub unreached: Unreached,
}

/// Training runs that ended before the training error had fallen to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// With the ingredient: the ratio is an upper bound.
    pub with: usize,
    /// Without it: the ratio is a lower bound.
    pub without: usize,
}

impl Unreached {
    /// Returns the number of training runs of both arms.
    pub fn total(self) -> usize {
        self.with + self.without
    }
}

/// A pair of training runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedPair {
    /// The seed of both.
    pub seed: u64,
    /// The value with the ingredient.
    pub with: f64,
    /// The value without.
    pub without: f64,
    /// How much better it is with the ingredient.
    pub difference: f64,
}

/// The ensemble against its best member. The best member is chosen on the same images, which favors it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImagePairs {
    /// The number of images.
    pub images: usize,
    /// Top-1 accuracy of the ensemble, in percent.
    pub ensemble: f64,
    /// Top-1 accuracy of each member, in percent, by seed.
    pub members: Vec<f64>,
    /// The seed of the best member.
    pub best_seed: u64,
    /// The accuracy of the ensemble minus that of the best member, in points.
    pub difference: f64,
    /// The interval of the difference, over images.
    pub interval: Interval,
    /// The p of McNemar's exact test.
    pub mcnemar_p: f64,
}

/// An arm, with the result of each seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmResult {
    /// The name, and that of its folder.
    pub name: String,
    /// What differs from the control, as for `--set`.
    pub edits: Vec<String>,
    /// The number of weights and biases.
    pub parameters: usize,
    /// The number of multiply-adds per image.
    pub macs: usize,
    /// The training runs, by seed.
    pub runs: Vec<RunResult>,
}

/// A training run. The last model is evaluated, not the best: that would be chosen on the images it is evaluated on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunResult {
    /// The seed.
    pub seed: u64,
    /// Epochs.
    pub epochs: usize,
    /// Steps.
    pub steps: usize,
    /// Validation images; null for an arm that is not evaluated.
    pub images: Option<usize>,
    /// Top-1 accuracy, from 0 to 1, with the recipe's views.
    pub top1: Option<f64>,
    /// Top-5 accuracy.
    pub top5: Option<f64>,
    /// Loss.
    pub loss: Option<f64>,
    /// Epochs until the training error had fallen to 25 %; null if it had not, and for arms that train longer.
    pub epochs_to_target: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
    /// The run folder, relative to the output folder.
    pub run: String,
}
