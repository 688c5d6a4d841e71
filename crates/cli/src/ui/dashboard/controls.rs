//! What the dashboard gets from the training: its title, and what the keys act on.

use alexnet::Result;

/// What does not change while a training runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Title {
    /// The run folder.
    pub(crate) run: String,
    /// The recipe's name.
    pub(crate) recipe: String,
    /// Total epochs.
    pub(crate) epochs: usize,
    /// Total steps, for the remaining time; 0 if unknown.
    pub(crate) steps: usize,
}

/// Parses and requests an edit; returns what it means.
pub(crate) type Edit = Box<dyn Fn(&str) -> Result<String> + Send>;

/// What the keys do. Everything is called on the dashboard's thread.
pub(crate) struct Controls {
    /// Requests a stop.
    pub(crate) stop: Box<dyn Fn() + Send>,
    /// Requests a checkpoint.
    pub(crate) checkpoint: Box<dyn Fn() + Send>,
    /// Requests an edit in the notation of `alexnet edit`, such as `lr=0.001`.
    pub(crate) edit: Edit,
}
