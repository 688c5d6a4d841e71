//! Applies and undoes a plan.

use std::path::Path;

use super::copying::{CopyWriter, class_folders};
use super::in_place::InPlaceChange;
use super::mend::mend;
use super::plan::{FixCounts, FixPlan};
use super::record::{FixRecord, FoundRecord, RecordEntry, rename};
use super::undo::{FixTarget, Undone};
use crate::data::own_files::{FIX_RECORD, SET_ASIDE};
use crate::data::problem::Findings;
use crate::data::source::{Dataset, Split};
use crate::error::shell;
use crate::files::{atomic, real_path};
use crate::{Error, Result};

impl FixPlan {
    /// Applies the plan to a new folder. `progress` receives the number of images just done and the total. Leftovers of an
    /// interrupted call are removed first.
    ///
    /// # Errors
    /// Returns an error if the folder is not empty, class names are not valid folder names, or a file cannot be read or written.
    /// Everything done so far can be undone.
    pub fn copy_to(&self, out: &Path, progress: &dyn Fn(usize, usize)) -> Result<FixCounts> {
        let dataset = self.dataset(&mut Findings::lenient())?;
        self.clean_up(&self.beside(out))?;
        if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::usage(format!("{} is not empty", out.display())).help(
                "use a new folder; `alexnet data fix PLAN OUT --undo` removes the result of an earlier plan",
            ));
        }
        if real_path(out).starts_with(&self.source) {
            return Err(Error::usage(format!("{} is inside the source", out.display()))
                .help("use a folder outside it"));
        }
        let steps = self.by_file(&dataset)?;
        let folders = class_folders(&dataset.classes)?;
        std::fs::create_dir_all(out).map_err(|error| Error::io(out, "create the folder", &error))?;
        let in_splits = dataset.split("all").is_err();
        let splits: Vec<&Split> = match dataset.split("all") {
            Ok(all) => vec![all],
            Err(_) => dataset.splits.iter().collect(),
        };
        let total = splits.iter().map(|split| split.len()).sum();
        let mut making = CopyWriter::begin(&self.source, out)?;
        for split in splits {
            let top = if in_splits { format!("{}/", split.name) } else { String::new() };
            for index in 0..split.len() {
                let folder = format!("{top}{}", folders[split.label(index) as usize]);
                progress(1, total);
                making.copy(split, index, steps.get(split.file(index)).copied(), &folder)?;
            }
        }
        making.finish()
    }

    /// Applies the plan in the source folder. Originals that are repaired or left out are set aside in it. `progress` receives the
    /// number of images just done and the total. Changes of an interrupted call are undone first.
    ///
    /// # Errors
    /// Returns an error if the images are not files in a folder, one that a list labels would get another name, a remaining image is
    /// a link to one that moves, a folder is a link, an earlier plan was applied, or a file cannot be moved or written. Everything
    /// done so far can be undone.
    pub fn apply_in_place(&self, progress: &dyn Fn(usize, usize)) -> Result<FixCounts> {
        let place = self.in_place();
        self.clean_up(&place)?;
        let mut findings = Findings::lenient();
        let dataset = self.dataset(&mut findings)?;
        let (changes, kept) = self.changes(&dataset, findings.is_ordered_by_folders())?;
        let aside = &place.folder;
        std::fs::create_dir_all(aside).map_err(|error| Error::io(aside, "create the folder", &error))?;
        let mut record = FixRecord::begin(aside)?;
        // Recorded in full before the first change, so that everything can be undone.
        for InPlaceChange { path, made, .. } in &changes {
            record.add(&RecordEntry::SetAside(path.clone()))?;
            if let Some((file, holds)) = made {
                record.add(&RecordEntry::Made { file: file.clone(), holds: holds.clone() })?;
            }
        }
        record.flush()?;
        let (mut done, total) = (FixCounts { kept, ..FixCounts::default() }, changes.len());
        for InPlaceChange { split, index, path, made } in changes {
            let (from, to) = (self.source.join(&path), aside.join(&path));
            match made {
                Some((name, _)) => {
                    let (bytes, _) = mend(split, index)?;
                    rename(&from, &to)?;
                    atomic::replace(&self.source.join(name), |out| out.write_all(&bytes))?;
                    done.mended += 1;
                }
                None => {
                    rename(&from, &to)?;
                    done.left_out += 1;
                }
            }
            progress(1, total);
        }
        record.add(&RecordEntry::Complete)?;
        Ok(done)
    }

    /// Opens as much of the source as possible.
    fn dataset(&self, findings: &mut Findings) -> Result<Dataset> {
        if !self.source.exists() {
            let shown = self.source.display();
            return Err(Error::data(format!("{shown}: the source of the plan does not exist")).help(
                "if it was moved, correct `source` in the plan; or check it where it is now, and use the new plan: \
                 `alexnet data check SRC --plan NEW.json`",
            ));
        }
        Dataset::recognize(&self.source, findings)
    }

    /// Undoes what an interrupted call did. The result of a completed call is not touched.
    fn clean_up(&self, place: &FixTarget<'_>) -> Result<()> {
        let Some(found) = FoundRecord::find(&place.folder)? else { return Ok(()) };
        let shown = place.root.display();
        if found.is_complete() {
            let target = if place.makes_folders { shell(place.root) } else { "--in-place".to_owned() };
            return Err(Error::usage(format!("{shown}: a plan was already applied there"))
                .help(format!("to undo it first: `alexnet data fix PLAN {target} --undo`")));
        }
        match place.undo(&found)?.left.first() {
            None => Ok(()),
            Some(left) => Err(Error::data(format!(
                "{shown}: an interrupted `data fix` could not be undone: {}: {}",
                left.file, left.reason
            ))),
        }
    }

    /// Undoes [`FixPlan::copy_to`] or, without a folder, [`FixPlan::apply_in_place`]: removes the files it made and restores the
    /// originals. Everything else stays, including files changed since. Can be repeated for what could not be undone.
    ///
    /// # Errors
    /// Returns an error if no plan was applied there, or its record is damaged.
    pub fn undo(&self, out: Option<&Path>) -> Result<Undone> {
        let place = match out {
            Some(out) => self.beside(out),
            None => self.in_place(),
        };
        let found = FoundRecord::find(&place.folder)?.ok_or_else(|| {
            let error = Error::usage(format!("{}: no plan was applied there", place.root.display()));
            match out {
                None if !self.source.exists() => {
                    error.help("if the folder has moved, change `source` in the plan")
                }
                _ => error,
            }
        })?;
        place.undo(&found)
    }

    /// Returns whether there is something to undo: the plan was applied to this folder or, without one, in place, if only in part.
    pub fn is_recorded(&self, out: Option<&Path>) -> bool {
        let place = out.map_or_else(|| self.in_place(), |out| self.beside(out));
        place.folder.join(FIX_RECORD).is_file()
    }

    fn in_place(&self) -> FixTarget<'_> {
        let (root, source) = (self.source.as_path(), self.source.as_path());
        FixTarget { folder: root.join(SET_ASIDE), root, source, makes_folders: false }
    }

    fn beside<'a>(&'a self, out: &'a Path) -> FixTarget<'a> {
        FixTarget { folder: out.to_owned(), root: out, source: &self.source, makes_folders: true }
    }
}
