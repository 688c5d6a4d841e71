//! What an import is told besides the file.

/// What an import is told besides the file. What is `None` is as the file says, or assumed, which is noted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnnxImport {
    /// The class names, in the order of the outputs.
    pub classes: Option<Vec<String>>,
    /// How images become the input of the graph.
    pub input: GraphInput,
}

/// How images become the input of a graph, as far as it is known. What is `None` is as the file says, or assumed, which is noted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphInput {
    /// The side of the squares that images are resized to.
    pub square: Option<usize>,
    /// The side of the input of a graph that does not fix it.
    pub crop: Option<usize>,
    /// The red, green and blue to subtract, from 0 to 255.
    pub mean: Option<[f32; 3]>,
    /// What the difference is divided by: 255 for a network whose input is from 0 to 1.
    pub divisor: Option<f32>,
    /// What red, green and blue are then divided by.
    pub deviations: Option<[f32; 3]>,
    /// The order of the channels of the network's input.
    pub order: Option<ChannelOrder>,
}

impl GraphInput {
    /// Whether anything about preprocessing is given: all but the size of the graph's input.
    pub(super) fn has_preprocessing(&self) -> bool {
        *self != Self { crop: self.crop, ..Self::default() }
    }
}

/// The order of the channels of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as OpenCV and Caffe read images. The first layer's weights are exchanged on import: images are RGB here.
    Bgr,
}
