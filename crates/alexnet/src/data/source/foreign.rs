//! Recognizes, by their first bytes, files that hold images in formats that are not supported, and suggests a conversion or
//! download.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::archive::{Archives, Member};
use super::catalog::ByteRange;
use crate::Error;
use crate::data::decode::Format;
use crate::data::free_path::free_path;
use crate::error::shell;
use crate::files::head;
use crate::files::tf_record::masked_checksum;

/// The number of bytes by which a file is recognized.
const HEAD: usize = 512;

/// The maximum number of files inspected in a folder.
const SAMPLE: usize = 64;

/// Where the CIFAR binaries are.
const CIFAR: &str = "https://www.cs.toronto.edu/~kriz";

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForeignFormat {
    /// A compressed file that is or may be a tar, with the name of the compression.
    CompressedTar(&'static str),
    /// A compressed file that is not a tar.
    Gzip,
    Zip,
    NumpyArchive,
    NumpyArray,
    SevenZip,
    Rar,
    Pickle,
    Matlab,
    Hdf5,
    Parquet,
    Arrow,
    TfRecord,
    Lmdb,
    Sqlite,
    Idx,
    Text,
}

impl ForeignFormat {
    fn of(head: &[u8]) -> Option<Self> {
        let at = |place: usize, bytes: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(bytes));
        Some(match head {
            [0x1f, 0x8b, ..] if is_tar(&unzipped(head)) => Self::CompressedTar("gzip"),
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::CompressedTar("zstd"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::CompressedTar("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Self::CompressedTar("bzip2"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::CompressedTar("lz4"),
            // NumPy archives are recognized by the name of the first member.
            [b'P', b'K', 3, 4, ..] if head.windows(4).take(120).any(|name| name == b".npy") => {
                Self::NumpyArchive
            }
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Self::Zip,
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Self::NumpyArray,
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Self::SevenZip,
            [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Self::Rar,
            // The protocol, then a dictionary, a frame or a tuple.
            [0x80, 2..=5, b'}' | b'c' | b']' | b'(' | 0x95, ..] => Self::Pickle,
            [0x89, b'H', b'D', b'F', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Self::Hdf5,
            [b'P', b'A', b'R', b'1', ..] => Self::Parquet,
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Self::Arrow,
            [0, 0, 8, 1 | 3, ..] => Self::Idx,
            _ if at(0, b"MATLAB 5.0 MAT-file") || at(0, b"MATLAB 7.3 MAT-file") => Self::Matlab,
            _ if at(0, b"SQLite format 3\0") => Self::Sqlite,
            _ if at(16, &[0xde, 0xc0, 0xef, 0xbe]) => Self::Lmdb,
            _ if is_record(head) => Self::TfRecord,
            _ if !head.is_empty()
                && !head.contains(&0)
                && std::str::from_utf8(&head[..head.len().min(16)]).is_ok() =>
            {
                Self::Text
            }
            _ => return None,
        })
    }

    /// Returns the name of the format, and what to do.
    fn explain(self, path: &Path) -> (String, String) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.split_once('.').map_or(name.as_ref(), |(start, _)| start);
        // A folder that exists would mix its files with those of the archive.
        let folder = free_path(Path::new(if stem == name { "unpacked" } else { stem }));
        let (file, folder) = (shell(path), shell(folder));
        let unpack = |command: String| format!("mkdir -p {folder} && {command}");
        let convert = |how: &str| format!("{how}, one folder for each class");
        let (what, help) = match self {
            Self::CompressedTar("lz4") => {
                ("an lz4-compressed tar".to_owned(), unpack(format!("lz4 -dc {file} | tar xf - -C {folder}")))
            }
            Self::CompressedTar("gzip") => {
                ("a gzip-compressed tar".to_owned(), unpack(format!("tar xf {file} -C {folder}")))
            }
            Self::CompressedTar(how) => {
                (format!("compressed by {how}"), unpack(format!("tar xf {file} -C {folder}")))
            }
            Self::Gzip => (
                "a gzip-compressed file".to_owned(),
                format!("gunzip -k {file}; or, for IDX files (MNIST), use the folder that holds them"),
            ),
            Self::Zip => ("a zip archive".to_owned(), format!("unzip {file} -d {folder}")),
            Self::SevenZip => ("a 7z archive".to_owned(), format!("7z x {file} -o{folder}")),
            Self::Rar => ("a RAR archive".to_owned(), unpack(format!("unrar x {file} {folder}/"))),
            Self::Pickle if is_cifar_100(path) => {
                ("CIFAR-100 as Python pickles".to_owned(), binaries("cifar-100-binary.tar.gz"))
            }
            Self::Pickle if name.contains("batch") => {
                ("CIFAR-10 as Python pickles".to_owned(), binaries("cifar-10-binary.tar.gz"))
            }
            Self::Pickle => (
                "a Python pickle, which can run arbitrary code when loaded".to_owned(),
                convert("save its images as files in Python"),
            ),
            Self::Matlab if name.contains("batch") => {
                ("CIFAR-10 for MATLAB".to_owned(), binaries("cifar-10-binary.tar.gz"))
            }
            Self::Matlab
                if ["train.mat", "test.mat", "meta.mat"].contains(&name.as_ref()) && is_cifar_100(path) =>
            {
                ("CIFAR-100 for MATLAB".to_owned(), binaries("cifar-100-binary.tar.gz"))
            }
            Self::Matlab => ("a MATLAB file".to_owned(), convert("save its images as files")),
            Self::NumpyArchive | Self::NumpyArray => (
                "NumPy arrays".to_owned(),
                convert("save the images as files: PIL.Image.fromarray(x[i]).save(...)"),
            ),
            Self::Hdf5 => ("an HDF5 file".to_owned(), convert("save its images as files with h5py")),
            Self::Parquet => (
                "a Parquet file".to_owned(),
                convert("save its images as files: datasets.load_dataset(...), then image.save(...)"),
            ),
            Self::Arrow => (
                "an Arrow file".to_owned(),
                convert("save its images as files: datasets.load_from_disk(...), then image.save(...)"),
            ),
            Self::TfRecord => {
                ("a TFRecord file".to_owned(), convert("save its images as files with tensorflow_datasets"))
            }
            Self::Lmdb => (
                "an LMDB database".to_owned(),
                convert(
                    "save its images as files; for a Caffe database, use the files and lists it was made from",
                ),
            ),
            Self::Sqlite => ("an SQLite database".to_owned(), convert("save its images as files")),
            Self::Idx => (
                "an IDX file".to_owned(),
                "use the folder that holds it, with train-images-idx3-ubyte and train-labels-idx1-ubyte"
                    .to_owned(),
            ),
            Self::Text => (
                "a text file".to_owned(),
                "use the folder of the images, with the list of `FILE,CLASS` lines in it".to_owned(),
            ),
        };
        (what, help)
    }
}

fn binaries(name: &str) -> String {
    let folder = name.trim_end_matches(".tar.gz");
    format!(
        "use the binary version: curl -O {CIFAR}/{name} && mkdir -p {folder} && tar xf {name} -C {folder}"
    )
}

/// Returns the error for a tar that cannot be listed: its actual format, or what is wrong with it.
pub(super) fn not_a_tar(path: &Path, error: &std::io::Error) -> Error {
    image(path).or_else(|| file(path)).unwrap_or_else(|| {
        Error::data(format!("{}: not a complete tar archive: {error}", path.display())).help(
            "use a folder or an uncompressed tar with one folder of images per class; for IDX and CIFAR files, their folder",
        )
    })
}

/// Returns the error for an image, which is part of a source.
fn image(path: &Path) -> Option<Error> {
    let format = Format::of(&head(path, HEAD).ok()?)?;
    let folder = path.parent().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or("FOLDER".to_owned(), shell);
    Some(
        Error::data(format!(
            "{}: an image ({}), expected a folder with one folder of images per class",
            path.display(),
            format.name()
        ))
        .help(format!("specify the folder of the class folders, such as {folder}")),
    )
}

/// Returns the error for a file that is not a tar.
fn file(path: &Path) -> Option<Error> {
    let format = ForeignFormat::of(&head(path, HEAD).ok()?)?;
    let (what, help) = format.explain(path);
    Some(Error::data(format!("{}: {what}, which is not supported directly", path.display())).help(help))
}

/// Returns the error for a tar without images that holds files in another format.
pub(super) fn member(tar: &Path, archives: &Archives, members: &[Member]) -> Option<Error> {
    let known = members.iter().take(SAMPLE).find_map(|member| {
        let len = member.len.min(HEAD as u32);
        let head = archives.read(ByteRange { archive: 0, offset: member.offset, len }).ok()?;
        let format = ForeignFormat::of(&head).filter(|format| *format != ForeignFormat::Text)?;
        Some((member, format))
    });
    let (member, format) = known?;
    let (what, help) = format.explain(Path::new(&member.name));
    Some(
        Error::data(format!(
            "{}: no images found, but {}: {what}, which is not supported directly",
            tar.display(),
            member.name
        ))
        .help(help),
    )
}

/// Returns the error for a folder without images that holds files in another format.
pub(super) fn folder(folder: &Path) -> Option<Error> {
    let mut files = files_in(folder);
    if files.is_empty() {
        // Archives are often unpacked to a folder in the folder.
        let folders =
            std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        files = folders.take(SAMPLE).flat_map(|folder| files_in(&folder)).take(SAMPLE).collect();
    }
    let known = files.iter().filter_map(|path| Some((path, ForeignFormat::of(&head(path, HEAD).ok()?)?)));
    let known: Vec<(&PathBuf, ForeignFormat)> =
        known.filter(|(_, format)| *format != ForeignFormat::Text).collect();
    let &(path, format) =
        known.iter().find(|(path, _)| path.to_string_lossy().contains("batch_")).or(known.first())?;
    let same = known.iter().filter(|(_, other)| *other == format).count();
    let (what, help) = format.explain(path);
    let more = if same > 1 { format!(" (and {} more like it)", same - 1) } else { String::new() };
    Some(
        Error::data(format!(
            "{}: no images found, but {}: {what}{more}, which is not supported directly",
            folder.display(),
            path.display()
        ))
        .help(help),
    )
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let seen = entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path());
    let mut files: Vec<PathBuf> = seen.filter(|path| path.is_file()).collect();
    files.sort();
    files.truncate(SAMPLE);
    files
}

/// Decompresses the start of a gzip file.
fn unzipped(head: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error marks the end of the available data.
    let _ = GzDecoder::new(head).take(HEAD as u64).read_to_end(&mut bytes);
    bytes
}

/// Returns whether the bytes start a tar.
fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Returns whether the bytes start a TFRecord: a length and its checksum, CRC32C masked as TensorFlow does.
fn is_record(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    let Some(checksum) = rest.first_chunk::<4>() else { return false };
    masked_checksum(length) == u32::from_le_bytes(*checksum)
}

/// Returns whether a file is one of CIFAR-100's `train`, `test` and `meta`, with or without an extension.
fn is_cifar_100(path: &Path) -> bool {
    let there =
        |stem: &str| ["", ".mat"].iter().any(|end| path.with_file_name(format!("{stem}{end}")).is_file());
    ["train", "test", "meta"].into_iter().all(there)
}
