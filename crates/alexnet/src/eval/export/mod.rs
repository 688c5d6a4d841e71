//! An evaluation as files: tables as CSV, and plots as SVG.

mod calibration_plot;
mod confusion_plot;
mod contents;
mod tables;

use std::path::Path;

use crate::error::Kind;
use crate::files::atomic;
use crate::{Error, Result};
pub use contents::Export;

/// The files that [`Export::write`] writes.
pub const FILES: [&str; 5] =
    ["per-class.csv", "confusion.csv", "predictions.csv", "calibration.svg", "confusion.svg"];

impl Export<'_> {
    /// Writes [`FILES`] into `folder`, which is created if it is missing. Each file is replaced atomically.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create the folder", &e))?;
        let [per_class, confusion, predictions, calibration_plot, confusion_plot] = FILES;
        let table = |name: &str, table: csv::Result<Vec<u8>>| {
            table.map_err(|e| Error::new(Kind::Runtime, format!("cannot write {name}: {e}")))
        };
        let plot = |name: &str, svg: std::result::Result<String, String>| {
            let svg = svg.map_err(|e| Error::new(Kind::Runtime, format!("cannot draw {name}: {e}")))?;
            Ok::<_, Error>(svg.into_bytes())
        };
        for (name, bytes) in [
            (per_class, table(per_class, tables::per_class(self))?),
            (confusion, table(confusion, tables::confusion(self))?),
            (predictions, table(predictions, tables::predictions(self))?),
            (calibration_plot, plot(calibration_plot, calibration_plot::svg(&self.analysis.calibration))?),
            (
                confusion_plot,
                plot(confusion_plot, confusion_plot::svg(&self.analysis.confusion, self.classes))?,
            ),
        ] {
            atomic::replace(&folder.join(name), |out| out.write_all(&bytes))?;
        }
        Ok(())
    }
}
