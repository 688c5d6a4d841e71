//! Files of other programs to networks, and models to such files.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::caffe::{self, CaffeFiles};
use super::format::Format;
use super::imported::Imported;
use super::onnx::{self, GraphInput, OnnxExport, OnnxImport};
use super::peer::PeerScript;
use super::source::{ImportOptions, SourceFile, named};
use super::torch;
use crate::files::container;
use crate::format::hex;
use crate::model::{AnyModel, Model, check_preprocess};
use crate::{Error, Result};

/// A network from files of another program.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The format of the files.
    pub format: Format,
    /// The network with its weights.
    pub imported: Imported,
    /// Where it comes from: the names of the files and a digest of their content.
    pub source: String,
    /// Computes the same logits with a program that uses the files, if there is one for the format.
    pub peer: Option<PeerScript>,
}

/// Reads a network from files of another program, which are recognized by their content.
///
/// # Errors
/// Returns an error if a file cannot be read, if the files are not of one format, or as the format's own `read` does.
pub fn import(paths: &[PathBuf], options: &ImportOptions) -> Result<Import> {
    if !paths.is_empty() && paths.iter().all(|path| CaffeFiles::is_one(path) || is_text(path)) {
        return import_caffe(paths, options);
    }
    let files = paths.iter().map(|path| SourceFile::read(path)).collect::<Result<Vec<_>>>()?;
    let format = one_format(&files)?;
    let source = source(format, files.iter().map(|file| (file.path.as_path(), file.bytes.as_slice())));
    let (imported, peer) = match format {
        Format::Torch => {
            let file = only_one(&files, format)?;
            check_no_input(
                options,
                format,
                "choose it with a recipe: `--recipe NAME --set input.mean.fixed=[R,G,B]`",
            )?;
            let read = torch::read_with_places(file, options);
            let (imported, places) = read.map_err(|error| named(error, &file.path))?;
            let peer = torch::script(file, &imported, &places)?;
            (imported, Some(peer))
        }
        Format::Onnx => {
            let file = only_one(&files, format)?;
            check_no_recipe(options, format)?;
            let told = OnnxImport { classes: options.classes.clone(), input: options.input.clone() };
            onnx::read_with_peer(&file.path, &told)?
        }
        Format::Caffe => return import_caffe(paths, options),
    };
    // What a file says about squares is checked before any is made.
    check_preprocess(&imported.preprocess, &imported.recipe)?;
    Ok(Import { format, imported, source, peer })
}

/// Whether a file is named as text, as class names are.
fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"))
}

/// Reads a network from Caffe's files, which may be in a folder, with a text file of class names among them.
fn import_caffe(paths: &[PathBuf], options: &ImportOptions) -> Result<Import> {
    let format = Format::Caffe;
    check_no_recipe(options, format)?;
    check_no_input(
        options,
        format,
        "add the mean image, .binaryproto, or `transform_param` to the prototxt, as docs/caffe.md says",
    )?;
    let files = CaffeFiles::of(paths)?;
    let imported = caffe::read(&files, options.classes.as_deref())?;
    check_preprocess(&imported.preprocess, &imported.recipe)?;
    let CaffeFiles { net, solver, weights, mean, classes } = files;
    let named = [net, solver, weights, mean, classes].into_iter().flatten();
    let read = named.map(|path| {
        let bytes = container::bytes(&path)?;
        Ok((path, bytes))
    });
    let read = read.collect::<Result<Vec<_>>>()?;
    let source = source(format, read.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice())));
    Ok(Import { format, imported, source, peer: None })
}

/// Refuses a recipe for files that describe their network.
fn check_no_recipe(options: &ImportOptions, format: Format) -> Result<()> {
    match options.recipe {
        None => Ok(()),
        Some(_) => Err(Error::usage(format!("a file of {} describes its network", format.title()))
            .help("leave out --recipe; change values with `alexnet train --init MODEL --set KEY=VALUE`")),
    }
}

/// Refuses to be told about the input of a graph of ONNX for files of another format.
fn check_no_input(options: &ImportOptions, format: Format, help: &str) -> Result<()> {
    match options.input == GraphInput::default() {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--square, --crop, --mean, --divisor, --deviations and --channels are options of ONNX, and the format is {}",
            format.title()
        ))
        .help(help)),
    }
}

/// Writes `model` to `path` in a format of another program: a file, or for Caffe a folder. Returns what is assumed or left out, a
/// sentence each. `options` are those of ONNX.
///
/// # Errors
/// Returns an error if the format cannot express the model, or if a file cannot be written.
pub fn export(model: &AnyModel, path: &Path, format: Format, options: &OnnxExport) -> Result<Vec<String>> {
    match format {
        Format::Torch => torch::write(f32_model(model)?, path),
        Format::Onnx => onnx::write(model, options, path),
        Format::Caffe => Ok(caffe::write(f32_model(model)?, path)?.notes),
    }
}

/// The model, which must be in f32.
fn f32_model(model: &AnyModel) -> Result<&Model> {
    match model {
        AnyModel::F32(model) => Ok(model),
        AnyModel::Int8(_) => {
            Err(Error::model("the model is quantized to 8-bit integers, which the format cannot express")
                .help("export the model that it was quantized from"))
        }
    }
}

/// The format of all files.
fn one_format(files: &[SourceFile]) -> Result<Format> {
    let Some((first, others)) = files.split_first() else {
        return Err(Error::usage("no file to import").help("`alexnet import weights.pth model.safetensors`"));
    };
    let format = first.kind.format();
    match others.iter().find(|file| file.kind.format() != format) {
        None => Ok(format),
        Some(other) => Err(Error::usage(format!(
            "{} is a file of {}, {} of {}; expected the files of one network",
            first.path.display(),
            format.title(),
            other.path.display(),
            other.kind.format().title()
        ))
        .help("import one at a time: `alexnet import FILE OUT.safetensors`")),
    }
}

fn only_one(files: &[SourceFile], format: Format) -> Result<&SourceFile> {
    let help = match format {
        Format::Torch => {
            "merge the parts of a divided state dict, in Python: `torch.save({**a, **b}, \"weights.pth\")`"
        }
        Format::Onnx | Format::Caffe => "import one at a time: `alexnet import FILE OUT.safetensors`",
    };
    match files {
        [file] => Ok(file),
        _ => {
            Err(Error::usage(format!("{} files, expected one ({})", files.len(), format.title())).help(help))
        }
    }
}

/// The names of the files, without their folders, and a digest of their content.
fn source<'a>(format: Format, files: impl Iterator<Item = (&'a Path, &'a [u8])>) -> String {
    let mut digest = Sha256::new();
    let mut names = Vec::new();
    for (path, bytes) in files {
        digest.update(bytes);
        names.push(path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
    }
    format!("imported from {} ({}), SHA-256 {}", names.join(", "), format.title(), hex(&digest.finalize()))
}
