//! What a reproduction trains and compares, and what it can show.

use std::fmt;

use super::arm::{Arm, CONTROL};
use super::arms;
use super::experiment::Experiment;
use super::settings::{RateSearch, ReproductionSettings, Selection};
use crate::data::Dataset;
use crate::eval::statistics::{fewest_pairs, smallest_p};
use crate::format::{counted, duration, grouped};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// The level of significance that the plan mentions.
const LEVEL: f64 = 0.05;

/// What is trained and compared.
#[derive(Clone, Debug)]
pub struct ExperimentPlan {
    /// The recipe's name.
    pub recipe: String,
    /// The number of epochs of each arm.
    pub epochs: usize,
    /// The number of seeds.
    pub seeds: usize,
    /// The experiments, in order.
    pub experiments: Vec<Experiment>,
    /// Experiments of [`Selection::All`] for which the recipe lacks the ingredient, with the reason.
    pub left_out: Vec<(Experiment, String)>,
    /// The arms that are trained for the whole schedule, the control first. Empty if there is only [`Experiment::Relu`].
    pub arms: Vec<PlannedArm>,
    /// What is compared.
    pub comparisons: Vec<Comparison>,
    /// The arms of [`Experiment::Relu`].
    pub speed: Option<SpeedPlan>,
    /// What the reader of the results has to know about the images.
    pub notes: Vec<String>,
    /// What remains to be trained, if it was asked for: [`ExperimentPlan::new`] does not.
    pub remaining: Option<RemainingRuns>,
}

/// An arm, and its size.
#[derive(Clone, Debug)]
pub struct PlannedArm {
    /// The arm.
    pub arm: Arm,
    /// The number of weights and biases.
    pub parameters: usize,
    /// The number of multiply-adds per image.
    pub macs: usize,
    /// Layers of other shapes than in the control, which start from other weights.
    pub reshaped: Vec<String>,
}

/// The arms of [`Experiment::Relu`]: they train until the training error falls to [`super::speed::TARGET`].
#[derive(Clone, Debug)]
pub struct SpeedPlan {
    /// With ReLUs and with tanh units.
    pub arms: [PlannedArm; 2],
    /// How their learning rates are chosen.
    pub rates: RateSearch,
}

/// Two things that are compared over all seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The experiment.
    pub experiment: Experiment,
    /// What is compared.
    pub contrast: Contrast,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contrast {
    /// The control with another arm.
    Arms {
        /// The arm without the ingredient.
        without: String,
    },
    /// Ten views with one.
    Views,
    /// The ensemble with its best member.
    Ensemble,
    /// ReLUs with tanh units.
    Speed,
}

impl Comparison {
    /// Returns the names of what is compared: with the ingredient, and without.
    pub fn names(&self) -> [&str; 2] {
        match &self.contrast {
            Contrast::Arms { without } => [CONTROL, without],
            Contrast::Views => ["10 views", "1 view"],
            Contrast::Ensemble => ["ensemble", "best member"],
            Contrast::Speed => ["relu", "tanh"],
        }
    }
}

/// What remains to be trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemainingRuns {
    /// All training runs, those of the search for learning rates included.
    pub runs: usize,
    /// Those that are complete.
    pub complete: usize,
    /// The expected seconds of the others.
    pub seconds: f64,
}

impl ExperimentPlan {
    /// Plans the experiments.
    ///
    /// # Errors
    /// Returns an error if there are no seeds, an experiment is named twice, the recipe lacks an ingredient, an arm does not fit
    /// the images, or there are no images to evaluate.
    pub fn new(settings: &ReproductionSettings) -> Result<Self> {
        let ReproductionSettings { recipe, dataset, seeds, .. } = settings;
        if *seeds == 0 {
            return Err(Error::usage("no seeds, expected at least 1").help("use six: `--seeds 6`"));
        }
        let (variants, left_out) = variants(&settings.selection, recipe, *seeds)?;
        let experiments: Vec<Experiment> = variants.iter().map(|(experiment, _)| *experiment).collect();
        check_images(dataset, &experiments)?;
        let classes = dataset.classes.len();
        let control = PlannedArm::new(Arm::control(recipe), recipe, classes)?;
        let (mut arms, mut comparisons, mut speed) = (Vec::new(), Vec::new(), None);
        for (experiment, variants) in variants {
            let of = |contrast| Comparison { experiment, contrast };
            match experiment {
                Experiment::Relu => {
                    let planned = |arm| PlannedArm::new(arm, recipe, classes);
                    let [relu, tanh] = arms::speed(recipe)?;
                    speed = Some(SpeedPlan {
                        arms: [planned(relu)?, planned(tanh)?],
                        rates: settings.rates.clone(),
                    });
                    comparisons.push(of(Contrast::Speed));
                }
                Experiment::Views => comparisons.push(of(Contrast::Views)),
                Experiment::Ensemble => comparisons.push(of(Contrast::Ensemble)),
                Experiment::Lrn
                | Experiment::Overlap
                | Experiment::Columns
                | Experiment::Dropout
                | Experiment::Augment => {
                    for arm in variants {
                        comparisons.push(of(Contrast::Arms { without: arm.name.clone() }));
                        arms.push(PlannedArm::new(arm, recipe, classes)?);
                    }
                }
            }
        }
        if experiments.iter().any(|experiment| *experiment != Experiment::Relu) {
            arms.insert(0, control);
        }
        Ok(Self {
            recipe: recipe.name.clone(),
            epochs: recipe.schedule.epochs,
            seeds: *seeds,
            experiments,
            left_out,
            arms,
            comparisons,
            speed,
            notes: notes(dataset),
            remaining: None,
        })
    }

    /// Returns what this number of seeds can show at all.
    pub fn power(&self) -> String {
        power(self.seeds)
    }

    /// Returns the number of training runs.
    pub fn runs(&self) -> usize {
        let speed = self.speed.as_ref().map_or(0, |speed| 2 * (speed.rates.rates.len() + self.seeds));
        self.arms.len() * self.seeds + speed
    }
}

impl PlannedArm {
    fn new(arm: Arm, control: &Recipe, classes: usize) -> Result<Self> {
        let context = |error: Error| error.context(format!("arm {}", arm.name));
        let network = Network::new(&arm.recipe, classes).map_err(context)?;
        let shapes = |network: &Network| -> Vec<(String, _)> {
            let layers = network.layers.iter();
            layers.filter_map(|layer| Some((layer.name.clone(), layer.parameter_shapes()?))).collect()
        };
        let before = shapes(&Network::new(control, classes)?);
        let reshaped = shapes(&network).into_iter().filter(|layer| !before.contains(layer));
        Ok(Self {
            parameters: network.parameters(),
            macs: network.macs(),
            reshaped: reshaped.map(|(name, _)| name).collect(),
            arm,
        })
    }
}

type Variants = Vec<(Experiment, Vec<Arm>)>;

/// The selected experiments with their arms, and those that the recipe does not allow.
fn variants(
    selection: &Selection,
    recipe: &Recipe,
    seeds: usize,
) -> Result<(Variants, Vec<(Experiment, String)>)> {
    let arms = |experiment| -> Result<Vec<Arm>> {
        if experiment == Experiment::Ensemble && seeds < 2 {
            return Err(Error::usage("experiment `ensemble`: one seed gives one model, expected at least 2")
                .help("use at least two seeds: `--seeds 2`"));
        }
        arms::variants(experiment, recipe)
    };
    match selection {
        Selection::Experiments(experiments) => {
            if let Some((_, twice)) =
                experiments.iter().enumerate().find(|(i, experiment)| experiments[..*i].contains(experiment))
            {
                return Err(Error::usage(format!("experiment `{}` is named twice", twice.name()))
                    .help("name each experiment once"));
            }
            let with_arms = experiments.iter().map(|&experiment| Ok((experiment, arms(experiment)?)));
            Ok((with_arms.collect::<Result<Variants>>()?, Vec::new()))
        }
        Selection::All => {
            let (mut found, mut left_out) = (Variants::new(), Vec::new());
            for experiment in Experiment::ALL.into_iter().filter(|&experiment| experiment != Experiment::Relu)
            {
                match arms(experiment) {
                    Ok(arms) => found.push((experiment, arms)),
                    Err(error) => left_out.push((experiment, error.message)),
                }
            }
            Ok((found, left_out))
        }
    }
}

/// Checks that there are images to train on, and to evaluate.
fn check_images(dataset: &Dataset, experiments: &[Experiment]) -> Result<()> {
    dataset.train()?;
    let origin = &dataset.origin;
    if let [class] = &dataset.classes[..] {
        return Err(Error::data(format!(
            "{origin}: only one class, `{class}`: every network classifies it correctly"
        ))
        .help("add a folder of images for each further class"));
    }
    let has_validation = dataset.val().is_some_and(|split| !split.is_empty());
    match experiments.iter().find(|&&experiment| experiment != Experiment::Relu) {
        Some(experiment) if !has_validation => Err(Error::data(format!(
            "{origin}: no validation images, which experiment `{}` compares accuracies on",
            experiment.name()
        ))
        .help(match dataset.shell_path() {
            Some(source) => {
                format!("add a val/ folder next to train/; `alexnet data check {source}` lists the splits")
            }
            None => "add a split `val`".to_owned(),
        })),
        Some(_) | None => Ok(()),
    }
}

/// Classes that the results say nothing about, and results that are selected.
fn notes(dataset: &Dataset) -> Vec<String> {
    let Some(split) = dataset.val().filter(|split| !split.is_empty()) else { return Vec::new() };
    let mut notes = Vec::new();
    let counts = split.images_per_class(dataset.classes.len());
    let missing: Vec<&str> = dataset
        .classes
        .iter()
        .zip(&counts)
        .filter(|(_, count)| **count == 0)
        .map(|(class, _)| class.as_str())
        .collect();
    if let Some(first) = missing.first() {
        notes.push(match missing.len() - 1 {
            0 => format!("class `{first}` has no validation images: the results say nothing about it"),
            more => format!(
                "`{first}` and {} have no validation images: the results say nothing about them",
                if more == 1 {
                    "1 other class".to_owned()
                } else {
                    format!("{} other classes", grouped(more))
                }
            ),
        });
    }
    notes
}

/// What a sign-flip test of `n` paired differences can show.
fn power(n: usize) -> String {
    let fewest = fewest_pairs(LEVEL).unwrap_or(usize::MAX);
    let p = smallest_p(n);
    match n {
        1 => format!(
            "1 seed: nothing can be concluded from one difference; {fewest} seeds are the fewest for p < {LEVEL}"
        ),
        n if n < fewest => format!(
            "{n} seeds: the sign-flip test cannot give less than p = 2/2^{n} = {p}; {fewest} seeds are the fewest for \
             p < {LEVEL}"
        ),
        n if p > 2.0 / 2_f64.powf(n as f64) => format!(
            "{n} seeds: the sign-flip test tries random patterns of signs, and cannot give less than p = {p:.2e}"
        ),
        n => format!("{n} seeds: the smallest p of the sign-flip test is 2/2^{n} = {p:.2e}"),
    }
}

impl fmt::Display for ExperimentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.experiments.iter().map(|experiment| experiment.name()).collect();
        writeln!(
            f,
            "{} with recipe {}: {}, {}",
            names.join(", "),
            self.recipe,
            counted(self.seeds, "seed"),
            counted(self.epochs, "epoch")
        )?;
        let speed = self.speed.iter().flat_map(|speed| &speed.arms);
        let arms: Vec<&PlannedArm> = self.arms.iter().chain(speed).collect();
        let width = arms.iter().map(|planned| planned.arm.name.len()).max().unwrap_or(0);
        for PlannedArm { arm, parameters, macs, reshaped } in arms {
            let (parameters, macs) = (grouped(*parameters), grouped(*macs));
            write!(f, "  {:<width$}  {parameters:>12} parameters  {macs:>14} multiply-adds", arm.name)?;
            let edits: Vec<String> = arm.edits.iter().map(ToString::to_string).collect();
            if !edits.is_empty() {
                write!(f, "  {}", edits.join(" "))?;
            }
            if !reshaped.is_empty() {
                write!(f, " (other shapes, other initial weights: {})", reshaped.join(", "))?;
            }
            writeln!(f)?;
        }
        for (experiment, reason) in &self.left_out {
            writeln!(f, "  without {}: {reason}", experiment.name())?;
        }
        if let Some(SpeedPlan { rates: RateSearch { rates, epochs, error }, .. }) = &self.speed {
            let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "  learning rates of relu and tanh: the first of {} to reach {:.0} % training error within {}, or the one \
                 with the lowest",
                rates.join(", "),
                100.0 * error,
                counted(*epochs, "epoch")
            )?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        writeln!(f, "{}", self.power())?;
        match &self.remaining {
            Some(RemainingRuns { runs, complete, seconds }) if runs > complete => {
                let done = if *complete > 0 { format!(", {complete} complete") } else { String::new() };
                let most = if self.speed.is_some() { "at most " } else { "" };
                write!(
                    f,
                    "{}{done}; {most}about {} to go",
                    counted(*runs, "training run"),
                    duration(*seconds)
                )
            }
            Some(RemainingRuns { runs, .. }) => write!(f, "{}, all complete", counted(*runs, "training run")),
            None => write!(f, "{}", counted(self.runs(), "training run")),
        }
    }
}
