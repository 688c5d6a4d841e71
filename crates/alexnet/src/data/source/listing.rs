//! The files and folders below a root, on disk or in an archive, and what of them is not used.

use std::collections::BTreeSet;

use super::naming::{self, Marks, Skipped};
use super::tree::some;
use super::{Findings, Place};
use crate::data::ProblemKind;

/// The files and folders below a root, by path, `/` between the parts.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// All files at first; after [`Listing::sort`] the images, by their paths.
    pub files: Vec<(String, Place)>,
    pub folders: BTreeSet<String>,
    /// What is neither: links that lead nowhere, pipes, names that leave an archive.
    pub odd: Vec<String>,
    /// Files and folders whose names are not UTF-8, as far as they can be shown.
    pub names: Vec<String>,
    /// Folders that cannot be listed, and why.
    pub closed: Vec<(String, String)>,
    /// Images outside the folder that holds the class folders.
    pub outside: Vec<String>,
    /// What is not used, and why.
    pub skipped: Skipped,
    pub marks: Marks,
}

impl Listing {
    /// Adds a file and the folders above it, unless it is hidden.
    pub(super) fn add_file(&mut self, path: &str, place: Place) {
        let path = plain(path);
        self.marks.see(&path);
        if self.is_visible(&path) {
            if let Some((folder, _)) = path.rsplit_once('/') {
                self.add_folder(folder);
            }
            self.files.push((path, place));
        }
    }

    /// Adds a folder and those above it. Returns whether it is to be looked into.
    pub(super) fn add_folder(&mut self, path: &str) -> bool {
        let path = plain(path);
        if !self.is_visible(&path) {
            return false;
        }
        for (end, _) in path.match_indices('/') {
            self.folders.insert(path[..end].to_owned());
        }
        self.folders.insert(path);
        true
    }

    /// Whether a path is neither hidden, which is counted, nor empty.
    fn is_visible(&mut self, path: &str) -> bool {
        let hidden = naming::hidden_part(path).is_some();
        if hidden {
            self.skipped.hide(path);
        }
        !hidden && !path.is_empty()
    }

    /// Leaves the images in `files`; all else is counted in `skipped`. `head` reads the first bytes of a file.
    pub(super) fn sort(mut self, head: &dyn Fn(&str, &Place) -> std::io::Result<Vec<u8>>) -> Self {
        self.skipped.made = naming::without_made(&mut self.files, &mut self.folders, &self.marks);
        self.files.sort_by(|a, b| a.0.cmp(&b.0));
        self.files = naming::images(self.files, head, &mut self.skipped);
        self
    }

    /// Reports what is not used, file by file to `findings`. Returns a line for each reason.
    pub(super) fn report(&self, findings: &mut Findings) -> Vec<String> {
        self.skipped.tell(findings);
        let mut notes = self.skipped.notes();
        for path in &self.odd {
            findings.tell(ProblemKind::Junk, path, "neither a regular file nor a folder");
        }
        if !self.odd.is_empty() {
            let odd: Vec<&str> = self.odd.iter().map(String::as_str).collect();
            let entries = if odd.len() == 1 {
                "entry that is not a regular file"
            } else {
                "entries that are not regular files"
            };
            notes.push(format!("skipped {} {entries}: {}", odd.len(), some(&odd)));
        }
        for path in &self.names {
            findings.tell(ProblemKind::UnreadableName, path, "the name is not UTF-8; skipped");
        }
        if !self.names.is_empty() {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let what = naming::count(names.len(), "name");
            notes.push(format!("skipped {what} not in UTF-8 (rename to use): {}", some(&names)));
        }
        for (folder, why) in &self.closed {
            findings.tell(ProblemKind::NotUsed, folder, format!("cannot be listed: {why}"));
            notes.push(format!("skipped the folder {folder}: it cannot be listed: {why}"));
        }
        notes
    }
}

/// The path without `.` and empty parts: archives often begin every name with `./`.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}
