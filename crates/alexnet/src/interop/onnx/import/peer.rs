//! The same logits from onnxruntime.

use std::path::Path;

use serde_json::json;

use super::options::ChannelOrder;
use super::signal::Pixels;
use crate::interop::peer::PeerScript;

/// What a graph has before its layers and after them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GraphEnds {
    /// How it preprocesses images; `None` if its input is floats.
    pub(super) pixels: Option<Pixels>,
    /// The order of the channels of its input.
    pub(super) order: ChannelOrder,
    /// Whether its output is probabilities.
    pub(super) has_softmax: bool,
    /// Whether it computes in floats of 32 bits.
    pub(super) is_exact: bool,
}

impl GraphEnds {
    /// The script that computes the logits of the graph in a file; `None` if they differ from those of the layers, because they are
    /// computed in fewer bits.
    pub(super) fn script(&self, path: &Path) -> Option<PeerScript> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // The bytes of a view follow from its floats: `value / scale + mean`. What the graph crops away is never seen.
        let pixels = self.pixels.as_ref().and_then(|pixels| {
            let Pixels { input_side, first, mean, scale, .. } = pixels;
            let (mean, scale) = (mean.as_ref()?, scale.as_ref()?);
            Some(json!({
                "side": input_side,
                "first": first,
                "mean": { "shape": mean.shape, "data": *mean.data },
                "scale": *scale.data,
            }))
        });
        let request = json!({
            "file": path.to_string_lossy(),
            "reverse_channels": self.order == ChannelOrder::Bgr,
            "softmax": self.has_softmax,
            "pixels": pixels,
        });
        let files = vec![("compare.py", include_str!("compare.py"))];
        self.is_exact.then_some(PeerScript { files, request })
    }
}
