//! Files to import, recognized by their content.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::onnx::GraphInput;
use super::protobuf::{WireType, fields};
use crate::error::shell;
use crate::net::Recipe;
use crate::{Error, Result};

/// A file to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// What it is.
    pub kind: SourceKind,
}

/// What a file to import is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A zip archive, which `torch.save` writes.
    TorchZip,
    /// A pickle, which `torch.save` wrote before version 1.6.
    TorchPickle,
    /// A safetensors file.
    Safetensors,
    /// An ONNX model.
    Onnx,
    /// A network of Caffe as text, `.prototxt`.
    CaffeText,
    /// A network of Caffe with its weights, `.caffemodel`.
    CaffeWeights,
    /// A mean image of Caffe, `.binaryproto`.
    CaffeMean,
}

/// What an importer is told besides the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// The network, for state dicts, which store only weights.
    pub recipe: Option<Recipe>,
    /// The class names; `None`, as the files say.
    pub classes: Option<Vec<String>>,
    /// How images become the input of a graph of ONNX. Other formats say it in their files or recipes.
    pub input: GraphInput,
}

impl SourceKind {
    /// The format that has such files.
    pub fn format(self) -> Format {
        match self {
            Self::TorchZip | Self::TorchPickle | Self::Safetensors => Format::Torch,
            Self::Onnx => Format::Onnx,
            Self::CaffeText | Self::CaffeWeights | Self::CaffeMean => Format::Caffe,
        }
    }

    /// Recognizes a file by its content.
    ///
    /// # Errors
    /// Returns an error if it is nothing that can be imported. The message says what it is, if that is known.
    pub fn recognize(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [] => Err(unusable("the file is empty")),
            [b'P', b'K', 3 | 5, ..] => Ok(Self::TorchZip),
            [0x80, 0..=5, ..] => Ok(Self::TorchPickle),
            _ if bytes.starts_with(b"L1195470371460388013333") => Ok(Self::TorchPickle),
            _ if is_safetensors(bytes) => Ok(Self::Safetensors),
            _ => match known(bytes) {
                Some(error) => Err(error),
                None => {
                    text(bytes).or_else(|| message(bytes)).ok_or_else(|| unusable("its content is unknown"))
                }
            },
        }
    }
}

impl SourceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or is nothing that can be imported.
    pub fn read(path: &Path) -> Result<Self> {
        // A device or a pipe may be endless.
        let read = || match std::fs::metadata(path)?.is_file() {
            true => std::fs::read(path),
            false => Err(std::io::Error::other("not a regular file")),
        };
        let bytes = read().map_err(|error| {
            Error::model(format!("{}: cannot read the file: {error}", path.display()))
                .help("specify the files of a network: `alexnet import weights.pth model.safetensors`")
        })?;
        Self::new(path.to_owned(), bytes)
    }

    /// A file with this content.
    ///
    /// # Errors
    /// Returns an error if it is nothing that can be imported.
    pub fn new(path: PathBuf, bytes: Vec<u8>) -> Result<Self> {
        let kind = SourceKind::recognize(&bytes).map_err(|error| named(error, &path))?;
        Ok(Self { path, bytes, kind })
    }
}

/// Whether the file starts with the header of a safetensors file, complete or not.
fn is_safetensors(bytes: &[u8]) -> bool {
    match bytes.split_first_chunk::<8>() {
        Some((len, [b'{', ..])) => u64::from_le_bytes(*len) <= 100 << 20,
        Some(_) | None => false,
    }
}

/// The error for a file that is known, but cannot be imported.
fn known(bytes: &[u8]) -> Option<Error> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).to_lowercase();
    let starts = |start: &str| text.trim_start().starts_with(start);
    let (what, help) = if bytes.starts_with(b"\x1f\x8b") {
        ("it is compressed with gzip", "unpack it: `gzip --decompress --stdout INPUT > OUT`")
    } else if bytes.get(257..262) == Some(b"ustar") {
        (
            "it is a tar archive; PyTorch before 0.1.10 wrote such files",
            "unpack it if it has other files in it, or in Python: `torch.save(torch.load(\"INPUT\", weights_only=True), \"weights.pth\")`",
        )
    } else if bytes.starts_with(b"\x89HDF") {
        (
            "it is an HDF5 file, as Keras and some versions of Caffe write",
            "save the network as ONNX or its weights as safetensors in the program that wrote the file",
        )
    } else if starts("<!doctype html") || starts("<html") {
        ("it is a web page", "download the file itself: the page says how")
    } else if starts("version https://git-lfs") {
        ("it is a pointer of Git LFS", "fetch the content: `git lfs pull`")
    } else {
        return None;
    };
    Some(Error::model(format!("the file cannot be imported: {what}")).help(help))
}

/// The error of a file with its path: before the message, and in the help in place of `INPUT`, as a string of Python or a word of a
/// shell.
pub(super) fn named(error: Error, path: &Path) -> Error {
    let text = format!("{:?}", path.to_string_lossy());
    let help =
        error.help.as_ref().map(|help| help.replace("\"INPUT\"", &text).replace("INPUT", &shell(path)));
    Error { help, ..error }.context(path.display())
}

fn unusable(why: &str) -> Error {
    Error::model(format!("the file cannot be imported: {why}")).help(
        "import a state dict of PyTorch (.pth, .safetensors), an ONNX model, or the prototxt, caffemodel and mean of Caffe",
    )
}

/// A message of ONNX or Caffe, by its fields: an ONNX model has a version and a graph; a network of Caffe has layers, in version 1
/// as field 2; an array of Caffe has sizes or a shape, and numbers.
fn message(bytes: &[u8]) -> Option<SourceKind> {
    let found = fields(bytes)?;
    let has = |number, wire| found.contains(&(number, wire));
    if has(1, WireType::Varint) && has(7, WireType::Sized) && !has(5, WireType::Sized) {
        Some(SourceKind::Onnx)
    } else if has(100, WireType::Sized) || (has(2, WireType::Sized) && !has(1, WireType::Varint)) {
        Some(SourceKind::CaffeWeights)
    } else if has(5, WireType::Sized) || has(5, WireType::Bits32) || has(8, WireType::Sized) {
        Some(SourceKind::CaffeMean)
    } else {
        None
    }
}

/// A network of Caffe as text has layers.
fn text(bytes: &[u8]) -> Option<SourceKind> {
    let text = std::str::from_utf8(bytes).ok()?;
    let words = ["layer", "layers", "input", "input_param"];
    let is_network = text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| words.contains(&word));
    (is_network && text.contains(['{', ':'])).then_some(SourceKind::CaffeText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognized_by_their_content() {
        let header = |text: &[u8]| [&(text.len() as u64).to_le_bytes()[..], text].concat();
        for (bytes, kind) in [
            (b"PK\x03\x04...".to_vec(), SourceKind::TorchZip),
            (b"\x80\x02\x8a\x0a".to_vec(), SourceKind::TorchPickle),
            (header(b"{}"), SourceKind::Safetensors),
            // The start of a file that is truncated.
            (header(b"{\"a\":")[..10].to_vec(), SourceKind::Safetensors),
            (b"name: \"AlexNet\"\nlayer { name: \"data\" }".to_vec(), SourceKind::CaffeText),
            (b"\x08\x07\x12\x07pytorch\x3a\x01g\x42\x02\x10\x0c".to_vec(), SourceKind::Onnx),
            (b"\x0a\x07AlexNet\xa2\x06\x02ab".to_vec(), SourceKind::CaffeWeights),
            (b"\x0a\x07AlexNet\x12\x02ab".to_vec(), SourceKind::CaffeWeights),
            (b"\x08\x01\x10\x03\x18\x02\x20\x02\x2a\x04\0\0\0\0".to_vec(), SourceKind::CaffeMean),
        ] {
            assert_eq!(SourceKind::recognize(&bytes).unwrap(), kind, "{bytes:?}");
        }
        let formats = [SourceKind::TorchZip, SourceKind::Onnx, SourceKind::CaffeMean].map(SourceKind::format);
        assert_eq!(formats, Format::ALL);
    }

    #[test]
    fn other_files_are_named() {
        let tar = [&[0; 257][..], b"ustar", &[0; 250]].concat();
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"\x1f\x8b\x08", "gzip"),
            (&tar, "tar archive"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"hello", "unknown"),
            (b"\xff\xd8\xff\xe0", "unknown"),
            (b"\0\0\0\0\0\0\0\0", "unknown"),
        ] {
            let error = SourceKind::recognize(bytes).unwrap_err();
            assert!(error.message.contains(expected) && error.help.is_some(), "{error}");
        }
    }
}
