//! The terminal: everything that is drawn on it, and the rules for when.
//!
//! | file | what it does |
//! |---|---|
//! | `terminal` | whether a stream is a terminal that shows colors or moving bars |
//! | `tracker` | progress and throughput of one pass |
//! | `progress` | a progress bar, or plain lines |
//! | `dashboard` | `train --tui` |
//! | `training` | the events of a training run, on the dashboard or as progress |
//! | `image` | an image as text |

mod dashboard;
mod image;
mod progress;
mod terminal;
mod tracker;
mod training;

pub(crate) use image::{Ink, beside, draw};
pub(crate) use progress::{Display, Progress};
pub(crate) use terminal::paint;
pub(crate) use training::TrainingView;
