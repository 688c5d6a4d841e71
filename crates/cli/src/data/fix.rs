//! `alexnet data fix`.

use std::fmt::Write;
use std::path::Path;

use super::progress::SharedProgress;
use crate::args::data::FixArgs;
use crate::exit::CommandResult;
use crate::output::{Output, escaped};
use alexnet::data::fix::{FixCounts, FixPlan, Remaining, Undone};
use alexnet::error::{Kind, shell};
use alexnet::format::{counted, grouped};

/// Most files that the text lists; the JSON lists all.
const LISTED: usize = 20;

pub(super) fn run(args: &FixArgs, out: &mut Output) -> CommandResult {
    let plan = FixPlan::read(&args.plan)?;
    let folder = args.out.as_deref();
    let undo = undo_command(args);
    if args.undo {
        let undone = plan.undo(folder)?;
        out.result(
            || undone_text(&undone, &undo),
            || serde_json::to_value(&undone).expect("strings and numbers are JSON"),
        )?;
        return Ok(if undone.left.is_empty() { 0 } else { Kind::Runtime.exit_code() });
    }
    let progress = SharedProgress::new(out.display());
    let advance = |done: usize, all: usize| progress.advance("fix", done, all);
    let done = match folder {
        Some(folder) => plan.copy_to(folder, &advance),
        None => plan.apply_in_place(&advance),
    };
    drop(progress);
    let done = done.map_err(|error| match error.kind {
        // The file system failed half-way.
        Kind::Runtime => error.help(format!("to undo the changes made so far: `{undo}`")),
        Kind::Usage | Kind::Data | Kind::Model | Kind::Diverged | Kind::Interrupted(_) => error,
    })?;
    out.result(
        || done_text(&done, folder, &undo),
        || serde_json::to_value(&done).expect("numbers are JSON"),
    )?;
    Ok(0)
}

fn undo_command(args: &FixArgs) -> String {
    let target = args.out.as_ref().map_or_else(|| "--in-place".to_owned(), shell);
    format!("alexnet data fix {} {target} --undo", shell(&args.plan))
}

fn done_text(done: &FixCounts, folder: Option<&Path>, undo: &str) -> String {
    let next = match folder {
        Some(folder) => format!("use it    alexnet train {} --recipe small\n", shell(folder)),
        None => format!("undo it   {undo}\n"),
    };
    format!(
        "kept      {}\nrepaired  {}\nexcluded  {}\n{next}",
        grouped(done.kept),
        grouped(done.mended),
        grouped(done.left_out)
    )
}

/// What was undone, and the first few files that could not be restored.
fn undone_text(undone: &Undone, again: &str) -> String {
    let mut text = format!("undone    {}\n", counted(undone.undone, "file"));
    if undone.left.is_empty() {
        return text;
    }
    let _ = writeln!(text, "left      {}, none of them lost:", counted(undone.left.len(), "file"));
    for Remaining { file, reason } in undone.left.iter().take(LISTED) {
        let _ = writeln!(text, "  {}: {}", escaped(file), escaped(reason));
    }
    if undone.left.len() > LISTED {
        let _ = writeln!(text, "  and {} more: --json lists all", grouped(undone.left.len() - LISTED));
    }
    let _ = writeln!(text, "once their names are free, run: {again}");
    text
}
