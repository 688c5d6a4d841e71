//! `alexnet import` and `export`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::values::{color, deviations, divisor, setting, whole};
use alexnet::error::shell;
use alexnet::interop::Format;
use alexnet::interop::onnx::{ChannelOrder, GraphInput, OnnxExport, OnnxInput};
use alexnet::{Error, Result};

/// `alexnet import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet import alexnet-owt-7be5be79.pth imagenet.safetensors\n  \
                        alexnet import weights.pth pets.safetensors --classes pets.txt --verify photos/\n  \
                        alexnet import paper.safetensors model.safetensors --recipe paper\n  \
                        alexnet import network.onnx model.safetensors\n  \
                        alexnet import network.onnx model.safetensors --mean 0,0,0 --divisor 255 --deviations 1,1,1 --channels rgb\n  \
                        alexnet import deploy.prototxt bvlc_alexnet.caffemodel mean.binaryproto synset_words.txt model.safetensors\n  \
                        alexnet train pets/ --init imagenet.safetensors     # the same network for other classes\n\n\
                        Python compares the logits with those of the program that wrote the files, if it is installed with\n\
                        that program; ALEXNET_PYTHON=/path/to/python3 names an interpreter, ALEXNET_PYTHON= none.")]
pub(crate) struct ImportArgs {
    /// The files of a network: a state dict of PyTorch (.pth, .safetensors) or an ONNX model, recognized by their content, or
    /// the .prototxt, .caffemodel, .binaryproto and class names (.txt) of Caffe
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The model to write
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The network of a file that stores only weights [default: torchvision, for tensors with its names]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) recipe: Option<String>,
    /// Change a value of the recipe, as in --set input.square=256
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting, requires = "recipe")]
    pub(crate) set: Vec<(String, String)>,
    /// File of class names, in the order of the outputs: one per line, or a JSON array [default: ImageNet's for 1,000 outputs]
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// Images to store with their logits, by which the model is verified whenever it is loaded: a file or a folder, the first
    /// 16 images [default: 4 synthetic ones]
    #[arg(long, value_name = "IMAGES")]
    pub(crate) verify: Vec<PathBuf>,
    /// The input of a graph of ONNX.
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// How images become the input of a graph of ONNX.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Input of ONNX graphs [default: as the file says, or as its operators suggest]"
)]
pub(crate) struct InputArgs {
    /// Side of the squares that images are resized to
    #[arg(long, value_name = "PIXELS", value_parser = whole::<usize>(1..=4096))]
    square: Option<usize>,
    /// Side of the input, if the graph leaves it open
    #[arg(long, value_name = "PIXELS", value_parser = whole::<usize>(1..=4096))]
    crop: Option<usize>,
    /// Red, green and blue to subtract, from 0 to 255
    #[arg(long, value_name = "R,G,B", value_parser = color)]
    mean: Option<[f32; 3]>,
    /// What the difference is divided by: 255 for a network whose input is from 0 to 1
    #[arg(long, value_name = "NUMBER", value_parser = divisor)]
    divisor: Option<f32>,
    /// What red, green and blue are then divided by
    #[arg(long, value_name = "R,G,B", value_parser = deviations)]
    deviations: Option<[f32; 3]>,
    /// Order of the channels: red, green, blue; or blue, green, red, as OpenCV and Caffe read images
    #[arg(long, value_name = "rgb|bgr", value_enum, hide_possible_values = true)]
    channels: Option<Channels>,
}

impl InputArgs {
    /// The same, as the importer takes it.
    pub(crate) fn graph_input(&self) -> GraphInput {
        let Self { square, crop, mean, divisor, deviations, channels } = *self;
        let order = channels.map(|channels| match channels {
            Channels::Rgb => ChannelOrder::Rgb,
            Channels::Bgr => ChannelOrder::Bgr,
        });
        GraphInput { square, crop, mean, divisor, deviations, order }
    }
}

/// An order of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Channels {
    /// Red, green, blue
    Rgb,
    /// Blue, green, red, as OpenCV and Caffe read images
    Bgr,
}

/// `alexnet export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet export runs/pets pets.safetensors    # torchvision's names, or those of the layers\n  \
                  alexnet export runs/pets pets.onnx           # logits of preprocessed crops\n  \
                  alexnet export runs/pets pets.onnx --input square --softmax    # probabilities of squares of bytes\n  \
                  alexnet export runs/pets pets-caffe          # a folder with deploy.prototxt and weights.caffemodel"
)]
pub(crate) struct ExportArgs {
    /// A model file or a run folder
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The file to write: `.safetensors` or `.onnx`; a name without extension is a folder for Caffe
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The format, if the name of OUT does not say it: a state dict of PyTorch, a graph of ONNX, or a folder for Caffe
    #[arg(long, value_name = "torch|onnx|caffe", value_enum, hide_possible_values = true)]
    pub(crate) to: Option<To>,
    /// What goes into the graph and comes out of it.
    #[command(flatten)]
    pub(crate) graph: GraphArgs,
}

/// A graph of ONNX.
#[derive(Debug, Args)]
#[command(next_help_heading = "ONNX graphs")]
pub(crate) struct GraphArgs {
    /// What goes into the graph: preprocessed crops as floats [N, 3, crop, crop], or RGB bytes [N, side, side, 3] of crops, or of
    /// squares, whose center crop the graph takes [default: floats]
    #[arg(long, value_name = "floats|crop|square", value_enum, hide_possible_values = true)]
    input: Option<Input>,
    /// Probabilities instead of logits
    #[arg(long)]
    softmax: bool,
    /// Version of the operators, 13 to 22 [default: 17]
    #[arg(long, value_name = "NUMBER", value_parser = whole::<u32>(13..=22))]
    opset: Option<u32>,
}

impl GraphArgs {
    /// The options of the export of MODEL to a format, which must be ONNX if any is given.
    pub(crate) fn options(&self, format: Format, model: &Path) -> Result<OnnxExport> {
        let given = [
            ("--input", self.input.is_some()),
            ("--softmax", self.softmax),
            ("--opset", self.opset.is_some()),
        ];
        let default = OnnxExport::default();
        match (format, given.iter().find(|(_, is_given)| *is_given)) {
            (Format::Onnx, _) | (_, None) => Ok(OnnxExport {
                input: self.input.map_or(default.input, OnnxInput::from),
                softmax: self.softmax,
                opset: self.opset.unwrap_or(default.opset),
            }),
            (Format::Torch | Format::Caffe, Some((name, _))) => Err(Error::usage(format!(
                "{name} is an option of ONNX, and the format is {}",
                format.title()
            ))
            .help(format!("leave it out, or export ONNX: `alexnet export {} OUT.onnx`", shell(model)))),
        }
    }
}

/// What goes into a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Input {
    /// Preprocessed crops, floats [N, 3, crop, crop]
    Floats,
    /// Crops, bytes [N, crop, crop, 3] in RGB: the graph subtracts and divides
    Crop,
    /// Squares, bytes [N, square, square, 3] in RGB: the graph also takes the center crop
    Square,
}

impl From<Input> for OnnxInput {
    fn from(input: Input) -> Self {
        match input {
            Input::Floats => Self::Floats,
            Input::Crop => Self::Crop,
            Input::Square => Self::Square,
        }
    }
}

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// A state dict of PyTorch, in a safetensors file
    Torch,
    /// ONNX
    Onnx,
    /// A folder with the files of Caffe
    Caffe,
}

impl From<To> for Format {
    fn from(to: To) -> Self {
        match to {
            To::Torch => Self::Torch,
            To::Onnx => Self::Onnx,
            To::Caffe => Self::Caffe,
        }
    }
}
