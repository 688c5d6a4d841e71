//! Counts and reports what is skipped in a source.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{UnsupportedFormat, extension, file_name, hidden_part};
use super::made::OwnFolder;
use crate::data::own_files::{FIX_RECORD, SET_ASIDE};
use crate::data::problem::{Findings, ProblemKind};
use crate::format::{counted, first_few};

/// An image in an unsupported format.
#[derive(Clone, Debug)]
pub(crate) struct UnsupportedFile {
    pub(crate) path: String,
    pub(crate) format: UnsupportedFormat,
}

/// What is skipped in a source, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    /// Hidden, system and editor files.
    pub(crate) hidden: BTreeSet<String>,
    /// Folders made by this program.
    pub(crate) made: BTreeMap<String, OwnFolder>,
    /// Files that are not images.
    pub(crate) others: Vec<String>,
    /// Images in unsupported formats.
    pub(crate) unsupported: Vec<UnsupportedFile>,
    /// Masks of images next to them.
    pub(crate) masks: Vec<String>,
}

impl Skipped {
    /// Records the hidden part of a path once.
    pub(crate) fn hide(&mut self, path: &str) {
        if let Some(part) =
            hidden_part(path).filter(|part| ![SET_ASIDE, FIX_RECORD].contains(&file_name(part)))
        {
            self.hidden.insert(part.to_owned());
        }
    }

    /// Returns a note for each reason.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.hidden.is_empty() {
            let names = first_few(self.hidden.iter());
            notes.push(format!("skipped {}: {names}", counted(self.hidden.len(), "hidden or system file")));
        }
        if !self.made.is_empty() {
            let each = self.made.iter().map(|(folder, made)| format!("{folder} ({})", made.name()));
            let names = first_few(each);
            notes.push(format!("skipped {} made by alexnet: {names}", counted(self.made.len(), "folder")));
        }
        if !self.others.is_empty() {
            let names = first_few(self.others.iter());
            let what = match self.others.len() {
                1 => "1 file that is not an image".to_owned(),
                n => format!("{n} files that are not images"),
            };
            notes.push(format!("skipped {what} ({}): {names}", self.by_extension()));
        }
        for (format, files) in self.by_format() {
            let what = format!("{} image", format.name);
            notes.push(format!(
                "skipped {}, a format that is not supported (convert to JPEG or PNG): {}",
                counted(files.len(), &what),
                first_few(files.iter())
            ));
        }
        if !self.masks.is_empty() {
            let names = first_few(self.masks.iter());
            let what = counted(self.masks.len(), "mask");
            notes.push(format!("skipped {what} of images next to them: {names}"));
        }
        notes
    }

    /// Describes what a folder without images holds instead, after its name.
    pub(in crate::data) fn instead(&self, name: &str, below: &str) -> String {
        let hidden = self.hidden.iter().filter(|path| path.starts_with(below)).count();
        let others = self.others.iter().filter(|path| path.starts_with(below)).count();
        let mut parts = Vec::new();
        for (format, files) in self.by_format() {
            match files.iter().filter(|path| path.starts_with(below)).count() {
                0 => {}
                n => parts.push(format!("{}, not supported", counted(n, &format!("{} image", format.name)))),
            }
        }
        if others > 0 {
            parts.push(counted(others, "other file"));
        }
        if hidden > 0 {
            parts.push(counted(hidden, "hidden file"));
        }
        if parts.is_empty() { name.to_owned() } else { format!("{name} (only {})", parts.join(", ")) }
    }

    /// Says how to convert the images in unsupported formats below a path; `None` if it has no such images.
    pub(in crate::data) fn conversion(&self, below: &str) -> Option<String> {
        let formats = self.by_format().into_iter();
        let below = formats.filter(|(_, files)| files.iter().any(|path| path.starts_with(below)));
        let each: Vec<String> = below
            .map(|(format, _)| {
                let UnsupportedFormat { name, conversion } = format;
                format!("convert the {name} images to JPEG or PNG, for example with `{conversion}`")
            })
            .collect();
        (!each.is_empty()).then(|| each.join("; "))
    }

    /// Returns what is below a folder, relative to it.
    pub(in crate::data) fn cut(self, below: &str) -> Self {
        let cut = |path: &String| path.strip_prefix(below).map(str::to_owned);
        let unsupported = self
            .unsupported
            .iter()
            .filter_map(|file| Some(UnsupportedFile { path: cut(&file.path)?, format: file.format }));
        Self {
            hidden: self.hidden.iter().filter_map(cut).collect(),
            made: self.made.iter().filter_map(|(path, &made)| Some((cut(path)?, made))).collect(),
            others: self.others.iter().filter_map(cut).collect(),
            unsupported: unsupported.collect(),
            masks: self.masks.iter().filter_map(cut).collect(),
        }
    }

    /// Reports each file.
    pub(in crate::data) fn report(&self, findings: &mut Findings) {
        for path in &self.hidden {
            findings.report(ProblemKind::Junk, path, "hidden, system or editor file; ignored");
        }
        for (folder, made) in &self.made {
            findings.report(
                ProblemKind::NotUsed,
                folder,
                format!("made by alexnet ({}); skipped", made.name()),
            );
        }
        for path in &self.others {
            findings.report(ProblemKind::Junk, path, "not an image; skipped");
        }
        for UnsupportedFile { path, format } in &self.unsupported {
            let detail = format!("{} is not supported; skipped. Convert it to JPEG or PNG", format.name);
            findings.report(ProblemKind::Unsupported, path, detail);
        }
        for path in &self.masks {
            findings.report(ProblemKind::NotUsed, path, "mask of the image next to it; skipped");
        }
    }

    /// `12 .txt, 2 .json`.
    fn by_extension(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for path in &self.others {
            *counts.entry(extension(path).unwrap_or_default().to_lowercase()).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, files)| std::cmp::Reverse(*files));
        let shown = counts.iter().take(5).map(|(extension, files)| match extension.as_str() {
            "" => format!("{files} without an extension"),
            extension => format!("{files} .{extension}"),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        if counts.len() > 5 { format!("{shown}, ...") } else { shown }
    }

    fn by_format(&self) -> BTreeMap<UnsupportedFormat, Vec<&str>> {
        let mut formats: BTreeMap<UnsupportedFormat, Vec<&str>> = BTreeMap::new();
        self.unsupported.iter().for_each(|file| formats.entry(file.format).or_default().push(&file.path));
        formats
    }
}
