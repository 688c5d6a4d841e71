//! The training loop, and all that makes it survive and explain itself.
//!
//! | file | what it does |
//! |---|---|
//! | [`config`], [`report`] | what to train, and the result |
//! | [`init`], [`transfer`] | the weights a training starts from: by chance, or a model's |
//! | [`trainer`] | one pass after another over the training set: gradient, update, validation |
//! | [`schedule`], [`settings`] | the rate from epoch to epoch; what was changed on the way |
//! | [`checkpoint`], [`keeper`] | everything from which a training goes on; writing it beside the training |
//! | [`journal`] | changes to a training under way, and when they were made |
//! | [`watch`] | what is known to go wrong, and the cures |
//! | [`forecast`] | what a training will need, from its first steps |
//! | [`run`], [`origin`] | the run folder; what a run began with and was asked for |
//! | [`snapshot`], [`shelf`] | which model is the best, and the files of the best models |
//! | `record`, [`metrics`], [`tally`] | messages and numbers, to every place that shows them |
//! | [`events`], [`plots`] | the same for TensorBoard, and as images |
//! | [`observer`] | what happens, as events |
//! | [`signals`] | stopping without losing anything |
//! | [`rates`] | which learning rate: a little training at ever higher ones |
//! | [`mod@bench`] | images per second |

pub mod bench;
pub mod checkpoint;
pub mod config;
pub mod events;
pub mod forecast;
pub mod init;
pub mod journal;
pub mod keeper;
pub mod metrics;
pub mod observer;
pub mod origin;
pub mod plots;
pub mod rates;
mod record;
pub mod report;
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

pub use config::{Config, RunFolder};
pub use observer::{Event, Observer};
pub use report::{Report, StopReason};
pub use trainer::{Session, train};
