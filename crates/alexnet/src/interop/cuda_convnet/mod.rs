//! Converts networks of cuda-convnet, the authors' program, to recipes: a file of layers (`layers-145.cfg`) and one of
//! their rates (`layer-params-145.cfg`).
//!
//! A layer of those files is one column's part, on one GPU. Parts with the same inputs, or with one part each as input,
//! become one layer of a recipe, whose columns are groups.
//!
//! | file | contents |
//! |---|---|
//! | `ini` | the files' format, with line numbers |
//! | `layers` | sections to layers |
//! | `chain` | the order of layers, and their columns |
//! | `rates`, `curves` | learning rates, initial weights and decay; schedules |
//! | `notes` | the changes by hand that the authors noted in comments |
//! | `recipe`, `convert` | layers and rates to a recipe |
//! | `gaps` | settings without counterpart |

mod chain;
mod convert;
mod curves;
mod gaps;
mod ini;
mod layers;
mod notes;
mod rates;
mod recipe;

pub use convert::{Converted, Images, convert, read};
pub use recipe::Made;

#[cfg(test)]
mod tests;
