//! The claims of the paper, tested: an ingredient against its absence, over several seeds, with honest statistics.
//!
//! An [`Experiment`] compares arms: a recipe, and the recipe with named edits. Both train with the same seeds: the same initial
//! weights where shapes agree, the same order of images, the same dropout masks. The recipe itself, the control, is trained
//! once for all experiments.
//!
//! | file | contents |
//! |---|---|
//! | [`experiment`] | the experiments, and what the paper and others found |
//! | [`arm`], [`arms`], [`columns`] | recipes with named edits |
//! | [`settings`], [`plan`] | what to compare; the arms, the runs, what they can show |
//! | `estimate` | the expected time |
//! | `folder`, `record` | the output folder, and what its files record |
//! | [`observer`] | progress |
//! | `trainer` | one training run, started or resumed |
//! | [`speed`] | epochs until the training error falls to 25 %, and the choice of learning rates |
//! | `error_curve` | the training error over the epochs |
//! | `evaluation` | accuracies of trained models |
//! | `run` | everything in order |
//! | [`results`], `compare`, `table`, `plots` | the results: JSON, tables, curves |

pub mod arm;
pub mod arms;
pub mod columns;
mod compare;
mod error_curve;
mod estimate;
mod evaluation;
pub mod experiment;
mod folder;
pub mod observer;
pub mod plan;
mod plots;
mod record;
pub mod results;
mod run;
pub mod settings;
pub mod speed;
mod table;
mod trainer;

pub use experiment::Experiment;
pub use observer::{ReproductionEvent, ReproductionObserver};
pub use plan::ExperimentPlan;
pub use results::Results;
pub use run::{forecast, reproduce};
pub use settings::{RateSearch, ReproductionSettings, Selection};

#[cfg(test)]
mod tests;
