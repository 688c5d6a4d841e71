//! The network of Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks"
//! (NIPS 2012), and everything needed to train, evaluate and use it on a CPU.
//!
//! # Training
//! A closure can observe a training run, and stop it:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! use alexnet::data::Dataset;
//! use alexnet::net::Recipe;
//! use alexnet::train::{Config, Event, Session};
//!
//! # fn main() -> alexnet::Result<()> {
//! let config = Config::new(Recipe::load("small")?, Dataset::open(Path::new("photos"))?);
//! let report = Session::new(config)
//!     .observe(|event: &Event<'_>| match event {
//!         Event::Step(step) if step.loss < 0.1 => ControlFlow::Break(()),
//!         _ => ControlFlow::Continue(()),
//!     })
//!     .run()?;
//! println!("{} steps, models in {}", report.steps, report.run.display());
//! # Ok(())
//! # }
//! ```
//!
//! # Classifying
//! A model file contains its class names and preprocessing:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use alexnet::eval::{Predictor, PredictorOptions};
//! use alexnet::eval::classify::{Outcome, classify};
//!
//! # fn main() -> alexnet::Result<()> {
//! let mut model = Predictor::load(Path::new("runs/small-1"), &PredictorOptions::default())?;
//! let views = model.views;
//! match classify(&mut model, Path::new("cat.jpg"), views, 5).outcome {
//!     Outcome::Predictions(best) => {
//!         for prediction in best {
//!             println!("{:.3} {}", prediction.probability, prediction.label);
//!         }
//!     }
//!     Outcome::Error(message) => eprintln!("cat.jpg: {message}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//! In the order of the data flow:
//!
//! | module | contents |
//! |---|---|
//! | [`data`] | labeled images: sources, decoding, squares, augmentation, loading; checking and packing data sets |
//! | [`net`] | networks: recipes, layers, shapes. No numerics |
//! | [`engine`] | engines that execute networks |
//! | [`parallel`] | several processes: messages, collective operations, schemes |
//! | [`model`] | the model file, the layout of run folders |
//! | [`train`] | training: the session, schedules, checkpoints, edits, observers |
//! | [`eval`] | evaluation and classification, with views and ensembles |
//! | [`mod@quantize`] | models to 8-bit integers |
//! | [`inspect`] | what a model has learned: kernels, predictions, nearest images |
//! | [`interop`] | files of other programs: PyTorch's state dicts, ONNX, networks of Caffe and cuda-convnet |
//! | [`mod@reproduce`] | the claims of the paper, tested over several seeds |
//!
//! Used by all of them: [`error`], [`mod@format`] for numbers in messages, [`files`], `threads`, and [`random`], which makes random
//! numbers a pure function of the seed and their purpose. The arithmetic is in the crate `alexnet-kernels`.
#![forbid(unsafe_code)]

pub mod data;
pub mod engine;
pub mod error;
pub mod eval;
pub mod files;
pub mod format;
pub mod inspect;
pub mod interop;
pub mod model;
pub mod net;
pub mod parallel;
pub mod quantize;
pub mod random;
pub mod reproduce;
mod threads;
pub mod train;

pub use error::{Error, Result};
