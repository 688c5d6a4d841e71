//! What was assumed to label images, and what is not used.

use std::collections::BTreeSet;

use super::super::naming::count;
use super::super::tree::some;
use super::labels::Labeled;
use super::{By, Flat};
use crate::Result;
use crate::data::ProblemKind;

impl Flat<'_> {
    pub(super) fn tell_lists(&mut self, how: &[By], candidates: &[String]) -> Result<()> {
        let used: BTreeSet<usize> = how
            .iter()
            .filter_map(|by| if let By::Lists(lists) = by { Some(lists) } else { None })
            .flatten()
            .copied()
            .collect();
        for &list in &used {
            self.lists[list].check(self.root, self.findings)?;
            self.lists[list].tell(self.findings, &mut self.notes);
        }
        let names: BTreeSet<&str> = used.iter().map(|&list| self.lists[list].path.as_str()).collect();
        let unused: Vec<&str> =
            candidates.iter().map(String::as_str).filter(|path| !names.contains(path)).collect();
        if !unused.is_empty() {
            self.notes.push(format!("not used to label images: {}", some(&unused)));
        }
        Ok(())
    }

    /// Images that nothing is said of: single ones, and whole parts.
    pub(super) fn tell_unlabeled(&mut self, how: &[By], labeled: &[Labeled]) {
        let has: BTreeSet<usize> = labeled.iter().map(|labeled| labeled.image).collect();
        for (part, by) in self.parts.iter().zip(how) {
            let without: Vec<&str> = part
                .images
                .iter()
                .filter(|image| !has.contains(image))
                .map(|&image| self.listing.files[image].0.as_str())
                .collect();
            if without.is_empty() {
                continue;
            }
            let images = count(without.len(), "image");
            let (kind, detail, note) = match by {
                By::Nothing => (
                    ProblemKind::NotUsed,
                    "nothing says what it shows",
                    format!("{} is not used: nothing says what its {images} show", part.prefix),
                ),
                By::Folders | By::Lists(_) | By::Kit => (
                    ProblemKind::Loose,
                    "no line says what it shows",
                    format!("skipped {images} that no line of a list names: {}", some(&without)),
                ),
            };
            without.iter().for_each(|&file| self.findings.tell(kind, file, detail));
            self.notes.push(note);
        }
        let outside: Vec<&str> = self
            .listing
            .files
            .iter()
            .map(|file| file.0.as_str())
            .filter(|path| !self.parts.iter().any(|part| path.starts_with(&part.prefix)))
            .collect();
        if !outside.is_empty() {
            outside.iter().for_each(|&file| {
                self.findings.tell(ProblemKind::NotUsed, file, "beside the folders of the splits")
            });
            self.notes.push(format!(
                "skipped {} beside the folders of the splits: {}",
                count(outside.len(), "image"),
                some(&outside)
            ));
        }
        let twice = labeled.len() - has.len();
        if twice > 0 {
            self.notes.push(format!(
                "{} in several lists, and so in several splits",
                count(twice, "image is").replace("image iss", "images are")
            ));
        }
        let listed: BTreeSet<&str> = self.lists.iter().map(|list| list.path.as_str()).collect();
        self.listing.skipped.others.retain(|path| !listed.contains(path.as_str()));
        self.notes.extend(self.listing.report(self.findings));
    }
}
