//! Reports how images were labeled, and what is not used.

use std::collections::BTreeSet;

use super::labeled::Labeled;
use super::part::{By, Flat, Part};
use crate::Result;
use crate::data::problem::ProblemKind;
use crate::format::{counted, first_few};

impl Flat<'_> {
    pub(super) fn report_lists(&mut self, how: &[By], candidates: &[String]) -> Result<()> {
        let used: BTreeSet<usize> = how
            .iter()
            .filter_map(|by| if let By::Lists(lists) = by { Some(lists) } else { None })
            .flatten()
            .copied()
            .collect();
        for &list in &used {
            self.lists[list].check(self.root, self.findings)?;
            self.lists[list].report(self.findings, &mut self.notes);
        }
        self.report_stores(how);
        let names: BTreeSet<&str> = used.iter().map(|&list| self.lists[list].path.as_str()).collect();
        let unused: Vec<&str> =
            candidates.iter().map(String::as_str).filter(|path| !names.contains(path)).collect();
        if !unused.is_empty() {
            self.notes.push(format!("not used to label images: {}", first_few(unused.iter())));
        }
        Ok(())
    }

    /// Reports folders that are not classes, although all images of a part are in some.
    fn report_stores(&mut self, how: &[By]) {
        let note = |(part, by): (&Part, &By)| {
            let By::Lists(lists) = by else { return None };
            let folders = self.folders(part).filter(|folders| folders.len() > 1)?;
            Some(format!(
                "classes are read from {}; the folders do not match them and only store images: {}",
                first_few(lists.iter().map(|&list| &self.lists[list].path)),
                first_few(folders.iter().map(|folder| format!("{}{folder}", part.prefix)))
            ))
        };
        let notes: Vec<String> = self.parts.iter().zip(how).filter_map(note).collect();
        self.notes.extend(notes);
    }

    /// Reports images that several lists name, except for some.
    pub(super) fn report_repeated(&mut self, labeled: &[Labeled], except: &BTreeSet<usize>) {
        let images = labeled.iter().map(|labeled| labeled.image).filter(|image| !except.contains(image));
        let images: Vec<usize> = images.collect();
        let twice = images.len() - images.iter().collect::<BTreeSet<_>>().len();
        if twice > 0 {
            self.notes.push(format!(
                "{} in several lists, and therefore in several splits",
                if twice == 1 { "1 image is".to_owned() } else { format!("{twice} images are") }
            ));
        }
    }

    /// Reports images without a label: single ones, and whole parts.
    pub(super) fn report_unlabeled(&mut self, how: &[By], labeled: &[Labeled]) {
        let has: BTreeSet<usize> = labeled.iter().map(|labeled| labeled.image).collect();
        // Images with several classes are reported as such.
        let doubted: BTreeSet<usize> = self.lists.iter().flat_map(|list| &list.doubted).copied().collect();
        for (part, by) in self.parts.iter().zip(how) {
            let without: Vec<&str> = part
                .images
                .iter()
                .filter(|image| !has.contains(image) && !doubted.contains(image))
                .map(|&image| self.listing.files[image].path.as_str())
                .collect();
            if without.is_empty() {
                continue;
            }
            let images = counted(without.len(), "image");
            let (kind, detail, note) = match by {
                By::Nothing => (
                    ProblemKind::NotUsed,
                    "no label",
                    match part.prefix.as_str() {
                        "" => format!("{images} without a label: not used"),
                        prefix => format!("{prefix} is not used: {images} without a label"),
                    },
                ),
                By::Folders | By::Lists(_) | By::Kit => (
                    ProblemKind::Loose,
                    "no list names it",
                    format!("skipped {images} that no list names: {}", first_few(without.iter())),
                ),
            };
            without.iter().for_each(|&file| self.findings.report(kind, file, detail));
            self.notes.push(note);
        }
        let outside: Vec<&str> = self
            .listing
            .files
            .iter()
            .map(|file| file.path.as_str())
            .filter(|path| !self.parts.iter().any(|part| path.starts_with(&part.prefix)))
            .collect();
        if !outside.is_empty() {
            outside.iter().for_each(|&file| {
                self.findings.report(ProblemKind::NotUsed, file, "outside the split folders")
            });
            self.notes.push(format!(
                "skipped {} outside the split folders: {}",
                counted(outside.len(), "image"),
                first_few(outside.iter())
            ));
        }
        let listed: BTreeSet<&str> = self.lists.iter().map(|list| list.path.as_str()).collect();
        self.listing.skipped.others.retain(|path| !listed.contains(path.as_str()));
        self.notes.extend(self.listing.report(self.findings));
    }
}
