//! What is not used of a source, counted and reported.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Findings;
use super::super::tree::some;
use super::{Made, extension, file_name, hidden_part};
use crate::data::ProblemKind;
use crate::data::check::plan;

/// What is not used of a source, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    /// Hidden files and folders, and what systems leave behind.
    pub(crate) hidden: BTreeSet<String>,
    /// Folders that this program made.
    pub(crate) made: BTreeMap<String, Made>,
    /// Files that are not images.
    pub(crate) others: Vec<String>,
    /// Images in formats that are not decoded.
    pub(crate) unsupported: Vec<(String, &'static str)>,
    /// Masks of the images beside them.
    pub(crate) masks: Vec<String>,
}

impl Skipped {
    /// Notes a hidden path: the part of it that is hidden, once.
    pub(crate) fn hide(&mut self, path: &str) {
        if let Some(part) = hidden_part(path).filter(|part| !plan::OWN.contains(&file_name(part))) {
            self.hidden.insert(part.to_owned());
        }
    }

    /// A line for each reason.
    pub(crate) fn notes(&self) -> Vec<String> {
        let list = |names: &mut dyn Iterator<Item = &str>| some(&names.collect::<Vec<_>>());
        let mut notes = Vec::new();
        if !self.hidden.is_empty() {
            let names = list(&mut self.hidden.iter().map(String::as_str));
            notes.push(format!("skipped {}: {names}", count(self.hidden.len(), "hidden or system file")));
        }
        if !self.made.is_empty() {
            let each = self.made.iter().map(|(folder, made)| format!("{folder} ({})", made.name()));
            let each: Vec<String> = each.collect();
            let names = list(&mut each.iter().map(String::as_str));
            notes.push(format!("skipped {} made by alexnet: {names}", count(self.made.len(), "folder")));
        }
        if !self.others.is_empty() {
            let names = list(&mut self.others.iter().map(String::as_str));
            let what = match self.others.len() {
                1 => "1 file that is not an image".to_owned(),
                n => format!("{n} files that are not images"),
            };
            notes.push(format!("skipped {what} ({}): {names}", self.by_extension()));
        }
        for (format, files) in self.by_format() {
            let what = format!("{format} image");
            notes.push(format!(
                "skipped {}, a format that is not supported (convert to JPEG or PNG): {}",
                count(files.len(), &what),
                some(&files)
            ));
        }
        if !self.masks.is_empty() {
            let names = list(&mut self.masks.iter().map(String::as_str));
            let what = count(self.masks.len(), "mask");
            notes.push(format!("skipped {what} of the images beside them: {names}"));
        }
        notes
    }

    /// What a folder without images holds instead, behind its name.
    pub(in crate::data) fn instead(&self, name: &str, below: &str) -> String {
        let hidden = self.hidden.iter().filter(|path| path.starts_with(below)).count();
        let others = self.others.iter().filter(|path| path.starts_with(below)).count();
        let mut parts = Vec::new();
        for (format, files) in self.by_format() {
            match files.iter().filter(|path| path.starts_with(below)).count() {
                0 => {}
                n => parts.push(format!("{}, not supported", count(n, &format!("{format} image")))),
            }
        }
        if others > 0 {
            parts.push(count(others, "other file"));
        }
        if hidden > 0 {
            parts.push(count(hidden, "hidden file"));
        }
        if parts.is_empty() { name.to_owned() } else { format!("{name} (only {})", parts.join(", ")) }
    }

    /// Tells each file.
    pub(in crate::data) fn tell(&self, findings: &mut Findings) {
        for path in &self.hidden {
            findings.tell(ProblemKind::Junk, path, "hidden, or left by a system or an editor; skipped");
        }
        for (folder, made) in &self.made {
            findings.tell(
                ProblemKind::NotUsed,
                folder,
                format!("made by alexnet ({}); skipped", made.name()),
            );
        }
        for path in &self.others {
            findings.tell(ProblemKind::Junk, path, "not an image; skipped");
        }
        for (path, format) in &self.unsupported {
            let detail = format!("{format} is not supported; skipped. Convert it to JPEG or PNG");
            findings.tell(ProblemKind::Unsupported, path, detail);
        }
        for path in &self.masks {
            findings.tell(ProblemKind::NotUsed, path, "a mask of the image beside it; skipped");
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

    fn by_format(&self) -> BTreeMap<&'static str, Vec<&str>> {
        let mut formats: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        self.unsupported.iter().for_each(|(path, format)| formats.entry(format).or_default().push(path));
        formats
    }
}

/// `1 mask`, `2 masks`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
