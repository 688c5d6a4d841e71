//! The samples of all tars, and what is not used of them.

use std::collections::BTreeMap;

use super::super::Findings;
use super::super::naming::{Skipped, count};
use super::super::tree::some;
use super::Sample;
use super::samples::Source;
use crate::data::ProblemKind;

/// Keys of JSON files that hold the class, the surest first.
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

/// What is gathered from all tars.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) splits: BTreeMap<Option<&'static str>, Vec<Sample>>,
    /// Images that are left out, by the reason.
    pub(super) left_out: BTreeMap<&'static str, Vec<String>>,
    /// Images that are in the sample of another image.
    pub(super) beside: Vec<String>,
    /// Labels that no image has.
    pub(super) unused: usize,
    /// Files of other kinds that may hold labels, and do not where a surer kind is there.
    pub(super) other_sources: BTreeMap<Source, usize>,
    pub(super) skipped: Skipped,
    /// How many JSON files had each of the keys.
    pub(super) keys: BTreeMap<usize, usize>,
    pub(super) codings: Vec<String>,
}

impl Gathered {
    pub(super) fn leave_out(&mut self, reason: &'static str, file: String) {
        self.left_out.entry(reason).or_default().push(file);
    }

    /// Of the values of a JSON file's keys, which are still all in `class`, leaves that of one key for all files.
    pub(super) fn choose_key(&mut self, source: Source) {
        if source != Source::Json {
            return;
        }
        // The key that most files have; of several the surest.
        let best = self.keys.iter().max_by_key(|&(&key, &files)| (files, std::cmp::Reverse(key)));
        let Some((&key, _)) = best else { return };
        self.codings.push(format!("classes from key `{}` of the .json files", KEYS[key]));
        let mut without = Vec::new();
        for samples in self.splits.values_mut() {
            for mut sample in std::mem::take(samples) {
                let values: BTreeMap<usize, String> = serde_json::from_str(&sample.class).unwrap_or_default();
                match values.get(&key) {
                    Some(value) => {
                        sample.class.clone_from(value);
                        samples.push(sample);
                    }
                    None => without.push(sample.file),
                }
            }
        }
        without.into_iter().for_each(|file| self.leave_out("a .json without that key", file));
    }

    pub(super) fn tell(&self, source: Source, findings: &mut Findings, notes: &mut Vec<String>) {
        for (reason, files) in &self.left_out {
            files.iter().for_each(|file| findings.tell(ProblemKind::Loose, file, *reason));
            let names: Vec<&str> = files.iter().map(String::as_str).collect();
            notes.push(format!("skipped {} ({reason}): {}", count(names.len(), "image"), some(&names)));
        }
        if !self.beside.is_empty() {
            let names: Vec<&str> = self.beside.iter().map(String::as_str).collect();
            names.iter().for_each(|&file| {
                findings.tell(ProblemKind::NotUsed, file, "beside the image of its sample; skipped")
            });
            notes.push(format!(
                "skipped {} that only accompany the image of a sample, as masks do: {}",
                count(names.len(), "image"),
                some(&names)
            ));
        }
        if self.unused > 0 {
            notes.push(format!("no image for {}", count(self.unused, &format!("{} file", source.name()))));
        }
        for (other, &files) in &self.other_sources {
            let files = count(files, &format!("{} file", other.name()));
            notes.push(format!("not used: {files}; classes are read from {} files", source.name()));
        }
        notes.extend(self.codings.iter().cloned());
        self.skipped.tell(findings);
        notes.extend(self.skipped.notes());
    }
}
