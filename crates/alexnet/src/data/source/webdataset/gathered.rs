//! The samples of all tars, and what is skipped.

use std::collections::BTreeMap;

use super::samples::{Label, LabelKind, Sample};
use crate::data::problem::{Findings, ProblemKind};
use crate::data::source::naming::Skipped;
use crate::format::{counted, first_few};

/// Keys of JSON files that hold the class, most specific first.
pub(super) const KEYS: [&str; 17] = [
    "label",
    "cls",
    "class",
    "class_name",
    "label_name",
    "category",
    "category_name",
    "target",
    "label_id",
    "cls_id",
    "class_id",
    "category_id",
    "class_index",
    "species",
    "breed",
    "wnid",
    "synset",
];

/// The contents of all tars.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) splits: BTreeMap<Option<&'static str>, Vec<Sample>>,
    /// Skipped images, by reason.
    pub(super) left_out: BTreeMap<&'static str, Vec<String>>,
    /// Images that belong to the sample of another image.
    pub(super) beside: Vec<String>,
    /// The number of labels without an image.
    pub(super) unused: usize,
    /// Label files of other kinds, which are not used if a more specific kind exists.
    pub(super) other_sources: BTreeMap<LabelKind, usize>,
    pub(super) skipped: Skipped,
    /// The number of JSON files with each of the keys.
    pub(super) keys: BTreeMap<usize, usize>,
    pub(super) codings: Vec<String>,
}

impl Gathered {
    pub(super) fn leave_out(&mut self, reason: &'static str, file: String) {
        self.left_out.entry(reason).or_default().push(file);
    }

    /// Chooses one key for all JSON files: its value is the class.
    pub(super) fn choose_key(&mut self, source: LabelKind) {
        if source != LabelKind::Json {
            return;
        }
        // The key that most files have; of several the most specific.
        let best = self.keys.iter().max_by_key(|&(&key, &files)| (files, std::cmp::Reverse(key)));
        let Some((&key, _)) = best else { return };
        self.codings.push(format!("classes from key `{}` of the .json files", KEYS[key]));
        let mut without = Vec::new();
        for samples in self.splits.values_mut() {
            for sample in std::mem::take(samples) {
                let class = match sample.label {
                    Label::Class(class) => Some(class),
                    Label::Candidates(mut values) => values.remove(&key),
                };
                match class {
                    Some(class) => samples.push(Sample { label: Label::Class(class), ..sample }),
                    None => without.push(sample.file),
                }
            }
        }
        without.into_iter().for_each(|file| self.leave_out("a .json without that key", file));
    }

    pub(super) fn report(&self, source: LabelKind, findings: &mut Findings, notes: &mut Vec<String>) {
        for (reason, files) in &self.left_out {
            files.iter().for_each(|file| findings.report(ProblemKind::Loose, file, *reason));
            let names: Vec<&str> = files.iter().map(String::as_str).collect();
            notes.push(format!(
                "skipped {} ({reason}): {}",
                counted(names.len(), "image"),
                first_few(names.iter())
            ));
        }
        if !self.beside.is_empty() {
            let names: Vec<&str> = self.beside.iter().map(String::as_str).collect();
            names.iter().for_each(|&file| {
                findings.report(ProblemKind::NotUsed, file, "accompanies the image of its sample; skipped")
            });
            notes.push(format!(
                "skipped {} beside the image of a sample, such as masks: {}",
                counted(names.len(), "image"),
                first_few(names.iter())
            ));
        }
        if self.unused > 0 {
            notes.push(format!("no image for {}", counted(self.unused, &format!("{} file", source.name()))));
        }
        for (other, &files) in &self.other_sources {
            let files = counted(files, &format!("{} file", other.name()));
            notes.push(format!("not used: {files}; classes are read from {} files", source.name()));
        }
        notes.extend(self.codings.iter().cloned());
        self.skipped.report(findings);
        notes.extend(self.skipped.notes());
    }
}
