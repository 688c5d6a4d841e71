//! What was decided for a layer.

use std::fmt;

use alexnet_kernels::int8::Algorithm;
use serde::{Serialize, Serializer};

use super::range::Range;
use crate::net::Layer;

/// How a layer is computed, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The name of the layer.
    pub layer: String,
    /// The kind of the layer in a recipe.
    pub kind: &'static str,
    /// How it is computed.
    pub form: Form,
    /// Why it, or its output, is in 32-bit floats; absent if neither is.
    pub reason: Option<String>,
    /// The range of its output, if that is stored as bytes and the layer chooses the range.
    pub range: Option<Range>,
    /// The range that was chosen for bytes, if its output is in 32-bit floats because they would distort it.
    pub rejected_range: Option<Range>,
    /// The relative RMS error of its 8-bit weights.
    pub weight_error: Option<f64>,
    /// The number of output channels whose weights are all zero.
    pub zero_channels: usize,
    /// The relative RMS error of the layer alone, computed directly; for convolutions that an algorithm of Winograd's fits.
    pub direct_error: Option<f64>,
    /// The same for the algorithms that fit, with the one of the fewest multiplications first.
    pub winograd_errors: Vec<(Form, f64)>,
}

impl Decision {
    pub(super) fn new(layer: &Layer, form: Form) -> Self {
        Self {
            layer: layer.name.clone(),
            kind: layer.kind(),
            form,
            reason: None,
            range: None,
            rejected_range: None,
            weight_error: None,
            zero_channels: 0,
            direct_error: None,
            winograd_errors: Vec::new(),
        }
    }
}

/// How a layer is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By products of bytes and 8-bit weights.
    Direct,
    /// By products of transformed bytes and transformed 8-bit weights.
    Winograd(Algorithm),
    /// On bytes, without weights.
    Bytes,
    /// As a part of the layer before it.
    Fused,
    /// By a table of 256 bytes.
    Table,
    /// In 32-bit floats.
    F32,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "int8",
            Self::Winograd(algorithm) => return write!(f, "int8 {}", algorithm.name()),
            Self::Bytes => "bytes",
            Self::Fused => "fused",
            Self::Table => "table",
            Self::F32 => "f32",
        })
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
