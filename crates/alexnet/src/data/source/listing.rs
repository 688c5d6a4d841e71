//! The files and folders below a root, on disk or in an archive, and which of them are skipped.

use std::collections::BTreeSet;

use super::catalog::Location;
use super::naming::{self, ListedFile, OwnFolderMarks, Skipped};
use crate::data::problem::{Findings, ProblemKind};
use crate::format::{counted, first_few};

/// A folder that cannot be listed.
#[derive(Debug)]
pub(super) struct ClosedFolder {
    pub path: String,
    pub reason: String,
}

/// The files and folders below a root, by path with `/` between the parts.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// All files at first; after [`Listing::sort`] only the images, sorted by path.
    pub files: Vec<ListedFile<Location>>,
    pub folders: BTreeSet<String>,
    /// Entries that are neither: broken links, pipes, names that leave an archive.
    pub odd: Vec<String>,
    /// Files and folders whose names are not UTF-8, in lossy form.
    pub names: Vec<String>,
    /// Folders that cannot be listed, and why.
    pub closed: Vec<ClosedFolder>,
    /// Images outside the folder that holds the class folders.
    pub outside: Vec<String>,
    /// What is skipped, and why.
    pub skipped: Skipped,
    pub marks: OwnFolderMarks,
}

impl Listing {
    /// Adds a file and the folders above it, unless it is hidden.
    pub(super) fn add_file(&mut self, path: &str, location: Location) {
        let path = naming::plain(path);
        self.marks.see(&path);
        if self.is_visible(&path) {
            if let Some((folder, _)) = path.rsplit_once('/') {
                self.add_folder(folder);
            }
            self.files.push(ListedFile { path, location });
        }
    }

    /// Adds a folder and those above it. Returns whether to search it.
    pub(super) fn add_folder(&mut self, path: &str) -> bool {
        let path = naming::plain(path);
        if !self.is_visible(&path) {
            return false;
        }
        for (end, _) in path.match_indices('/') {
            self.folders.insert(path[..end].to_owned());
        }
        self.folders.insert(path);
        true
    }

    /// Returns whether a path is neither hidden, which is recorded, nor empty.
    fn is_visible(&mut self, path: &str) -> bool {
        let hidden = naming::hidden_part(path).is_some();
        if hidden {
            self.skipped.hide(path);
        }
        !hidden && !path.is_empty()
    }

    /// Keeps only the images in `files`; everything else is recorded in `skipped`. `head` reads the first bytes of a file.
    pub(super) fn sort(mut self, head: &dyn Fn(&str, &Location) -> std::io::Result<Vec<u8>>) -> Self {
        self.skipped.made = naming::remove_own_folders(&mut self.files, &mut self.folders, &self.marks);
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.files = naming::images(self.files, head, &mut self.skipped);
        self
    }

    /// Reports each skipped file. Returns a note for each reason.
    pub(super) fn report(&self, findings: &mut Findings) -> Vec<String> {
        self.skipped.report(findings);
        let mut notes = self.skipped.notes();
        for path in &self.odd {
            findings.report(ProblemKind::Junk, path, "neither a regular file nor a folder");
        }
        if !self.odd.is_empty() {
            let odd: Vec<&str> = self.odd.iter().map(String::as_str).collect();
            notes.push(format!(
                "skipped {} that {} not {}: {}",
                counted(odd.len(), "entry"),
                if odd.len() == 1 { "is" } else { "are" },
                if odd.len() == 1 { "a regular file" } else { "regular files" },
                first_few(odd.iter())
            ));
        }
        for path in &self.names {
            findings.report(ProblemKind::UnreadableName, path, "the name is not UTF-8; skipped");
        }
        if !self.names.is_empty() {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let what = counted(names.len(), "name");
            notes.push(format!("skipped {what} not in UTF-8 (rename to use): {}", first_few(names.iter())));
        }
        for ClosedFolder { path: folder, reason: why } in &self.closed {
            findings.report(ProblemKind::NotUsed, folder, format!("cannot list the folder: {why}"));
            notes.push(format!("skipped the folder {folder}, which cannot be listed: {why}"));
        }
        notes
    }
}
