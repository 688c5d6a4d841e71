//! How images become the input of an imported network: as its metadata say, or as assumed.

use super::chain::Chain;
use super::options::{ChannelOrder, GraphInput};
use super::state::State;
use crate::data::{Preprocess, View};
use crate::interop::onnx::export::{factors, mean_of_crop};
use crate::interop::onnx::metadata::Declaration;
use crate::net::{Input, Mean, Orientation};
use crate::{Error, Result};

/// The mean color of ImageNet's training images, from 0 to 255, as torchvision subtracts it.
const TORCHVISION_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// The deviations of ImageNet's colors, from 0 to 1, as torchvision divides by them.
const TORCHVISION_DEVIATIONS: [f32; 3] = [0.229, 0.224, 0.225];
/// The mean color of ImageNet's training images, as Caffe's examples subtract it.
const CAFFE_MEAN: [f32; 3] = [122.679, 116.669, 104.007];

/// A convention of preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convention {
    /// RGB from 0 to 1, minus the mean color, divided by the deviations.
    Torchvision,
    /// BGR from 0 to 255, minus the mean color.
    Caffe,
}

impl Convention {
    /// The rule: networks of the operator `LRN` are Caffe's, since PyTorch has no such operator; all others are PyTorch's.
    pub(super) fn assumed(has_lrn: bool) -> Self {
        if has_lrn { Self::Caffe } else { Self::Torchvision }
    }

    /// The built-in recipe whose training settings are assumed.
    pub(super) fn recipe(self) -> &'static str {
        match self {
            Self::Torchvision => "torchvision",
            Self::Caffe => "caffe",
        }
    }

    fn order(self) -> ChannelOrder {
        match self {
            Self::Torchvision => ChannelOrder::Rgb,
            Self::Caffe => ChannelOrder::Bgr,
        }
    }
}

/// The preprocessing of a network without metadata, and the order of its channels.
pub(super) fn assumed(
    options: &GraphInput,
    convention: Convention,
    crop: usize,
    notes: &mut Vec<String>,
) -> (Input, ChannelOrder) {
    let square = options.square.unwrap_or(if matches!(crop, 224 | 227) { 256 } else { crop });
    let (mean, divisor, std) = match convention {
        Convention::Torchvision => (TORCHVISION_MEAN, 255.0, Some(TORCHVISION_DEVIATIONS)),
        Convention::Caffe => (CAFFE_MEAN, 1.0, None),
    };
    let mean = options.mean.unwrap_or(mean);
    let divisor = options.divisor.unwrap_or(divisor);
    let std = options.deviations.or(std).filter(|deviations| *deviations != [1.0; 3]);
    let order = options.order.unwrap_or(convention.order());
    let why = match convention {
        Convention::Torchvision => "torchvision's is assumed",
        Convention::Caffe => "Caffe's is assumed, since the network has the operator LRN",
    };
    let order_name = match order {
        ChannelOrder::Rgb => "RGB",
        ChannelOrder::Bgr => "BGR",
    };
    let deviations = std.map_or_else(String::new, |std| format!(" and by {std:?}"));
    notes.push(format!(
        "preprocessing is not in the file, {why}: squares of {square} pixels, crops of {crop}, {order_name} from 0 to 255 minus \
         the color {mean:?} (of red, green and blue), divided by {divisor}{deviations}"
    ));
    let orientation = Orientation::Exif;
    (Input { square, crop, orientation, mean: Mean::Fixed(mean), divisor, std }, order)
}

/// The mean color of an input, which is fixed.
pub(super) fn mean(input: &Input) -> Vec<f32> {
    match input.mean {
        Mean::Fixed(mean) => mean.to_vec(),
        Mean::Image | Mean::Channels => TORCHVISION_MEAN.to_vec(),
    }
}

/// The side of the crop: that of the input.
pub(super) fn crop(chain: &Chain) -> Result<usize> {
    let maps = chain.input;
    match maps.channels == 3 && maps.height == maps.width {
        true => Ok(maps.height),
        false => Err(Error::model(format!("the input of the graph is {maps}, expected 3 x SIDE x SIDE"))
            .help("only networks for square color images are supported")),
    }
}

impl State<'_> {
    /// Reports preprocessing in the graph that is not that of the metadata.
    pub(super) fn check_pixels(&mut self, declared: Option<&Declaration>) {
        let Some(pixels) = self.pixels.clone() else { return };
        let Some(Declaration { preprocess, .. }) = declared else {
            self.report("the input", "images as bytes, whose preprocessing is not described in the metadata");
            return;
        };
        let Preprocess { square, crop, .. } = *preprocess;
        let View { x, y, .. } = View::center(square, crop);
        let (shape, mean) = mean_of_crop(preprocess);
        let is_same = pixels.side == crop
            && (pixels.first == [y, x] || pixels.first == [0, 0])
            && pixels.mean.is_some_and(|found| found.shape == shape && *found.data == mean)
            && pixels.scale.is_some_and(|found| found.shape == [3] && *found.data == factors(preprocess));
        if !is_same {
            self.report("the input", "preprocessing in the graph that is not that of the metadata");
        }
    }
}
