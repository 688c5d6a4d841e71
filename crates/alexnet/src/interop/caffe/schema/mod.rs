//! The part of `caffe.proto` that networks in a chain need: names and numbers of fields. One table serves both formats, text
//! and binary, and both directions.
//!
//! | file | contents |
//! |---|---|
//! | `field` | what a message and a field are |
//! | `net` | networks, layers, arrays |
//! | `settings` | the settings of each type of layers |
//! | `solver` | solvers |

mod field;
mod net;
mod settings;
mod solver;

pub(super) use field::{Field, FieldKind, Label, Schema};
pub(super) use net::{BLOB, NET};
pub(super) use solver::SOLVER;
