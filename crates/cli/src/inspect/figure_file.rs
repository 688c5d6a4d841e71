//! The file of a figure.

use std::path::{Path, PathBuf};

use super::render::{self, Rendered};
use crate::output::{Output, printable};
use alexnet::error::{Kind, shell};
use alexnet::files::atomic;
use alexnet::{Error, Result};

/// A file for a figure, in the format of its extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FigureFile {
    /// The path.
    pub(crate) path: PathBuf,
    format: FigureFormat,
}

/// The format of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FigureFormat {
    Svg,
    Png,
}

impl FigureFile {
    /// The format follows from the extension; an error says which are possible.
    pub(crate) fn new(path: PathBuf) -> std::result::Result<Self, String> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let format = match extension.as_deref() {
            Some("svg") => FigureFormat::Svg,
            Some("png") => FigureFormat::Png,
            Some(_) | None => return Err("expected a file name that ends in .svg or .png".to_owned()),
        };
        Ok(Self { path, format })
    }

    /// Checks that the folder exists, and that no image is replaced: `inputs` are the files and folders that are read.
    pub(super) fn check<'p>(&self, mut inputs: impl Iterator<Item = &'p PathBuf>) -> Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(Error::usage(format!("{}: no folder {}", self.path.display(), folder.display()))
                .help(format!("create it: `mkdir -p {}`", shell(folder))));
        }
        let Ok(own) = self.path.canonicalize() else { return Ok(()) };
        match inputs.any(|input| input.canonicalize().is_ok_and(|input| own.starts_with(input))) {
            false => Ok(()),
            true => Err(Error::usage(format!("--out {} is one of the images", self.path.display()))
                .help("choose another name for the figure")),
        }
    }

    /// Writes a figure, atomically. Notes the characters that cannot be drawn.
    pub(super) fn write(&self, svg: &str, out: &Output) -> Result<()> {
        let png =
            match self.format {
                FigureFormat::Svg => None,
                FigureFormat::Png => Some(render::png(svg).map_err(|error| {
                    Error::new(Kind::Runtime, format!("{}: {error}", self.path.display()))
                })?),
            };
        if let Some(Rendered { missing, .. }) = png.as_ref().filter(|rendered| !rendered.missing.is_empty()) {
            out.note(&format!(
                "no font of this system has {}: boxes in {}; a figure in .svg uses the viewer's fonts",
                printable(missing),
                printable(&self.path.display().to_string())
            ));
        }
        let bytes = png.as_ref().map_or(svg.as_bytes(), |rendered| &rendered.png);
        atomic::replace(&self.path, |out| out.write_all(bytes))
    }
}
