//! What a network is: recipes (data), layers and their shapes. No numerics.
//!
//! A [`Recipe`] is the TOML file: network, preprocessing, augmentation, optimizer, schedule, evaluation. A
//! [`Network`] is the recipe's list of layers with every shape worked out for an input size and a number of
//! classes.

mod diff;
mod edit;
mod effect;
mod library;
mod network;
mod parse;
mod reader;
mod recipe;
mod settings;
pub mod show;

pub use diff::diff;
pub use edit::{Change, Edit};
pub use effect::Purpose;
pub use network::{Activation, Layer, Network, Operation};
pub use recipe::{
    Augment, ConvSpec, Deviation, DropoutScale, Evaluation, Init, Input, LayerSpec, Mean, Optimizer,
    Orientation, Plateau, PoolKind, PoolSpec, Recipe, RoundingSpec, Schedule, Spec, WeightSpec,
};

#[cfg(test)]
mod tests;
