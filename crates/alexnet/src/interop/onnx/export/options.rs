//! What is asked for in an export.

use std::ops::RangeInclusive;

use crate::{Error, Result};

/// The operator sets that can be written: from the first with 8-bit weights of a scale per channel.
pub(super) const OPSETS: RangeInclusive<u32> = 13..=22;

/// How a model is written as ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnnxExport {
    /// What goes into the graph.
    pub input: OnnxInput,
    /// Whether the output is the probabilities of the classes, instead of the logits.
    pub softmax: bool,
    /// The version of the operators, 13 to 22. Every runtime since 2022 knows version 17.
    pub opset: u32,
}

/// What goes into an exported graph. `N` is any number of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnnxInput {
    /// Preprocessed crops: `images`, floats `[N, 3, crop, crop]`.
    #[default]
    Floats,
    /// Crops before the mean is subtracted: `pixels`, bytes `[N, crop, crop, 3]` in RGB.
    Crop,
    /// Squares, of which the graph takes the center crop: `pixels`, bytes `[N, square, square, 3]` in RGB.
    Square,
}

impl Default for OnnxExport {
    fn default() -> Self {
        Self { input: OnnxInput::default(), softmax: false, opset: 17 }
    }
}

impl OnnxExport {
    /// The version of the file format that came with the operator set, so that runtimes of that time read the file.
    pub(super) fn ir_version(&self) -> i64 {
        match self.opset {
            ..=14 => 7,
            15..=18 => 8,
            19..=20 => 9,
            21.. => 10,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match OPSETS.contains(&self.opset) {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "operator set {}, expected {} to {}",
                self.opset,
                OPSETS.start(),
                OPSETS.end()
            ))
            .help(format!("use the default, {}", Self::default().opset))),
        }
    }
}
