//! CIFAR-10 and CIFAR-100 in their binary format: records of one or two label bytes and 3 x 32 x 32 pixels.

use std::path::Path;
use std::sync::Arc;

use super::catalog::{Item, Location};
use super::dataset::{Advice, Dataset};
use super::raw::{PixelOrder, RawImages, not_used};
use super::split::Split;
use super::store::Store;
use super::text::Text;
use crate::{Error, Result};

/// The files of a data set.
struct CifarFiles {
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    /// The number of label bytes in a record; the last one is used.
    labels: usize,
    /// Files that belong to the data set, but are not needed.
    extras: &'static [&'static str],
}

const CIFAR_10: CifarFiles = CifarFiles {
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    labels: 1,
    extras: &[],
};

/// A record has a coarse and a fine label.
const CIFAR_100: CifarFiles = CifarFiles {
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    labels: 2,
    extras: &["coarse_label_names.txt"],
};

/// Returns whether a folder holds the binary files of either data set, or some of them.
pub(super) fn is_cifar(folder: &Path) -> bool {
    layout(folder).is_some()
}

fn layout(folder: &Path) -> Option<CifarFiles> {
    let there = |file: &str| folder.join(file).is_file();
    // `test.bin` alone may be anything.
    [CIFAR_10, CIFAR_100]
        .into_iter()
        .find(|layout| there(layout.train[0]) || there(layout.test) && there(layout.names))
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let layout = layout(folder).unwrap_or(CIFAR_10);
    let names = folder.join(layout.names);
    let text = Text::read(&names).map_err(|error| {
        error
            .context("the class names")
            .help(format!("{} belongs to the data set: unpack the whole archive", layout.names))
    })?;
    let classes = text.words();
    if classes.is_empty() {
        return Err(Error::data(format!("{}: no class names, expected one per line", names.display())));
    }
    let mut notes: Vec<String> = text.note(names.display()).into_iter().collect();
    let there = |file: &&&str| folder.join(file).is_file();
    let mut splits = Vec::new();
    if layout.train.iter().any(|file| there(&file)) {
        let missing: Vec<&str> = layout.train.iter().filter(|file| !there(file)).copied().collect();
        if !missing.is_empty() {
            return Err(Error::data(format!(
                "{}: missing {} of the {} files of training images",
                folder.display(),
                missing.join(", "),
                layout.train.len()
            ))
            .help("unpack the whole archive again"));
        }
        splits.push(split("train", folder, layout.train, layout.labels, classes.len())?);
    }
    match there(&&layout.test) {
        true => splits.push(split("test", folder, &[layout.test], layout.labels, classes.len())?),
        false => notes.push(format!("no {}, so nothing to validate on", layout.test)),
    }
    let used = |name: &str| layout.train.contains(&name) || [layout.test, layout.names].contains(&name);
    notes.extend(not_used(folder, &[layout.extras, &["readme.html"]].concat(), used));
    let advice = Advice { to_train: Some("unpack the whole archive again".to_owned()), ..Advice::default() };
    Ok(Dataset { classes, splits, origin: folder.display().to_string(), notes, advice })
}

fn split(name: &str, folder: &Path, files: &[&str], labels: usize, classes: usize) -> Result<Split> {
    let order = PixelOrder::Planes;
    let mut images = RawImages { width: 32, height: 32, order, prefix: labels, bytes: Vec::new() };
    let mut items = Vec::new();
    for file in files {
        let path = folder.join(file);
        let bytes = std::fs::read(&path)
            .map_err(|error| Error::data(format!("{}: cannot read the file: {error}", path.display())))?;
        let record = images.record();
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(Error::data(format!(
                "{}: {} bytes are not a multiple of the record size {record}: the file is truncated",
                path.display(),
                bytes.len()
            )));
        }
        let first = items.len();
        for (i, record) in bytes.chunks_exact(record).enumerate() {
            let label = record[labels - 1];
            if usize::from(label) >= classes {
                return Err(Error::data(format!(
                    "{}: image {i} has label {label}, expected 0 to {}",
                    path.display(),
                    classes - 1
                )));
            }
            let file = format!("{file}:{i}");
            items.push(Item { file, label: u32::from(label), location: Location::Raw((first + i) as u32) });
        }
        images.bytes.extend(bytes);
    }
    Ok(Split::new(name, items, Arc::new(Store::Raw(images))))
}
