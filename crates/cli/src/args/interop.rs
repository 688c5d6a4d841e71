//! `alexnet import` and `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::setting;
use alexnet::interop::Format;

/// `alexnet import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alexnet import alexnet-owt-7be5be79.pth imagenet.safetensors\n  \
                        alexnet import weights.pth pets.safetensors --classes pets.txt --verify photos/\n  \
                        alexnet import paper.safetensors model.safetensors --recipe paper\n  \
                        alexnet import network.onnx model.safetensors\n  \
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
    /// 16 images [default: 4 made ones]
    #[arg(long, value_name = "IMAGES")]
    pub(crate) verify: Vec<PathBuf>,
}

/// `alexnet export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alexnet export runs/pets pets.safetensors    # torchvision's names, or those of the layers\n  \
                  alexnet export runs/pets pets.onnx           # logits of preprocessed crops\n  \
                  alexnet export runs/pets pets-caffe          # a folder with deploy.prototxt and weights.caffemodel"
)]
pub(crate) struct ExportArgs {
    /// A model file or a run folder
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The file to write; its extension is the format
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The format, if the name of OUT does not say it
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) to: Option<To>,
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
