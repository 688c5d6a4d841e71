//! Progress of a reproduction.

use std::ops::ControlFlow;

use super::plan::ExperimentPlan;
use crate::train;

/// Receives the events of a reproduction.
pub trait ReproductionObserver: Send {
    /// Called for every event, in order. `Break` stops the reproduction after a checkpoint.
    fn observe(&mut self, event: &ReproductionEvent<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&ReproductionEvent<'_>) -> ControlFlow<()> + Send> ReproductionObserver for F {
    fn observe(&mut self, event: &ReproductionEvent<'_>) -> ControlFlow<()> {
        self(event)
    }
}

/// What happens in a reproduction.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReproductionEvent<'a> {
    /// The plan, before anything is trained.
    Planned(&'a ExperimentPlan),
    /// A training run starts, or resumes.
    RunStarted(RunStarted<'a>),
    /// An event of this training.
    Training(&'a train::Event<'a>),
    /// A pass over the validation images starts.
    EvaluationStarted(EvaluationStarted<'a>),
    /// This many more images have been evaluated.
    EvaluationAdvanced(usize),
}

/// The start of a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunStarted<'a> {
    /// What is trained: the arm and the seed.
    pub name: &'a str,
    /// Training runs that are complete.
    pub complete: usize,
    /// All training runs.
    pub runs: usize,
    /// Whether it resumes.
    pub is_resumed: bool,
}

/// The start of a pass over the validation images.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvaluationStarted<'a> {
    /// What is evaluated.
    pub name: &'a str,
    /// The number of images.
    pub images: usize,
}
