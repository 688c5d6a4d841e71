//! Networks of Caffe: definitions (`deploy.prototxt`, `train_val.prototxt`, `solver.prototxt`) as recipes, files of weights
//! (`.caffemodel`) and mean images (`mean.binaryproto`) as models, and models as such files.
//!
//! | file | contents |
//! |---|---|
//! | `schema` | the part of `caffe.proto` that is known here |
//! | `message` | messages of either format |
//! | `text`, `lexer` | the text format, with line numbers |
//! | `wire` | the binary format |
//! | `encode` | writing both |
//! | `nodes`, `chain` | the layers of a definition, their phases and their order |
//! | `operation`, `layers`, `settings` | what a layer computes |
//! | `fillers` | initial weights and learning rates of a layer |
//! | `data` | what a definition says about the images |
//! | `solver` | a solver as optimizer and schedule |
//! | `body`, `definition`, `recipe` | all of it to a recipe |
//! | `blob`, `weights`, `mean` | weights and mean images |
//! | `import`, `files` | all of it to a model |
//! | `export`, `write` | a model to Caffe's files |

mod blob;
mod body;
mod chain;
mod data;
mod definition;
mod encode;
mod export;
mod files;
mod fillers;
mod import;
mod layers;
mod lexer;
mod mean;
mod message;
mod nodes;
mod operation;
mod origin;
mod recipe;
mod schema;
mod settings;
mod solver;
mod text;
mod weights;
mod wire;
mod write;

pub use definition::CaffeImages;
pub use files::{CaffeFiles, read};
pub use import::{CaffeContents, import};
pub use recipe::{CaffeRecipe, convert, read_recipe};
pub use write::{CaffeExport, write};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;
