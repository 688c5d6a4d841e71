//! Caffe's files on disk: which is which, and reading them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::import::{CaffeContents, import, no_weights};
use super::origin::Origin;
use super::recipe::{is_solver, read_text};
use super::wire::MAX_BYTES;
use crate::error::Kind;
use crate::interop::{Imported, classes};
use crate::{Error, Result};

/// Caffe's files for a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaffeFiles {
    /// The network definition: `deploy.prototxt` or `train_val.prototxt`. Without it, that in the weights is used.
    pub net: Option<PathBuf>,
    /// The solver definition: `solver.prototxt`.
    pub solver: Option<PathBuf>,
    /// The weights: `.caffemodel`.
    pub weights: Option<PathBuf>,
    /// The mean image: `.binaryproto`.
    pub mean: Option<PathBuf>,
    /// The class names: `synset_words.txt`, `labels.txt`.
    pub classes: Option<PathBuf>,
}

/// The files of a folder that [`super::write()`] writes.
pub(super) const NET: &str = "deploy.prototxt";
pub(super) const WEIGHTS: &str = "weights.caffemodel";
pub(super) const MEAN: &str = "mean.binaryproto";
pub(super) const CLASSES: &str = "labels.txt";

const EXPECTED: &str = "expected Caffe's files: .prototxt (the network, and if needed the solver), .caffemodel (the weights), \
     .binaryproto (the mean image), .txt (the class names), or a folder that `alexnet export` wrote";

impl CaffeFiles {
    /// Whether a file is one of Caffe's, by its name.
    pub fn is_one(path: &Path) -> bool {
        matches!(extension(path).as_str(), "prototxt" | "pbtxt" | "caffemodel" | "binaryproto")
            || path.join(WEIGHTS).is_file()
    }

    /// Tells Caffe's files apart, by their names, and definitions by their contents. A folder stands for the files in it that
    /// [`super::write()`] writes.
    ///
    /// # Errors
    /// Returns an error if a file is of another kind, if two are of the same, or if a definition cannot be read.
    pub fn of(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Self::default();
        for path in paths {
            if path.is_dir() {
                for name in [NET, WEIGHTS, MEAN, CLASSES]
                    .map(|name| path.join(name))
                    .iter()
                    .filter(|file| file.is_file())
                {
                    files.add(name)?;
                }
            } else {
                files.add(path)?;
            }
        }
        Ok(files)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let (place, what) = match extension(path).as_str() {
            "prototxt" | "pbtxt" => match is_solver((&read_text(path)?, &name(path)))? {
                true => (&mut self.solver, "solver definitions"),
                false => (&mut self.net, "network definitions"),
            },
            "caffemodel" => (&mut self.weights, "files of weights"),
            "binaryproto" => (&mut self.mean, "mean images"),
            "txt" => (&mut self.classes, "files of class names"),
            "npy" => {
                return Err(Error::usage(format!("{}: an array of NumPy, {EXPECTED}", path.display()))
                    .help("specify the mean image as a .binaryproto file: Caffe distributes both"));
            }
            "h5" => {
                return Err(Error::usage(format!("{}: an HDF5 file, {EXPECTED}", path.display()))
                    .help("load it with Caffe and save it again: `net.copy_from('a.caffemodel.h5'); net.save('a.caffemodel')`"));
            }
            _ => {
                return Err(Error::usage(format!("{}: {EXPECTED}", path.display())).help(
                    "`alexnet import deploy.prototxt weights.caffemodel mean.binaryproto model.safetensors`",
                ));
            }
        };
        match place {
            Some(first) => Err(Error::usage(format!(
                "{} and {}: two {what}, expected one",
                first.display(),
                path.display()
            ))
            .help("specify one of them")),
            None => {
                *place = Some(path.to_owned());
                Ok(())
            }
        }
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Reads a network with its weights from Caffe's files. `names` are its class names, instead of those in the files.
///
/// # Errors
/// Returns an error if a file cannot be read, if there are no weights, or as [`import`] does.
pub fn read(files: &CaffeFiles, names: Option<&[String]>) -> Result<Imported> {
    let CaffeFiles { net, solver, weights, mean, classes } = files;
    let Some(weights) = weights else { return Err(no_weights()) };
    let net_text = net.as_deref().map(read_text).transpose()?;
    let solver_text = solver.as_deref().map(read_text).transpose()?;
    let mean_bytes = mean.as_deref().map(read_bytes).transpose()?;
    let bytes = read_bytes(weights)?;
    let [net_name, solver_name, mean_name, classes_name] =
        [net, solver, mean, classes].map(|path| path.as_deref().map(name).unwrap_or_default());
    let stored = match names {
        None => classes.as_deref().map(classes::read).transpose()?,
        Some(_) => None,
    };
    let stored = stored.as_deref().map(|stored| (stored, classes_name.as_str()));
    let mut imported = import(&CaffeContents {
        net: net_text.as_deref().map(|text| (text, net_name.as_str())),
        solver: solver_text.as_deref().map(|text| (text, solver_name.as_str())),
        weights: (&bytes, &name(weights)),
        mean: mean_bytes.as_deref().map(|bytes| (bytes, mean_name.as_str())),
        classes: names.map(|names| (names, "--classes")).or(stored),
    })?;
    if names.is_some() && classes.is_some() {
        imported.notes.push(format!("Ignored: the class names in {classes_name}. Others are given"));
    }
    Ok(imported)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

/// Reads a file in the binary format.
fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        Error { kind: Kind::Model, ..Error::io(path, "read the file", &error) }
            .help("specify a file that exists and is readable")
    };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > MAX_BYTES as u64 {
        return Err(Origin::binary(&name(path))
            .refuse(None, format!("{size} bytes, and protobuf messages have at most {MAX_BYTES}"))
            .help("Caffe itself cannot read larger files: specify one that it wrote"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
