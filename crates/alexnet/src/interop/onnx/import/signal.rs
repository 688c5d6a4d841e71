//! Tensors that depend on the images, and what they were computed from.

use alexnet_kernels::geometry::Maps;
use std::rc::Rc;

use super::array::{FloatArray, Size};
use crate::net::Spec;

/// The position of a signal in the order of computation.
pub(super) type SignalId = usize;

/// A tensor that depends on the images.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    /// All dimensions.
    pub(super) shape: Vec<Size>,
    /// The output of the last layer, whose numbers these are.
    pub(super) maps: Maps,
    pub(super) origin: Origin,
    /// The node, in messages.
    pub(super) place: String,
}

/// What a signal was computed from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Bytes of images, `[N, height, width, 3]`, as far as they are preprocessed.
    Pixels(Pixels),
    /// The input of the network.
    Images,
    /// A layer of the signal before it.
    Layer(FoundLayer, SignalId),
    /// The same numbers in another shape.
    View(SignalId),
    /// Some channels, from `first` on.
    Part { of: SignalId, first: usize },
    /// More numbers around those of a signal.
    Padded { of: SignalId, padding: AxisPadding, value: f32 },
    /// Probabilities, from the logits.
    Probabilities(SignalId),
    /// Something that is a part of a layer.
    Step(Step),
}

/// A part of a response normalization, or of a locally connected layer.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Square(SignalId),
    /// The mean over a window at each place, of as many numbers everywhere.
    Means {
        of: SignalId,
        kernel: Vec<usize>,
        padding: AxisPadding,
    },
    /// `factor x + offset`.
    Linear {
        of: SignalId,
        factor: f32,
        offset: f32,
    },
    /// `x^exponent`.
    Power {
        of: SignalId,
        exponent: f32,
    },
    Transposed {
        of: SignalId,
        order: Vec<usize>,
    },
    /// A constant matrix times this one, at each position.
    Product {
        of: SignalId,
        weights: FloatArray,
    },
    /// A constant that is added.
    Shifted {
        of: SignalId,
        by: FloatArray,
    },
}

/// Numbers before and after each axis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AxisPadding {
    pub(super) before: Vec<usize>,
    pub(super) after: Vec<usize>,
}

/// A layer, and its numbers.
#[derive(Clone, Debug)]
pub(super) struct FoundLayer {
    pub(super) spec: Spec,
    pub(super) parameters: Option<FoundParameters>,
}

/// Weights and biases in the layout of the model file.
#[derive(Clone, Debug)]
pub(super) struct FoundParameters {
    pub(super) weights: Rc<Vec<f32>>,
    pub(super) biases: Rc<Vec<f32>>,
}

/// What was done to the bytes of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pixels {
    /// The side of the images that go into the graph.
    pub(super) input_side: usize,
    /// The side of the crop.
    pub(super) side: usize,
    /// The first row and column of the crop.
    pub(super) first: [usize; 2],
    /// What was subtracted.
    pub(super) mean: Option<FloatArray>,
    /// What the difference was multiplied by.
    pub(super) scale: Option<FloatArray>,
}

impl FoundLayer {
    pub(super) fn plain(spec: Spec) -> Self {
        Self { spec, parameters: None }
    }

    pub(super) fn with(spec: Spec, weights: Rc<Vec<f32>>, biases: Vec<f32>) -> Self {
        Self { spec, parameters: Some(FoundParameters { weights, biases: Rc::new(biases) }) }
    }
}

impl Signal {
    /// The dimensions of one image, if the images are the first one.
    pub(super) fn of_image(&self) -> Option<Vec<usize>> {
        self.of_images().and_then(|(multiple, sizes)| (multiple == 1).then_some(sizes))
    }

    /// The other dimensions, if the first one is the number of images times a number, which is returned too.
    pub(super) fn of_images(&self) -> Option<(usize, Vec<usize>)> {
        let (Size::Images(multiple), rest) = self.shape.split_first()? else { return None };
        let known = |size: &Size| match size {
            Size::Known(size) => usize::try_from(*size).ok(),
            Size::Images(_) => None,
        };
        Some((*multiple, rest.iter().map(known).collect::<Option<_>>()?))
    }

    /// Whether these are the maps of the last layer, `[N, channels, height, width]`.
    pub(super) fn is_maps(&self) -> bool {
        let Maps { height, width, channels } = self.maps;
        self.of_image().is_some_and(|sizes| sizes == [channels, height, width])
    }

    /// Whether these are the numbers of the last layer in a row, `[N, units]`.
    pub(super) fn is_units(&self) -> bool {
        self.of_image().is_some_and(|sizes| sizes == [self.maps.len()])
    }

    /// The shape in messages.
    pub(super) fn shown(&self) -> String {
        shown_shape(&self.shape)
    }
}

/// A shape in messages.
pub(super) fn shown_shape(shape: &[Size]) -> String {
    let size = |size: &Size| match size {
        Size::Known(size) => size.to_string(),
        Size::Images(1) => "N".to_owned(),
        Size::Images(multiple) => format!("{multiple} N"),
    };
    format!("[{}]", shape.iter().map(size).collect::<Vec<_>>().join(", "))
}

/// The shape of maps.
pub(super) fn maps_shape(maps: Maps) -> Vec<Size> {
    let known = |size: usize| Size::Known(size as i64);
    vec![Size::IMAGES, known(maps.channels), known(maps.height), known(maps.width)]
}

/// The shape of units.
pub(super) fn units_shape(units: usize) -> Vec<Size> {
    vec![Size::IMAGES, Size::Known(units as i64)]
}
