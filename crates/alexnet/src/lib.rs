//! The network and the training system of Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep
//! Convolutional Neural Networks" (NIPS 2012), as a program and a library.
//!
//! The folders stand in the order in which the data flows:
//!
//! | module | what it does |
//! |---|---|
//! | [`data`] | images with labels: sources, decoding, 256-pixel squares, mean image, augmentation, loading |
//! | [`net`] | what a network is: recipes, layers, shapes. No numerics |
//! | [`engine`] | how a network runs: a plan, and an engine that carries it out |
//! | [`train`] | the training loop: momentum and decay, schedules, run folders |
//! | [`eval`] | top-1 and top-5, ten views, ensembles, classifying single images |
//! | [`model`] | the model file |
//!
//! Beside them, [`files`] keeps what is saved, [`error`] says how a failure is told to the user, and [`random`] makes every random number a
//! pure function of the seed and of what it is for.
#![forbid(unsafe_code)]

pub mod data;
pub mod engine;
pub mod error;
pub mod eval;
pub mod files;
pub mod format;
pub mod model;
pub mod net;
pub mod random;
pub mod train;

pub use error::{Error, Result};
