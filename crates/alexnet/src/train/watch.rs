//! Recognizes the known failures of this network, and names remedies.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::remedy::{PIXEL_STD, Remedy};
use super::schedule::divided;
use super::tally::Tally;
use crate::engine::Health;
use crate::error::shell;
use crate::format::{decimal, learning_rate};
use crate::net::Recipe;

/// Most rollbacks of a training run.
pub const MAX_ROLLBACKS: usize = 3;

/// Divisor of the learning rate at a rollback.
pub const ROLLBACK_DIVISOR: f32 = 10.0;

/// A loss above this share of chance level has not left it.
const FLAT: f64 = 0.98;

/// A loss of this many times chance level is not flat but far too high.
const HIGH: f64 = 2.0;

/// A loss of this many times chance level means that the training has diverged: the model is worthless.
const DIVERGED: f64 = 100.0;

/// Largest share of units that may be inactive for every image of a batch.
const MAX_DEAD: f32 = 0.5;

/// The healthy range of an update relative to the weights.
const UPDATE_RATIO: std::ops::Range<f32> = 1e-6..0.1;

/// Steps before which neither layers nor losses are evaluated: at first every network is at chance level.
const WARMUP_STEPS: usize = 100;

/// Fewest images whose mean loss is meaningful.
const MIN_IMAGES: f64 = 32.0;

/// Typical standard deviation of the loss of an image.
const LOSS_STD: f64 = 0.5;

/// How exactly a mean loss has to be known, as a share of chance level.
const PRECISION: f64 = 0.05;

/// Standard deviations above the accuracy of random guesses that count as more than luck.
const LUCK: f64 = 3.0;

/// Steps per epoch that are few: a smaller batch gives at least one more than these.
const FEW_STEPS: usize = 5;

/// What to do when values become non-finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDivergence {
    /// Restore the last checkpoint and continue at a tenth of the learning rate, at most [`MAX_ROLLBACKS`] times.
    #[default]
    LowerRate,
    /// Stop.
    Stop,
}

impl OnDivergence {
    /// All actions.
    pub const ALL: [Self; 2] = [Self::LowerRate, Self::Stop];

    /// The name on the command line and in `run.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowerRate => "lower-rate",
            Self::Stop => "stop",
        }
    }
}

/// What to do when the loss stays at chance level for an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnPlateau {
    /// Name remedies.
    #[default]
    #[serde(alias = "tell")]
    Advise,
    /// Restart with [`Remedy::He`].
    RestartWithHe,
    /// Restart with [`Remedy::SmallBiases`].
    RestartWithSmallBiases,
    /// Stop.
    Stop,
}

impl OnPlateau {
    /// All actions.
    pub const ALL: [Self; 4] = [Self::Advise, Self::RestartWithHe, Self::RestartWithSmallBiases, Self::Stop];

    /// The name on the command line and in `run.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Advise => "advise",
            Self::RestartWithHe => "restart-with-he",
            Self::RestartWithSmallBiases => "restart-with-small-biases",
            Self::Stop => "stop",
        }
    }

    /// Whether it restarts the training.
    pub(super) const fn is_restart(self) -> bool {
        matches!(self, Self::RestartWithHe | Self::RestartWithSmallBiases)
    }
}

/// Something that does not look right, and a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Steps so far.
    pub step: usize,
    /// What was observed.
    pub finding: String,
    /// What usually helps.
    #[serde(rename = "cure")]
    pub remedy: String,
}

/// What has been reported: each is reported once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Symptom {
    ChanceLevel,
    HighLoss,
    Unlearned,
    Inactive(String),
    FastUpdates(String),
    SlowUpdates(String),
}

/// Recognizes known failures; reports each once.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    reported: BTreeSet<Symptom>,
    advice: Vec<Advice>,
    /// That about a loss at chance level.
    chance_level: Option<Advice>,
    /// What was advised about the learning rate, and the learning rate then.
    direction: Option<(Direction, f32)>,
}

/// A change of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Lower,
    Higher,
}

impl Watch {
    /// All advice so far.
    pub fn advice(&self) -> &[Advice] {
        &self.advice
    }

    /// The advice about a loss at chance level, if there was any.
    pub fn chance_level(&self) -> Option<&Advice> {
        self.chance_level.as_ref()
    }

    /// Whether the loss is evaluated at the end of an epoch from step `before` to step `now`: once, at the end of the first
    /// epoch unless that has too few steps.
    pub fn is_due(before: usize, now: usize) -> bool {
        (before..now).contains(&(WARMUP_STEPS - 1))
    }

    /// Returns the steps by which to evaluate the loss: the last quarter of an epoch, or all of it if a quarter has too few
    /// images.
    pub fn evidence(late: Tally, epoch: Tally, classes: usize) -> Tally {
        if is_enough(&late, classes) { late } else { epoch }
    }

    /// Whether the loss is still at chance level, ln(classes): the best-known failure of this network. Requires enough images,
    /// of which no more are classified correctly than by luck.
    pub fn is_flat(seen: &Tally, classes: usize) -> bool {
        is_enough(seen, classes)
            && is_guessing(seen, classes)
            && seen.mean_loss() < HIGH * (classes as f64).ln()
    }

    /// Whether a model is no better than a guess on its validation images, and, if these are too few to tell, was none on its last
    /// training images either.
    pub(super) fn is_unlearned(validation: &Tally, training: &Tally, classes: usize) -> bool {
        let is_known = |seen: &Tally| is_enough(seen, classes);
        is_guessing(validation, classes)
            && (is_known(validation) || (is_known(training) && is_guessing(training, classes)))
    }

    /// The last of these tallies, in order of time: as many as are needed to compare their loss with chance level.
    pub(super) fn last_evidence(tallies: impl DoubleEndedIterator<Item = Tally>, classes: usize) -> Tally {
        let mut seen = Tally::default();
        for tally in tallies.rev() {
            if is_enough(&seen, classes) {
                break;
            }
            seen.images += tally.images;
            seen.correct += tally.correct;
            seen.loss += tally.loss;
        }
        seen
    }

    /// Whether the loss is far above chance level. With one class there is nothing to learn.
    pub fn is_high(seen: &Tally, classes: usize) -> bool {
        is_enough(seen, classes) && seen.mean_loss() >= HIGH * (classes as f64).ln()
    }

    /// Whether a loss, finite or not, means that the training has diverged: more than 100 times chance level, ln(classes), or
    /// ln(2) for fewer classes.
    pub fn has_diverged(loss: f64, classes: usize) -> bool {
        let limit = DIVERGED * (classes.max(2) as f64).ln();
        loss.is_nan() || loss > limit
    }

    /// Whether the statistics of a layer call for a lower learning rate.
    pub fn needs_lower_lr(layer: &Health) -> bool {
        updates_are_fast(layer) || is_mostly_inactive(layer)
    }

    /// Advice for a loss that may be at chance level or far above it.
    pub fn loss(&mut self, step: usize, seen: &Tally, classes: usize, recipe: &Recipe) -> Option<Advice> {
        let (loss, chance_loss) = (seen.mean_loss(), (classes as f64).ln());
        if Self::is_flat(seen, classes) {
            let finding = format!(
                "the loss is still {loss:.3}, chance level for {classes} classes (ln {classes} = {chance_loss:.3})"
            );
            let known =
                [Remedy::He, Remedy::SmallBiases].into_iter().filter_map(|remedy| remedy.advice(recipe));
            let known = known.collect::<Vec<_>>().join("; ");
            let remedy = format!("more steps may be enough; otherwise try {known}");
            let advice = self.report(Symptom::ChanceLevel, Advice { step, finding, remedy });
            self.chance_level = self.chance_level.take().or_else(|| advice.clone());
            return advice;
        }
        if Self::is_high(seen, classes) {
            let finding =
                format!("the loss is {loss:.3}, far above chance level (ln {classes} = {chance_loss:.3})");
            let remedy = format!(
                "the learning rate is too high, or the initial weights are too large for the pixel scale: try \
                 --set optimizer.rate={}, or --set input.divisor={PIXEL_STD}; `alexnet lr-find` suggests a learning rate",
                learning_rate(divided(recipe.optimizer.rate, ROLLBACK_DIVISOR, 1))
            );
            return self.report(Symptom::HighLoss, Advice { step, finding, remedy });
        }
        None
    }

    /// Advice for a run of these steps whose best model has learned nothing, as `validation` shows.
    pub(super) fn unlearned(
        &mut self,
        step: usize,
        validation: &Tally,
        images: usize,
        classes: usize,
        recipe: &Recipe,
    ) -> Option<Advice> {
        let finding = format!(
            "the best model has not learned to tell the classes apart: top-1 {:.2} %, loss {:.4}; a guess among {classes} classes \
             has {:.2} %, ln {classes} = {:.4}",
            100.0 * validation.top1(),
            validation.mean_loss(),
            100.0 / classes as f64,
            (classes as f64).ln()
        );
        let smaller = smaller_batch(images, recipe.optimizer.batch);
        let smaller =
            smaller.map(|batch| format!("a smaller batch, for more steps: --set optimizer.batch={batch}"));
        let known = if step < WARMUP_STEPS { None } else { Remedy::He.advice(recipe) };
        let epochs = 2 * recipe.schedule.epochs;
        let scaled =
            recipe.schedule.in_proportion(epochs).map_or(String::new(), |option| format!(" {option}"));
        let more = format!("more epochs: --epochs {epochs}{scaled}");
        let others = [
            "more images per class".to_owned(),
            "weights that were learned on ImageNet: --init MODEL (docs/interop.md)".to_owned(),
        ];
        let remedies: Vec<String> = smaller.into_iter().chain(known).chain([more]).chain(others).collect();
        let remedy = format!("try {}", remedies.join("; "));
        self.report(Symptom::Unlearned, Advice { step, finding, remedy })
    }

    /// Advice on the layers of the run in this folder after a step at this learning rate.
    pub fn layers(&mut self, step: usize, layers: &[Health], lr: f32, run: &Path) -> Vec<Advice> {
        if step < WARMUP_STEPS {
            return Vec::new();
        }
        layers
            .iter()
            .flat_map(|layer| [self.inactive(step, layer, lr, run), self.updates(step, layer, lr, run)])
            .flatten()
            .collect()
    }

    fn inactive(&mut self, step: usize, layer: &Health, lr: f32, run: &Path) -> Option<Advice> {
        if !is_mostly_inactive(layer) {
            return None;
        }
        let name = &layer.layer;
        let share = 100.0 * layer.dead_fraction.unwrap_or_default();
        let finding = format!("{name}: {share:.0} % of its units are inactive for every image of the batch");
        // A learning rate that hardly changes the weights has not switched them off.
        let lower = !updates_are_slow(layer) && self.may_advise(Direction::Lower, lr);
        let lower = match lower {
            true => format!("a lower learning rate, `{}`; ", edit_lr(run, divided(lr, 2.0, 1))),
            false => String::new(),
        };
        let remedy = format!(
            "inactive units receive no gradient: try {lower}in the next training a positive bias, `--set \
             layer.{name}.weights.bias=0.1`, or He initialization"
        );
        self.report(Symptom::Inactive(name.clone()), Advice { step, finding, remedy })
    }

    /// Advice on updates that are large or small relative to the weights. Those of inactive units are small.
    fn updates(&mut self, step: usize, layer: &Health, lr: f32, run: &Path) -> Option<Advice> {
        let name = &layer.layer;
        let own = |rate: &str| {
            format!(
                "in the next training a learning rate of its own, `--set layer.{name}.weights.rate={rate}`"
            )
        };
        let (symptom, remedy) = if updates_are_fast(layer) {
            let remedy = match self.may_advise(Direction::Lower, lr) {
                true => {
                    format!("a lower learning rate, `{}`", edit_lr(run, divided(lr, ROLLBACK_DIVISOR, 1)))
                }
                false => own("0.1"),
            };
            (Symptom::FastUpdates(name.clone()), remedy)
        } else if updates_are_slow(layer) && !is_mostly_inactive(layer) {
            let remedy = match self.may_advise(Direction::Higher, lr) {
                true => format!("a higher learning rate, `{}`", edit_lr(run, (10.0 * decimal(lr)) as f32)),
                false => own("10"),
            };
            let initial = "larger initial weights below this layer, such as He initialization";
            (Symptom::SlowUpdates(name.clone()), format!("{remedy}, or {initial}"))
        } else {
            return None;
        };
        let finding =
            format!("{name}: a step changes its weights by {:.0e} of their magnitude", layer.ratio());
        let remedy = format!("about 1e-3 is healthy: try {remedy}");
        self.report(symptom, Advice { step, finding, remedy })
    }

    /// Whether to advise this change of the learning rate: not the contrary of what was advised before, except for a lower one after
    /// it was raised.
    fn may_advise(&mut self, direction: Direction, lr: f32) -> bool {
        let (before, then) = *self.direction.get_or_insert((direction, lr));
        if before == Direction::Higher && direction == Direction::Lower && lr > then {
            self.direction = Some((direction, lr));
        }
        self.direction.is_some_and(|(advised, _)| advised == direction)
    }

    /// Records advice that has been given already.
    pub fn add(&mut self, advice: Advice) {
        self.advice.push(advice);
    }

    fn report(&mut self, symptom: Symptom, advice: Advice) -> Option<Advice> {
        if !self.reported.insert(symptom) {
            return None;
        }
        self.advice.push(advice.clone());
        Some(advice)
    }
}

fn is_mostly_inactive(layer: &Health) -> bool {
    layer.dead_fraction.is_some_and(|dead| dead > MAX_DEAD)
}

/// The command that changes the learning rate of a run.
fn edit_lr(run: &Path, lr: f32) -> String {
    format!("alexnet edit {} lr={}", shell(run), learning_rate(lr))
}

fn updates_are_slow(layer: &Health) -> bool {
    layer.update > 0.0 && layer.ratio() < UPDATE_RATIO.start
}

fn updates_are_fast(layer: &Health) -> bool {
    layer.update > 0.0 && layer.ratio() >= UPDATE_RATIO.end
}

/// Whether the loss is that of a guess or higher, and no more images are classified correctly than by luck.
fn is_guessing(seen: &Tally, classes: usize) -> bool {
    let images = seen.images as f64;
    let chance = 1.0 / classes.max(1) as f64;
    let lucky = images * chance + LUCK * (images * chance * (1.0 - chance)).sqrt();
    classes > 1 && seen.mean_loss() >= FLAT * (classes as f64).ln() && seen.correct as f64 <= lucky
}

/// A smaller batch, a power of two, if an epoch of `images` has few steps and one is possible.
pub(super) fn smaller_batch(images: usize, batch: usize) -> Option<usize> {
    let most = (images / (FEW_STEPS + 1)).max(1);
    let smaller = 1 << most.ilog2();
    (images > 0 && images.div_ceil(batch) <= FEW_STEPS && smaller < batch).then_some(smaller)
}

/// Whether there are enough images for their mean loss to be compared with ln(classes).
fn is_enough(seen: &Tally, classes: usize) -> bool {
    let chance_loss = (classes as f64).ln();
    // The standard error of the mean of n losses is LOSS_STD / sqrt(n).
    let needed = (LOSS_STD / (PRECISION * chance_loss)).powi(2).max(MIN_IMAGES);
    classes > 1 && seen.images as f64 >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(dead_fraction: Option<f32>, update: f32) -> Health {
        Health { layer: "conv2".into(), activation: 1.0, dead_fraction, gradient: 0.1, weight: 0.01, update }
    }

    #[test]
    fn layers_are_reported_once_and_only_if_something_is_wrong() {
        let (mut watch, run) = (Watch::default(), Path::new("my runs/pets"));
        assert!(watch.layers(500, &[health(Some(0.2), 1e-5), health(None, 0.0)], 0.01, run).is_empty());
        assert!(watch.layers(20, &[health(Some(0.9), 1.0)], 0.01, run).is_empty(), "too early");
        let found = watch.layers(500, &[health(Some(0.9), 0.005)], 0.01, run);
        assert!(
            found[0].finding.contains("conv2: 90 %") && found[1].finding.contains("by 5e-1"),
            "{found:?}"
        );
        assert!(found[0].remedy.contains("`alexnet edit 'my runs/pets' lr=0.005`"), "{found:?}");
        assert!(found[1].remedy.contains("`alexnet edit 'my runs/pets' lr=0.001`"), "{found:?}");
        assert!(watch.layers(520, &[health(Some(0.9), 0.005)], 0.01, run).is_empty());
        assert_eq!(watch.advice(), found);
        assert_eq!(watch.layers(540, &[health(None, 1e-9)], 0.01, run).len(), 1);
    }

    /// A layer whose weights hardly change has not been switched off by a high learning rate.
    #[test]
    fn advice_about_the_learning_rate_has_one_direction() {
        let (mut watch, run) = (Watch::default(), Path::new("runs/pets"));
        let found = watch.layers(500, &[health(Some(0.55), 4e-13)], 1e-9, run);
        assert!(found.len() == 1 && found[0].remedy.contains("a positive bias"), "{found:?}");
        assert!(!found[0].remedy.contains("learning rate"), "{found:?}");

        let slow = watch.layers(520, &[health(None, 4e-13)], 1e-9, run);
        assert!(
            slow[0].remedy.contains("a higher learning rate, `alexnet edit runs/pets lr=1e-8`"),
            "{slow:?}"
        );
        let named = |layer: &str, update: f32| Health { layer: layer.into(), ..health(None, update) };
        let fast = watch.layers(520, &[named("fc5", 1.0)], 1e-9, run);
        assert!(fast[0].remedy.contains("`--set layer.fc5.weights.rate=0.1`"), "{fast:?}");
        assert!(!fast[0].remedy.contains("alexnet edit"), "{fast:?}");
        // The learning rate was raised, as advised, and is now too high.
        let fast = watch.layers(540, &[named("fc6", 1.0)], 1e-3, run);
        assert!(
            fast[0].remedy.contains("a lower learning rate, `alexnet edit runs/pets lr=0.0001`"),
            "{fast:?}"
        );
        let slow = watch.layers(560, &[named("fc6", 4e-13)], 1e-4, run);
        assert!(slow[0].remedy.contains("`--set layer.fc6.weights.rate=10`"), "{slow:?}");
    }

    /// `images` images with a mean loss, of which `correct` are classified correctly.
    fn tally(images: usize, loss: f64, correct: usize) -> Tally {
        Tally { images, correct, loss: images as f64 * loss, ..Tally::default() }
    }

    #[test]
    fn a_flat_loss_is_one_near_chance_level() {
        assert!(Watch::is_flat(&tally(100, 2.303, 10), 10) && Watch::is_flat(&tally(100, 2.27, 12), 10));
        assert!(Watch::is_high(&tally(100, 150.0, 10), 10) && !Watch::is_flat(&tally(100, 150.0, 10), 10));
        assert!(!Watch::is_flat(&tally(100, 2.2, 10), 10) && !Watch::is_flat(&Tally::default(), 10));
    }

    #[test]
    fn few_images_or_a_better_accuracy_than_chance_are_not_flat() {
        let ln2 = 2f64.ln();
        assert!(!Watch::is_flat(&tally(64, ln2, 32), 2), "64 images of two classes are few");
        assert!(Watch::is_flat(&tally(400, ln2, 205), 2));
        assert!(!Watch::is_flat(&tally(400, ln2, 240), 2), "60 % is better than chance");
        assert!(!Watch::is_flat(&tally(8, 2.303, 1), 10) && !Watch::is_high(&tally(8, 9.0, 1), 10));
        // One class: ln 1 is 0, and so is the loss.
        assert!(!Watch::is_high(&tally(1000, 0.0, 1000), 1) && !Watch::is_flat(&tally(1000, 0.0, 1000), 1));
        // If a quarter of an epoch has too few images, the whole epoch counts.
        assert_eq!(Watch::evidence(tally(12, 1.6, 2), tally(48, 1.5, 9), 5), tally(48, 1.5, 9));
        assert_eq!(Watch::evidence(tally(500, 1.6, 2), tally(2000, 1.5, 9), 5), tally(500, 1.6, 2));
    }

    #[test]
    fn a_model_that_guesses_has_learned_nothing() {
        let ln3 = 3f64.ln();
        let unlearned = |validation: &Tally, training: &Tally| Watch::is_unlearned(validation, training, 3);
        // Three validation images say little: what the last training steps saw decides.
        let few = tally(3, ln3, 1);
        assert!(unlearned(&few, &tally(90, ln3, 31)));
        assert!(!unlearned(&few, &tally(90, 0.4, 80)), "it has learned its training images");
        assert!(!unlearned(&few, &tally(30, ln3, 10)), "too few images to tell");
        assert!(!unlearned(&tally(3, 0.5, 3), &tally(90, ln3, 31)));
        // Many validation images decide alone.
        assert!(unlearned(&tally(300, 1.2, 101), &tally(90, 0.4, 80)));
        assert!(!unlearned(&tally(300, 1.09, 160), &tally(90, ln3, 31)), "53 % is better than chance");
        assert!(!Watch::is_unlearned(&tally(300, 0.0, 300), &tally(300, 0.0, 300), 1), "one class");
        // The last epochs that suffice: 83 images for three classes.
        let epochs = [tally(30, 0.1, 30), tally(30, 1.1, 8), tally(30, 1.1, 9), tally(30, 1.1, 10)];
        let seen = Watch::last_evidence(epochs.into_iter(), 3);
        assert_eq!((seen.images, seen.correct), (90, 27));
    }

    #[test]
    fn a_run_that_learned_nothing_is_told_what_to_try() {
        let small = Recipe::load("small").unwrap();
        let mut watch = Watch::default();
        let advice = watch.unlearned(24, &tally(3, 1.0984, 1), 30, 3, &small).unwrap();
        assert!(advice.finding.contains("top-1 33.33 %, loss 1.0984;"), "{advice:?}");
        assert!(advice.finding.ends_with("a guess among 3 classes has 33.33 %, ln 3 = 1.0986"), "{advice:?}");
        for part in
            ["--set optimizer.batch=4", "--epochs 24 --set 'schedule.at_epochs=[16,22]'", "docs/interop.md"]
        {
            assert!(advice.remedy.contains(part), "{part}: {advice:?}");
        }
        assert_eq!(watch.unlearned(24, &tally(3, 1.0984, 1), 30, 3, &small), None);
        assert_eq!(watch.advice(), [advice]);
    }

    #[test]
    fn few_steps_per_epoch_call_for_a_smaller_batch() {
        for (images, batch, expected) in [
            (56, 32, Some(8)),
            (30, 32, Some(4)),
            (27, 128, Some(4)),
            (3, 32, Some(1)),
            (54, 9, None),
            (10_000, 128, None),
            (3, 1, None),
            (0, 32, None),
        ] {
            assert_eq!(smaller_batch(images, batch), expected, "{images} images, a batch of {batch}");
        }
    }

    #[test]
    fn the_loss_is_evaluated_once_after_warming_up() {
        // Epochs of 2, of 60 and of 10,000 steps.
        let due = |epoch: usize| -> Vec<usize> {
            (1..=120).filter(|n| Watch::is_due((n - 1) * epoch, n * epoch)).collect()
        };
        assert_eq!((due(2), due(60), due(10_000)), (vec![50], vec![2], vec![1]));
    }

    #[test]
    fn a_loss_far_above_chance_level_has_diverged() {
        assert!(Watch::has_diverged(1e37, 10) && Watch::has_diverged(f64::NAN, 10));
        assert!(Watch::has_diverged(231.0, 10) && !Watch::has_diverged(230.0, 10), "100 ln 10 = 230.3");
        assert!(!Watch::has_diverged(69.0, 1), "one class counts as two");
    }

    #[test]
    fn a_flat_loss_is_reported_once_with_remedies() {
        let paper = Recipe::load("paper").unwrap();
        let mut watch = Watch::default();
        assert_eq!(watch.loss(70, &tally(100, 1.0, 50), 10, &paper), None);
        let advice = watch.loss(70, &tally(100, 2.3, 10), 10, &paper).unwrap();
        assert!(advice.finding.contains("ln 10 = 2.303"), "{advice:?}");
        assert!(
            advice.remedy.contains("restart-with-he") && advice.remedy.contains("small-biases"),
            "{advice:?}"
        );
        assert_eq!(watch.loss(90, &tally(100, 2.3, 10), 10, &paper), None);
        let advice = watch.loss(90, &tally(100, 9.0, 10), 10, &paper).unwrap();
        assert!(advice.remedy.contains("--set optimizer.rate=0.001"), "{advice:?}");
    }
}
