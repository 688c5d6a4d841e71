//! The training loop.
//!
//! | file | what it does |
//! |---|---|
//! | [`init`] | the weights a training starts from |
//! | [`trainer`] | one pass after another over the training set: gradient, update, validation |
//! | [`schedule`] | the rate from epoch to epoch |
//! | [`run`] | the run folder |
//! | [`metrics`] | `metrics.jsonl` |
//! | [`events`] | the same for TensorBoard |
//! | [`plots`] | the same as pictures |
//! | [`progress`] | what a person sees meanwhile |
//! | [`dashboard`] | the same on a terminal of its own |
//! | [`signals`] | stopping without losing anything |
//! | [`demo`] | `alexnet demo` |
//! | [`mod@bench`] | pictures per second |

pub mod bench;
pub mod dashboard;
pub mod demo;
pub mod events;
pub mod init;
pub mod metrics;
pub mod plots;
pub mod progress;
pub mod run;
pub mod schedule;
pub mod signals;
pub mod trainer;

pub use trainer::{Config, Report, train};
