//! The arms of an experiment: a recipe, and the recipe with named edits.

use std::fmt;

use super::columns;
use super::experiment::Experiment;
use crate::net::{PoolSpec, Recipe, Spec};
use crate::{Error, Result};

/// The name of the arm without edits.
pub const CONTROL: &str = "control";

/// A change of a recipe, as for `--set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What to change.
    pub key: String,
    /// The new value; `none` removes a layer.
    pub value: String,
}

impl Setting {
    pub(super) fn new(key: impl Into<String>, value: impl ToString) -> Self {
        Self { key: key.into(), value: value.to_string() }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A recipe with named edits.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The name, which is also the name of its folder.
    pub name: String,
    /// What differs from the control.
    pub edits: Vec<Setting>,
    /// The edited recipe.
    pub recipe: Recipe,
}

impl Arm {
    /// The recipe without edits.
    pub fn control(recipe: &Recipe) -> Self {
        Self { name: CONTROL.to_owned(), edits: Vec::new(), recipe: recipe.clone() }
    }

    /// A recipe with edits.
    ///
    /// # Errors
    /// Returns an error if the recipe does not allow an edit.
    pub fn new(name: impl Into<String>, recipe: &Recipe, edits: Vec<Setting>) -> Result<Self> {
        let mut edited = recipe.clone();
        edited.set_all(edits.iter().map(|edit| (edit.key.as_str(), edit.value.as_str())))?;
        Ok(Self { name: name.into(), edits, recipe: edited })
    }
}

/// Returns the arms that an experiment compares with the control.
///
/// # Errors
/// Returns an error that names the missing ingredient if the recipe lacks it.
pub fn variants(experiment: Experiment, recipe: &Recipe) -> Result<Vec<Arm>> {
    match experiment {
        Experiment::Relu => speed(recipe).map(Vec::from),
        Experiment::Lrn => without(recipe, experiment, "no-lrn", "response normalization", is_norm),
        Experiment::Dropout => without(recipe, experiment, "no-dropout", "dropout", is_dropout),
        Experiment::Overlap => Ok(vec![no_overlap(recipe)?]),
        Experiment::Columns => Ok(vec![columns::one_column(recipe)?, columns::no_exchange(recipe)?]),
        Experiment::Augment => augment(recipe),
        Experiment::Views => match crops_have_room(recipe) {
            true => Ok(Vec::new()),
            false => {
                Err(lacks(recipe, experiment, "crops smaller than the square: all views would be the same"))
            }
        },
        Experiment::Ensemble => Ok(Vec::new()),
    }
}

/// The two arms of [`Experiment::Relu`], without learning rates.
///
/// # Errors
/// Returns an error if the recipe has no ReLUs.
pub(super) fn speed(recipe: &Recipe) -> Result<[Arm; 2]> {
    let relus = names(recipe, |spec| matches!(spec, Spec::Relu {}));
    if relus.is_empty() {
        return Err(lacks(recipe, Experiment::Relu, "ReLUs"));
    }
    let tanh =
        Arm::new("tanh", recipe, vec![Setting::new(format!("layer.{}.kind", relus.join(",")), "tanh")])?;
    Ok([Arm { name: "relu".to_owned(), ..Arm::control(recipe) }, tanh])
}

/// The error for a recipe that lacks what an experiment removes.
pub(super) fn lacks(recipe: &Recipe, experiment: Experiment, ingredient: &str) -> Error {
    let (name, recipe) = (experiment.name(), &recipe.name);
    Error::usage(format!("experiment `{name}`: recipe `{recipe}` has no {ingredient}"))
        .help("use a recipe with every ingredient: `--recipe cifar-paper`; or leave this experiment out")
}

/// The names of the layers of a kind.
pub(super) fn names(recipe: &Recipe, is: impl Fn(&Spec) -> bool) -> Vec<&str> {
    recipe.layers.iter().filter(|layer| is(&layer.spec)).map(|layer| layer.name.as_str()).collect()
}

fn is_norm(spec: &Spec) -> bool {
    matches!(spec, Spec::Lrn { .. } | Spec::MapNorm { .. })
}

fn is_dropout(spec: &Spec) -> bool {
    matches!(spec, Spec::Dropout { .. })
}

/// The recipe without the layers of a kind.
fn without(
    recipe: &Recipe,
    experiment: Experiment,
    name: &str,
    ingredient: &str,
    is: impl Fn(&Spec) -> bool,
) -> Result<Vec<Arm>> {
    let layers = names(recipe, is);
    if layers.is_empty() {
        return Err(lacks(recipe, experiment, ingredient));
    }
    Arm::new(name, recipe, vec![Setting::new(format!("layer.{}", layers.join(",")), "none")])
        .map(|arm| vec![arm])
}

/// The recipe with pooling windows as large as their stride.
fn no_overlap(recipe: &Recipe) -> Result<Arm> {
    let overlapping = |spec: &Spec| match spec {
        Spec::MaxPool(PoolSpec { kernel, stride, .. }) | Spec::AvgPool(PoolSpec { kernel, stride, .. }) => {
            (kernel > stride).then_some(*stride)
        }
        _ => None,
    };
    let pools = recipe.layers.iter().filter_map(|layer| Some((&layer.name, overlapping(&layer.spec)?)));
    let edits: Vec<Setting> =
        pools.map(|(name, stride)| Setting::new(format!("layer.{name}.kernel"), stride)).collect();
    if edits.is_empty() {
        return Err(lacks(recipe, Experiment::Overlap, "pooling whose windows overlap"));
    }
    Arm::new("no-overlap", recipe, edits)
}

fn crops_have_room(recipe: &Recipe) -> bool {
    recipe.input.crop < recipe.input.square
}

/// The recipe without each kind of augmentation that it has, and without all of them.
fn augment(recipe: &Recipe) -> Result<Vec<Arm>> {
    let augment = &recipe.augment;
    let off = [
        (
            "no-crops",
            augment.random_crop && crops_have_room(recipe),
            Setting::new("augment.random_crop", false),
        ),
        ("no-flips", augment.flip, Setting::new("augment.flip", false)),
        ("no-color-noise", augment.color_noise > 0.0, Setting::new("augment.color_noise", "0.0")),
    ];
    let present: Vec<(&str, Setting)> =
        off.into_iter().filter(|(_, is_on, _)| *is_on).map(|(name, _, off)| (name, off)).collect();
    if present.is_empty() {
        return Err(lacks(recipe, Experiment::Augment, "random crops, flips or color noise"));
    }
    let mut arms = present
        .iter()
        .map(|(name, off)| Arm::new(*name, recipe, vec![off.clone()]))
        .collect::<Result<Vec<Arm>>>()?;
    if present.len() > 1 {
        let all = present.into_iter().map(|(_, off)| off).collect();
        arms.push(Arm::new("no-augmentation", recipe, all)?);
    }
    Ok(arms)
}
