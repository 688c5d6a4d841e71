//! The forms of the layers, as the metadata of a file describes them.

use serde::{Deserialize, Serialize};

use crate::engine::{QuantizedLayer, QuantizedNetwork, Quantizer, Values};

/// The metadata `layers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// What the bytes of the images stand for; null if they are floats.
    pub(super) input: Option<Bytes>,
    pub(super) layers: Vec<Entry>,
}

/// What bytes stand for: `scale * (byte - zero)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bytes {
    scale: f32,
    zero: u8,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) layer: String,
    #[serde(flatten)]
    pub(super) form: EntryForm,
}

/// How a layer is computed; `output` is null for floats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "kebab-case")]
pub(super) enum EntryForm {
    Int8 { output: Option<Bytes> },
    Winograd { algorithm: String, output: Option<Bytes> },
    Lrn { output: Bytes },
    MaxPool,
    Fused,
    Table { output: Bytes },
    F32 { output: Option<Bytes> },
}

impl Header {
    pub(super) fn of(network: &QuantizedNetwork) -> Self {
        let layers = network.network.layers.iter().zip(&network.layers);
        let entry =
            |layer: &str, form: &QuantizedLayer| Entry { layer: layer.to_owned(), form: form_of(form) };
        Self {
            input: bytes_of(network.input),
            layers: layers.map(|(layer, form)| entry(&layer.name, form)).collect(),
        }
    }
}

fn form_of(layer: &QuantizedLayer) -> EntryForm {
    match layer {
        QuantizedLayer::Direct(_, output) => EntryForm::Int8 { output: bytes_of(*output) },
        QuantizedLayer::Winograd(weights, output) => {
            EntryForm::Winograd { algorithm: weights.algorithm.name().to_owned(), output: bytes_of(*output) }
        }
        QuantizedLayer::Lrn(output) => EntryForm::Lrn { output: Bytes::from(*output) },
        QuantizedLayer::MaxPool => EntryForm::MaxPool,
        QuantizedLayer::Absorbed => EntryForm::Fused,
        QuantizedLayer::Table(_, output) => EntryForm::Table { output: Bytes::from(*output) },
        QuantizedLayer::Floats(_, output) => EntryForm::F32 { output: bytes_of(*output) },
    }
}

fn bytes_of(values: Values) -> Option<Bytes> {
    match values {
        Values::Bytes(bytes) => Some(Bytes::from(bytes)),
        Values::Floats => None,
    }
}

/// The values that an entry describes.
pub(super) fn values(bytes: Option<Bytes>) -> Values {
    bytes.map_or(Values::Floats, |bytes| Values::Bytes(bytes.into()))
}

impl From<Quantizer> for Bytes {
    fn from(Quantizer { scale, zero }: Quantizer) -> Self {
        Self { scale, zero }
    }
}

impl From<Bytes> for Quantizer {
    fn from(Bytes { scale, zero }: Bytes) -> Self {
        Self { scale, zero }
    }
}
