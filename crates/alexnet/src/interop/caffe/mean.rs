//! Mean images, `mean.binaryproto`.

use super::blob::Blob;
use super::message::{Message, Value};
use super::origin::Origin;
use super::schema::BLOB;
use super::wire::{Remarks, decode};
use crate::Result;

/// A mean image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeanImage {
    /// The side, in pixels.
    pub(super) side: usize,
    /// Red, green and blue of each pixel, `[side, side, 3]`.
    pub(super) pixels: Vec<f32>,
}

impl MeanImage {
    /// Reads a mean image, which Caffe stores as three planes: blue, green, red.
    ///
    /// # Errors
    /// Returns an error if the bytes are not such an image: three square planes of finite values.
    pub(super) fn decode(bytes: &[u8], origin: &Origin) -> Result<(Self, Remarks)> {
        let (message, remarks) = decode(bytes, origin, &BLOB)?;
        let blob = Blob::take(message);
        let help = "specify the mean image of the training images, 3 x 256 x 256 for ImageNet, as Caffe's `compute_image_mean` writes it";
        let side = blob.dims.last().and_then(|side| usize::try_from(*side).ok()).unwrap_or(0);
        if !(1..=4096).contains(&side) || !blob.has_shape(&[3, side, side]) {
            return Err(origin
                .refuse(None, format!("shape {:?}, expected [1, 3, S, S] with S from 1 to 4096", blob.dims))
                .help(help));
        }
        if let Some(problem) = blob.problem(&[3, side, side]) {
            return Err(origin.refuse(None, problem).help(help));
        }
        let area = side * side;
        let pixels = (0..area).flat_map(|at| [2, 1, 0].map(|plane| blob.values[plane * area + at])).collect();
        Ok((Self { side, pixels }, remarks))
    }

    /// The file of a mean image.
    pub(super) fn encode(&self) -> Message {
        let planes = [2, 1, 0].into_iter().flat_map(|c| self.pixels.iter().skip(c).step_by(3).copied());
        let side = Value::Int(self.side as i64);
        // As Caffe's own tools write it, which others expect.
        Message::default()
            .with("num", Value::Int(1))
            .with("channels", Value::Int(3))
            .with("height", side.clone())
            .with("width", side)
            .with("data", Value::Floats(planes.collect()))
    }

    /// Returns red, green and blue if all pixels have the same.
    pub(super) fn color(&self) -> Option<[f32; 3]> {
        let (pixels, []) = self.pixels.as_chunks::<3>() else { return None };
        let first = pixels.first()?;
        pixels.iter().all(|pixel| pixel == first).then_some(*first)
    }
}
