//! What is known to go wrong with this network, how it is recognized, and what cures it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::schedule::divided;
use super::tally::Tally;
use crate::engine::Health;
use crate::net::{Init, LayerSpec, Recipe, WeightSpec};
use crate::{Error, Result};

/// Times that a training goes back to a checkpoint.
pub const MOST_ROLLBACKS: usize = 3;

/// What the rate is divided by when it does.
pub const LOWER: f32 = 10.0;

/// A loss above this share of that of a blind guess has not left it.
const FLAT: f64 = 0.98;

/// A loss so many times that of a blind guess is not flat: it has exploded.
const WILD: f64 = 2.0;

/// A loss so many times that of a blind guess at the end of a training: what it learned is worth nothing.
const EXPLODED: f64 = 100.0;

/// What pixels are divided by to be about 1 in size: their usual deviation.
const PIXELS: f32 = 64.0;

/// Share of units that may be silent for every image of a batch.
const DEAD: f32 = 0.5;

/// How large a change of the weights may be beside the weights.
const RATIO: std::ops::Range<f32> = 1e-6..0.1;

/// Steps in which a network finds its feet: neither its layers nor its loss are judged before. At the first steps
/// every network has the loss of a blind guess.
const SETTLED: usize = 100;

/// Fewest images whose mean loss says anything.
const FEWEST: f64 = 32.0;

/// What the loss of one image differs from the next by, about.
const SPREAD: f64 = 0.5;

/// How exactly a mean loss has to be known, as a share of that of a blind guess.
const PRECISION: f64 = 0.05;

/// Standard deviations above the hits of a blind guess that are more than luck.
const LUCK: f64 = 3.0;

/// What is done when numbers stop being finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDivergence {
    /// Training goes back to the last checkpoint and on at a tenth of the rate, at most [`MOST_ROLLBACKS`] times.
    #[default]
    LowerRate,
    /// Training ends.
    Stop,
}

/// What is done when the loss stays at that of a blind guess for an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPlateau {
    /// The cures are told.
    #[default]
    Tell,
    /// Training begins again from [`Cure::He`].
    RestartWithHe,
    /// Training begins again from [`Cure::SmallBiases`].
    RestartWithSmallBiases,
    /// Training ends.
    Stop,
}

/// Something that does not look well, and what is known to help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Updates so far.
    pub step: usize,
    /// What was found.
    pub finding: String,
    /// What helps.
    pub cure: String,
}

/// A cure for a loss that stays at that of a blind guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// He's initial weights in all layers but the last, and no biases: signals keep their size from layer to layer. So they
    /// must have a size of about 1 to begin with: where pixels are 0 to 255, they are divided by 64.
    He,
    /// Biases of .1 where they are 1, and half the rate: with 1, the first layers' outputs are mostly bias.
    SmallBiases,
}

impl Cure {
    /// What changes in the recipe, as `--set` takes it.
    pub fn settings(self, recipe: &Recipe) -> Vec<(String, String)> {
        let mut layers: Vec<(&LayerSpec, &WeightSpec)> =
            recipe.layers.iter().filter_map(|layer| Some((layer, layer.spec.weights()?))).collect();
        // The last layer, whose outputs are the logits, may start as small as it does.
        layers.pop();
        let key = |layer: &LayerSpec, what: &str| format!("layer.{}.weights.{what}", layer.name);
        let mut settings = Vec::new();
        for (layer, weights) in layers {
            let bias = weights.bias == 1.0;
            match self {
                Self::He if weights.init != Init::He => {
                    settings.push((key(layer, "init"), "he".into()));
                    settings.extend(bias.then(|| (key(layer, "bias"), "0".into())));
                }
                Self::SmallBiases if bias => settings.push((key(layer, "bias"), "0.1".into())),
                _ => {}
            }
        }
        let pixels = recipe.input.divisor == 1.0 && recipe.input.std.is_none();
        if self == Self::He && pixels && !settings.is_empty() {
            settings.push(("input.divisor".into(), PIXELS.to_string()));
        }
        if self == Self::SmallBiases {
            settings.push(("optimizer.rate".into(), (recipe.optimizer.rate / 2.0).to_string()));
        }
        settings
    }

    /// The recipe with the cure.
    ///
    /// # Errors
    /// When the recipe has it already.
    pub fn apply(self, recipe: &Recipe) -> Result<Recipe> {
        let settings = self.settings(recipe);
        if settings.is_empty() {
            return Err(Error::new(
                crate::error::Kind::Diverged,
                "the loss stays at that of a blind guess, and the recipe has He's initial weights already",
            )
            .help("a lower rate, as with `--set optimizer.rate=0.001`; `alexnet lr-find` shows which"));
        }
        let mut cured = recipe.clone();
        cured.set_all(settings.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        Ok(cured)
    }

    /// The settings as they are typed.
    fn typed(self, recipe: &Recipe) -> String {
        let settings = self.settings(recipe);
        settings.iter().map(|(key, value)| format!("--set {key}={value}")).collect::<Vec<_>>().join(" ")
    }
}

/// Recognizes what goes wrong; says each thing once.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    told: BTreeSet<(String, &'static str)>,
    advice: Vec<Advice>,
}

impl Watch {
    /// All that was found so far.
    pub fn advice(&self) -> &[Advice] {
        &self.advice
    }

    /// Whether the loss is to be judged at the end of an epoch that went from step `before` to step `now`: once, at
    /// the end of the first epoch unless that has too few steps.
    pub fn is_due(before: usize, now: usize) -> bool {
        (before..now).contains(&(SETTLED - 1))
    }

    /// What the loss is judged by: the last quarter of an epoch, or all of it where a quarter has too few images.
    pub fn evidence(late: Tally, epoch: Tally, classes: usize) -> Tally {
        if is_enough(&late, classes) { late } else { epoch }
    }

    /// Whether the loss of some steps is still that of a blind guess among `classes` classes, ln(classes): the
    /// best-known failure of this network. Said only of enough images, of which no more are right than by luck.
    pub fn is_flat(seen: &Tally, classes: usize) -> bool {
        let (blind, images) = ((classes as f64).ln(), seen.images as f64);
        let chance = 1.0 / classes.max(1) as f64;
        let lucky = images * chance + LUCK * (images * chance * (1.0 - chance)).sqrt();
        is_enough(seen, classes)
            && (FLAT * blind..WILD * blind).contains(&seen.loss())
            && seen.correct as f64 <= lucky
    }

    /// Whether the loss is far above that of a blind guess. With one class there is nothing to guess.
    pub fn is_wild(seen: &Tally, classes: usize) -> bool {
        is_enough(seen, classes) && seen.loss() >= WILD * (classes as f64).ln()
    }

    /// Whether a loss, finite or not, is that of a training that has diverged: more than 100 times that of a random
    /// guess, ln(classes), or of one among two classes where there are fewer.
    pub fn has_exploded(loss: f64, classes: usize) -> bool {
        let limit = EXPLODED * (classes.max(2) as f64).ln();
        loss.is_nan() || loss > limit
    }

    /// What is told of a loss far above that of a blind guess.
    pub fn wild(&mut self, step: usize, late: &Tally, classes: usize, recipe: &Recipe) -> Option<Advice> {
        let blind = (classes as f64).ln();
        let finding = format!(
            "the loss is {:.3}, far above the ln {classes} = {blind:.3} of a blind guess",
            late.loss()
        );
        let cure = format!(
            "the rate is too high, or the initial weights are too large for the pixels' scale: --set optimizer.rate={}, \
             or --set input.divisor={PIXELS}; `alexnet lr-find` shows which rates are",
            divided(recipe.optimizer.rate, LOWER, 1)
        );
        self.tell("", "wild", Advice { step, finding, cure })
    }

    /// What is told of a flat loss.
    pub fn flat(&mut self, step: usize, late: &Tally, classes: usize, recipe: &Recipe) -> Option<Advice> {
        let finding = format!(
            "the loss is still {:.3}; a blind guess among {classes} classes has ln {classes} = {:.3}",
            late.loss(),
            (classes as f64).ln()
        );
        let cures = [
            ("He's initial weights", "restart-with-he", Cure::He),
            ("smaller biases and a lower rate", "restart-with-small-biases", Cure::SmallBiases),
        ];
        let known = cures.map(|(what, policy, cure)| match cure.typed(recipe) {
            typed if typed.is_empty() => None,
            // No biases are 1.
            typed if cure == Cure::SmallBiases && !typed.contains("bias") => {
                Some(format!("a lower rate: {typed}"))
            }
            typed => Some(format!("{what}, `--on-plateau {policy}`: {typed}")),
        });
        let known: Vec<String> = known.into_iter().flatten().collect();
        let cure = format!("it may only need more steps. Known cures: {}", known.join("; "));
        self.tell("", "flat", Advice { step, finding, cure })
    }

    /// What is told of the layers after a step.
    pub fn layers(&mut self, step: usize, layers: &[Health], rate: f32) -> Vec<Advice> {
        if step < SETTLED {
            return Vec::new();
        }
        layers.iter().flat_map(|layer| self.layer(step, layer, rate)).collect()
    }

    fn layer(&mut self, step: usize, layer: &Health, rate: f32) -> Vec<Advice> {
        let (name, ratio) = (&layer.layer, layer.ratio());
        let mut found = Vec::new();
        if layer.dead_fraction.is_some_and(|dead| dead > DEAD) {
            let finding = format!(
                "{name}: {:.0} % of its units are silent for every image of the batch",
                100.0 * layer.dead_fraction.unwrap_or_default()
            );
            let cure = format!(
                "units that never speak never learn: a lower rate, `alexnet edit RUN lr={}`; in the next training a \
                 bias above 0, `--set layer.{name}.weights.bias=0.1`, or He's initial weights",
                divided(rate, 2.0, 1)
            );
            found.extend(self.tell(name, "dead", Advice { step, finding, cure }));
        }
        if layer.update > 0.0 && !RATIO.contains(&ratio) {
            let finding = format!("{name}: a step changes its weights by {ratio:.0e} of their size");
            let (kind, cure) = if ratio >= RATIO.end {
                (
                    "fast",
                    format!(
                        "about 1e-3 is healthy: a lower rate, `alexnet edit RUN lr={}`",
                        divided(rate, LOWER, 1)
                    ),
                )
            } else {
                ("slow", "about 1e-3 is healthy: a higher rate, or larger initial weights below this layer, such as He's".into())
            };
            found.extend(self.tell(name, kind, Advice { step, finding, cure }));
        }
        found
    }

    /// Takes note of something that has been told already.
    pub fn note(&mut self, advice: Advice) {
        self.advice.push(advice);
    }

    fn tell(&mut self, layer: &str, kind: &'static str, advice: Advice) -> Option<Advice> {
        if !self.told.insert((layer.to_owned(), kind)) {
            return None;
        }
        self.advice.push(advice.clone());
        Some(advice)
    }
}

/// Whether these are images enough for their mean loss to be compared with ln(classes).
fn is_enough(seen: &Tally, classes: usize) -> bool {
    let blind = (classes as f64).ln();
    // The mean of n losses is known to SPREAD / sqrt(n).
    let needed = (SPREAD / (PRECISION * blind)).powi(2).max(FEWEST);
    classes > 1 && seen.images as f64 >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(dead_fraction: Option<f32>, update: f32) -> Health {
        Health { layer: "conv2".into(), activation: 1.0, dead_fraction, gradient: 0.1, weight: 0.01, update }
    }

    #[test]
    fn layers_are_told_once_and_only_when_something_is_wrong() {
        let mut watch = Watch::default();
        assert!(watch.layers(500, &[health(Some(0.2), 1e-5), health(None, 0.0)], 0.01).is_empty());
        assert!(watch.layers(20, &[health(Some(0.9), 1.0)], 0.01).is_empty(), "too early to say");
        let found = watch.layers(500, &[health(Some(0.9), 0.005)], 0.01);
        assert!(
            found[0].finding.contains("conv2: 90 %") && found[1].finding.contains("by 5e-1"),
            "{found:?}"
        );
        assert!(found[1].cure.contains("lr=0.001"), "{found:?}");
        assert!(watch.layers(520, &[health(Some(0.9), 0.005)], 0.01).is_empty());
        assert_eq!(watch.advice(), found);
        assert_eq!(watch.layers(540, &[health(None, 1e-9)], 0.01).len(), 1);
    }

    /// `images` images with a mean loss, of which so many are right.
    fn tally(images: usize, loss: f64, correct: usize) -> Tally {
        Tally { images, correct, loss: images as f64 * loss, ..Tally::default() }
    }

    #[test]
    fn a_flat_loss_is_one_near_a_blind_guess() {
        assert!(Watch::is_flat(&tally(100, 2.303, 10), 10) && Watch::is_flat(&tally(100, 2.27, 12), 10));
        assert!(Watch::is_wild(&tally(100, 150.0, 10), 10) && !Watch::is_flat(&tally(100, 150.0, 10), 10));
        assert!(!Watch::is_flat(&tally(100, 2.2, 10), 10) && !Watch::is_flat(&Tally::default(), 10));
    }

    #[test]
    fn nothing_is_said_of_few_images_or_more_hits_than_luck() {
        let ln2 = 2f64.ln();
        assert!(!Watch::is_flat(&tally(64, ln2, 32), 2), "64 images of two classes are few");
        assert!(Watch::is_flat(&tally(400, ln2, 205), 2));
        assert!(!Watch::is_flat(&tally(400, ln2, 240), 2), "60 % right is no blind guess");
        assert!(!Watch::is_flat(&tally(8, 2.303, 1), 10) && !Watch::is_wild(&tally(8, 9.0, 1), 10));
        // One class: ln 1 is 0, and so is the loss.
        assert!(!Watch::is_wild(&tally(1000, 0.0, 1000), 1) && !Watch::is_flat(&tally(1000, 0.0, 1000), 1));
        // A quarter of an epoch that is too small is made up for by the whole.
        assert_eq!(Watch::evidence(tally(12, 1.6, 2), tally(48, 1.5, 9), 5), tally(48, 1.5, 9));
        assert_eq!(Watch::evidence(tally(500, 1.6, 2), tally(2000, 1.5, 9), 5), tally(500, 1.6, 2));
    }

    #[test]
    fn the_loss_is_judged_once_when_the_network_has_found_its_feet() {
        // Epochs of 2, of 60 and of 10,000 steps.
        let due = |epoch: usize| -> Vec<usize> {
            (1..=120).filter(|n| Watch::is_due((n - 1) * epoch, n * epoch)).collect()
        };
        assert_eq!((due(2), due(60), due(10_000)), (vec![50], vec![2], vec![1]));
    }

    #[test]
    fn a_loss_far_above_a_blind_guess_has_exploded() {
        assert!(Watch::has_exploded(1e37, 10) && Watch::has_exploded(f64::NAN, 10));
        assert!(Watch::has_exploded(231.0, 10) && !Watch::has_exploded(230.0, 10), "100 ln 10 = 230.3");
        assert!(!Watch::has_exploded(69.0, 1), "one class counts as two");
    }

    #[test]
    fn cures_change_the_recipe() {
        let paper = Recipe::load("paper").unwrap();
        let he = Cure::He.apply(&paper).unwrap();
        let small = Cure::SmallBiases.apply(&paper).unwrap();
        for (layer, (he, small)) in paper.layers.iter().zip(he.layers.iter().zip(&small.layers)) {
            let Some(before) = layer.spec.weights() else { continue };
            let (he, small) = (he.spec.weights().unwrap(), small.spec.weights().unwrap());
            if layer.name == "fc8" {
                assert_eq!((he, small), (before, before));
                continue;
            }
            assert!(he.init == Init::He && he.bias == 0.0, "{}", layer.name);
            assert!(small.init == before.init && small.bias == before.bias * 0.1, "{}", layer.name);
        }
        assert_eq!((he.input.divisor, small.input.divisor), (PIXELS, 1.0));
        assert_eq!(small.optimizer.rate, paper.optimizer.rate / 2.0);
        assert!(Cure::He.apply(&he).is_err());
        let mut watch = Watch::default();
        let tally = Tally { images: 1, loss: 2.3, ..Tally::default() };
        let advice = watch.flat(70, &tally, 10, &paper).unwrap();
        assert!(advice.finding.contains("ln 10 = 2.303"), "{advice:?}");
        assert!(advice.cure.contains("--set layer.conv2.weights.bias=0.1"), "{advice:?}");
        assert!(advice.cure.contains("--set layer.conv1.weights.init=he"), "{advice:?}");
    }
}
