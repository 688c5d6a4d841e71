//! What a network is: recipes, layers and shapes. No numerics.
//!
//! A [`Recipe`] is the content of a TOML file: network, preprocessing, augmentation, optimizer, schedule and evaluation.
//! A [`Network`] is the list of its layers with all shapes resolved for an input size and a number of classes.
//!
//! | file | contents |
//! |---|---|
//! | `recipe`, `schedule` | the types of a recipe |
//! | `reader`, `parse`, `check` | TOML to a recipe, with every key and value checked |
//! | `library` | built-in recipes, recipe files |
//! | `settings`, `effect` | `--set KEY=VALUE`, and settings without effect |
//! | `edit`, `change` | changes during training |
//! | `layer`, `network` | layers and networks with their shapes |
//! | `views` | the views that an evaluation averages |
//! | [`show`], [`diff()`] | recipes as text |

mod change;
mod check;
mod diff;
mod edit;
mod effect;
mod layer;
mod library;
mod network;
mod parse;
mod reader;
mod recipe;
mod schedule;
mod settings;
pub mod show;
mod views;

pub use alexnet_kernels::precision::Precision;
pub use diff::diff;
pub use edit::{Change, Edit};
pub use effect::RecipeUse;
pub use layer::{Activation, Layer, Operation};
pub use network::Network;
pub use recipe::{
    Algorithm, Augment, ConvSpec, Difference, DropoutScale, EvaluationSpec, Init, Input, LayerSpec, Mean,
    Optimizer, Orientation, PoolKind, PoolSpec, Recipe, RoundingSpec, Spec, WeightSpec,
};
pub use schedule::{LrCurve, LrSchedule, Plateau, Schedule};
pub use views::Views;

#[cfg(test)]
mod tests;
