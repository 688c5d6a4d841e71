//! The formats that networks are imported from and exported to.

use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

/// A format of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// State dicts of PyTorch.
    Torch,
    /// ONNX.
    Onnx,
    /// Caffe.
    Caffe,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Torch, Self::Onnx, Self::Caffe];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Onnx => "onnx",
            Self::Caffe => "caffe",
        }
    }

    /// Returns the name in sentences.
    pub fn title(self) -> &'static str {
        match self {
            Self::Torch => "PyTorch state dict",
            Self::Onnx => "ONNX",
            Self::Caffe => "Caffe",
        }
    }

    /// Returns the format of an output with this name: `.safetensors` is PyTorch's, `.onnx` is ONNX, and a name without extension
    /// is a folder for Caffe's files.
    ///
    /// # Errors
    /// Returns an error if the extension is another one.
    pub fn of_output(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            None => Ok(Self::Caffe),
            Some("safetensors") => Ok(Self::Torch),
            Some("onnx") => Ok(Self::Onnx),
            Some(pickle @ ("pth" | "pt" | "bin" | "pkl")) => Err(Error::usage(format!(
                "{}: pickles (`.{pickle}`) are not written, since loading them can run code",
                path.display()
            ))
            .help(
                "write `.safetensors`; in Python: `torch.save(safetensors.torch.load_file(\"OUT.safetensors\"), \"OUT.pth\")`",
            )),
            Some(_) => Err(Error::usage(format!("{}: the extension is that of no format", path.display()))
                .help("name it `.safetensors` or `.onnx`, or name a folder for Caffe's files; or add `--to FORMAT`")),
        }
    }
}
