//! What quantization did to a model.

use serde::Serialize;

use super::form::Decision;
use super::range::RangeRule;
use crate::data::Skip;
use crate::eval::Evaluation;
use crate::net::Views;

/// What quantization did to a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuantizeReport {
    /// The number of calibration images.
    pub images: usize,
    /// How ranges were chosen.
    pub rule: RangeRule,
    /// The bytes of the weights and biases before.
    pub f32_bytes: usize,
    /// The bytes of the weights, scales and biases after.
    pub int8_bytes: usize,
    /// What was decided for each layer.
    pub layers: Vec<Decision>,
    /// The relative RMS error of each layer's output for calibration images, with the errors of the layers before it.
    pub errors: Vec<LayerError>,
    /// What a user should know.
    pub warnings: Vec<String>,
    /// Calibration images that could not be decoded.
    pub skipped: Vec<Skip>,
    /// Results on validation images, if they were measured.
    pub accuracy: Option<Accuracy>,
}

/// The difference between a layer's output and that of the f32 model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerError {
    /// The name of the layer.
    pub layer: String,
    /// The relative RMS difference.
    pub error: f64,
}

/// Results of a model before and after quantization, on the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// The split.
    pub split: String,
    /// The views averaged per image.
    pub views: Views,
    /// The f32 model.
    pub f32: Evaluation,
    /// The quantized model.
    pub int8: Evaluation,
}
