//! `alexnet inspect MODEL filters`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::args::inspect::FiltersArgs;
use crate::exit::CommandResult;
use crate::output::{Output, printable};
use alexnet::eval::model_path;
use alexnet::inspect::color::{ColorDifference, ColumnColor};
use alexnet::inspect::grid::Levels;
use alexnet::inspect::{Colors, Kernels, figures};
use alexnet::model::AnyModel;

pub(super) fn run(model: &Path, args: &FiltersArgs, out: &mut Output) -> CommandResult {
    let model = model_path(model)?;
    let file = &args.out.out;
    file.check(std::iter::empty())?;
    let kernels = AnyModel::load(&model)
        .and_then(|loaded| Kernels::of(&loaded).map_err(|error| error.context(model.display())))?;
    let levels = if args.per_kernel { Levels::PerKernel } else { Levels::Shared };
    file.write(&figures::filters(&kernels, levels), out)?;
    let (color, difference) = (kernels.color(), kernels.color_difference());
    let report = Report { model, out: &file.path, kernels, levels, color, difference };
    out.result(|| report.text(), || report.json())?;
    Ok(0)
}

struct Report<'a> {
    model: PathBuf,
    out: &'a Path,
    kernels: Kernels,
    levels: Levels,
    color: Option<Vec<ColumnColor>>,
    difference: Option<ColorDifference>,
}

impl Report<'_> {
    fn json(&self) -> Value {
        let Kernels { layer, maps, side, columns, colors, .. } = &self.kernels;
        let images = match colors {
            Colors::Rgb => "rgb",
            Colors::Gray => "gray",
        };
        json!({
            "model": self.model.display().to_string(),
            "out": self.out.display().to_string(),
            "layer": layer,
            "maps": maps,
            "kernel": side,
            "images": images,
            "columns": columns.count,
            "columns_of": columns.layer,
            "levels": self.levels,
            "largest_weight": self.kernels.largest(),
            "color": self.color,
            "color_difference": self.difference,
        })
    }

    fn text(&self) -> String {
        let Kernels { layer, maps, side, columns, colors, .. } = &self.kernels;
        let mut out = format!("model    {}\n", printable(&self.model.display().to_string()));
        let _ = writeln!(out, "layer    {}, {maps} kernels of {side} x {side}", printable(layer));
        match &columns.layer {
            Some(grouped) => {
                let _ = writeln!(out, "columns  {}, the groups of {}", columns.count, printable(grouped));
            }
            None => out += "columns  1\n",
        }
        match (&self.color, colors) {
            (Some(columns), _) => out += &table(columns),
            (None, Colors::Gray | Colors::Rgb) => {
                out += "color    not measured: the images of this model are gray\n";
            }
        }
        if let Some(ColorDifference { difference, p, divisions: _ }) = self.difference {
            let points = 100.0 * difference;
            let _ = writeln!(
                out,
                "the columns differ by {points:.1} points; kernels divided at random differ as much with p = {p:.4}"
            );
        }
        let _ = writeln!(out, "figure   {}", printable(&self.out.display().to_string()));
        out
    }
}

/// The color shares of the columns, and of the kernels in them.
fn table(columns: &[ColumnColor]) -> String {
    let mut out = format!(
        "\n{:<6}  {:<11}  {:>6}  {:>6}  {:>6}  {:>6}\n",
        "column", "maps", "color", "least", "median", "most"
    );
    for ColumnColor { column, first_map, color_share, color_shares } in columns {
        let mut kernels: Vec<f64> = color_shares.iter().flatten().copied().collect();
        kernels.sort_by(f64::total_cmp);
        let range = format!("{first_map} to {}", first_map + color_shares.len() - 1);
        let [least, median, most] = [kernels.first(), kernels.get(kernels.len() / 2), kernels.last()]
            .map(|share| shown(share.copied()));
        let _ = writeln!(
            out,
            "{column:<6}  {range:<11}  {:>6}  {least:>6}  {median:>6}  {most:>6}",
            shown(*color_share)
        );
    }
    out + "color: share of the variance outside the gray direction; random weights have 67 %\n"
}

/// A color share; kernels whose weights are all equal have none.
fn shown(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}
