//! Quantization of trained models to 8-bit integers: scales from calibration images, the form of each layer, and what it
//! costs in accuracy.
//!
//! | file | contents |
//! |---|---|
//! | `calibration`, `histogram` | the values of all activations for the calibration images |
//! | `range` | the range of numbers that bytes stand for |
//! | `weights` | 8-bit weights |
//! | `winograd` | direct convolutions compared with Winograd's algorithms |
//! | `decide`, `form` | how each layer is computed, and why |
//! | `run` | [`quantize`](quantize()) |
//! | `report` | [`QuantizeReport`] |

mod calibration;
mod decide;
mod form;
mod histogram;
mod range;
mod report;
mod run;
mod weights;
mod winograd;

pub use form::{Decision, Form};
pub use range::{Range, RangeRule};
pub use report::{Accuracy, LayerError, QuantizeReport};
pub use run::{QuantizeOptions, Source, measure_accuracy, quantize};
