//! Training: the loop, and everything that makes it resumable and explains what happens.
//!
//! | file | what it does |
//! |---|---|
//! | [`config`], [`report`] | what to train, and the result |
//! | [`session`] | the training loop of section 5 of the paper |
//! | [`observer`], `event_json` | events, and who receives them; events as JSON |
//! | [`init`], [`transfer`] | initial weights: random, or a model's |
//! | `training_images` | the training images, and how they become batches |
//! | `ranks` | training on several processes |
//! | [`schedule`], [`settings`] | the learning rate from epoch to epoch; what edits have changed |
//! | [`checkpoint`], [`lineage`], [`checkpoint_writer`] | everything a resume needs; writing it in the background |
//! | [`journal`] | edits of a running training |
//! | [`watch`], [`remedy`] | known failures, and what helps |
//! | [`forecast`] | time, memory and disk space, from the first steps |
//! | [`run`], [`lock`], [`origin`], `requests`, `image_source` | the run folder, its lock, and `run.json` |
//! | [`snapshot`], [`shelf`] | which model is the best, and the files of the best models |
//! | `run_files`, `disk` | the files that follow the events, and outputs that fail |
//! | [`log_file`], [`metrics`], [`tally`] | `log.txt` and `metrics.jsonl` |
//! | [`tensorboard`], [`plots`] | the metrics for TensorBoard, and as images |
//! | [`signals`] | stopping without losing anything |
//! | [`unseen`] | which images of a dataset a model was not trained on |
//! | [`lr_search`] | `alexnet lr-find` |
//! | [`mod@bench`], [`model_bench`], [`layer_times`] | images per second, of a recipe and of a model; the time of each layer |
//! | `random_batch` | the images of these measurements |

pub mod bench;
pub mod checkpoint;
pub mod checkpoint_writer;
pub mod config;
mod disk;
mod event_json;
pub mod forecast;
mod image_source;
pub mod init;
pub mod journal;
pub mod layer_times;
pub mod lineage;
pub mod lock;
pub mod log_file;
pub mod lr_search;
pub mod metrics;
pub mod model_bench;
pub mod observer;
pub mod origin;
pub mod plots;
pub(crate) mod random_batch;
mod ranks;
pub mod remedy;
pub mod report;
mod requests;
pub mod run;
mod run_files;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod shelf;
pub mod signals;
pub mod snapshot;
pub mod tally;
pub mod tensorboard;
mod training_images;
pub mod transfer;
pub mod unseen;
pub mod watch;

pub use config::{Config, RunFolder};
pub use image_source::ImageSource;
pub use observer::{Event, Observer};
pub use ranks::follow;
pub use report::{Report, StopReason};
pub use requests::{Minutes, Requests};
pub use session::{Session, train};
