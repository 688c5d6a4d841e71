//! The extension module `alexnet._native`: the library for the Python package, which is in `python/lib/alexnet`.
//!
//! | file | what it does |
//! |---|---|
//! | `model`, `opened` | a model, and its engines, which do not survive a fork |
//! | `pixels` | NumPy arrays as images, and images and tensors as NumPy arrays |
//! | `dataset` | datasets |
//! | `recipe` | recipes |
//! | `training`, `options`, `observer` | a training run, its options, and its callbacks |
//! | `evaluation` | an evaluation as tables |
//! | `detached` | work without the interpreter's lock, and the end of the interpreter |
//! | `failure` | errors as exceptions |
//! | `values` | JSON as Python objects |
//!
//! Everything that a caller sees is checked and documented in Python.
#![deny(unsafe_code)]

mod dataset;
mod detached;
mod evaluation;
mod failure;
mod model;
mod observer;
mod opened;
mod options;
mod pixels;
mod recipe;
mod training;
mod values;

use pyo3::pymodule;

/// The library for the package `alexnet`.
#[pymodule]
mod _native {
    #[allow(non_upper_case_globals, reason = "the name of Python")]
    #[pymodule_export]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use super::dataset::Dataset;
    #[pymodule_export]
    use super::detached::shut_down;
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::recipe::Recipe;
    #[pymodule_export]
    use super::training::train;
}
