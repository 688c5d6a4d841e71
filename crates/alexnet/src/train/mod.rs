//! The training loop, and all that makes it survive and explain itself.
//!
//! | file | what it does |
//! |---|---|
//! | [`config`] | what a training is told, and what it tells at its end |
//! | [`init`], [`transfer`] | the weights a training starts from: by chance, or a model's |
//! | [`trainer`] | one pass after another over the training set: gradient, update, validation |
//! | [`schedule`], [`settings`] | the rate from epoch to epoch; what was changed on the way |
//! | [`checkpoint`], [`keeper`] | everything from which a training goes on; writing it beside the training |
//! | [`journal`] | changes to a training under way, and when they were made |
//! | [`watch`] | what is known to go wrong, and the cures |
//! | [`forecast`] | what a training will need, from its first steps |
//! | [`run`], [`origin`] | the run folder; what a run began with and was asked for |
//! | [`snapshot`], [`shelf`] | which model is the best, and the files of the best models |
//! | [`record`], [`metrics`], [`tally`] | messages and numbers, to every place that shows them |
//! | [`events`], [`plots`] | the same for TensorBoard, and as images |
//! | [`progress`] | what a person sees meanwhile |
//! | [`dashboard`] | the same on a terminal of its own |
//! | [`signals`] | stopping without losing anything |
//! | [`rates`] | which learning rate: a little training at ever higher ones |
//! | [`demo`] | `alexnet demo` |
//! | [`mod@bench`] | images per second |

pub mod bench;
pub mod checkpoint;
pub mod config;
pub mod dashboard;
pub mod demo;
pub mod events;
pub mod forecast;
pub mod init;
pub mod journal;
pub mod keeper;
pub mod metrics;
pub mod origin;
pub mod plots;
pub mod progress;
pub mod rates;
pub mod record;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod shelf;
pub mod signals;
pub mod snapshot;
pub mod tally;
pub mod trainer;
pub mod transfer;
pub mod watch;

pub use config::{Config, Report, RunFolder};
pub use trainer::train;
