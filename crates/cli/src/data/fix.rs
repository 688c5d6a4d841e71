//! `alexnet data fix`.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::progress::SharedProgress;
use crate::args::data::FixArgs;
use crate::exit::{CommandResult, with_code};
use crate::output::{Output, escaped};
use alexnet::data::fix::{Action, FixCounts, FixPlan, FixStep, Remaining, Undone};
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
        let printed = out.result(
            || undone_text(&undone, &undo),
            || serde_json::to_value(&undone).expect("strings and numbers are JSON"),
        );
        return with_code(if undone.left.is_empty() { 0 } else { Kind::Runtime.exit_code() }, printed);
    }
    let progress = SharedProgress::new(out.display());
    let advance = |done: usize, all: usize| progress.advance("fix", done, all);
    let done = match folder {
        Some(folder) => plan.copy_to(folder, &advance),
        None => plan.apply_in_place(&advance),
    };
    drop(progress);
    let done = done.map_err(|error| match error.kind {
        // The file system failed half-way, or at once.
        Kind::Runtime => error.help(match plan.is_recorded(folder) {
            true => format!("to undo the changes made so far: `{undo}`"),
            false => unchanged_help(args),
        }),
        Kind::Usage | Kind::Data | Kind::Model | Kind::Diverged | Kind::Interrupted(_) => error,
    })?;
    let excluded: Vec<&FixStep> = plan.steps.iter().filter(|step| step.action == Action::LeaveOut).collect();
    out.result(|| done_text(&done, &excluded, folder, &undo), || done_json(&done, &excluded))?;
    Ok(0)
}

fn done_json(done: &FixCounts, excluded: &[&FixStep]) -> Value {
    let mut value = serde_json::to_value(done).expect("numbers are JSON");
    value["excluded"] =
        excluded.iter().map(|step| json!({ "file": step.file, "reason": step.detail })).collect();
    value
}

/// What to do if nothing could be written.
fn unchanged_help(args: &FixArgs) -> String {
    let plan = shell(&args.plan);
    let folder = if args.in_place { "a new folder" } else { "another folder" };
    format!("nothing was changed; to apply the plan to {folder}: `alexnet data fix {plan} OUT`")
}

fn undo_command(args: &FixArgs) -> String {
    let target = args.out.as_ref().map_or_else(|| "--in-place".to_owned(), shell);
    format!("alexnet data fix {} {target} --undo", shell(&args.plan))
}

/// What was done, and the first few images that were left out.
fn done_text(done: &FixCounts, excluded: &[&FixStep], folder: Option<&Path>, undo: &str) -> String {
    let next = match folder {
        Some(folder) => format!("use it    alexnet train {} --recipe small\n", shell(folder)),
        None => format!("undo it   {undo}\n"),
    };
    let mut text = format!(
        "kept      {}\nrepaired  {}\nexcluded  {}\n",
        grouped(done.kept),
        grouped(done.mended),
        grouped(done.left_out)
    );
    for FixStep { file, detail, .. } in excluded.iter().take(LISTED) {
        let reason = if detail.is_empty() { String::new() } else { format!(": {}", escaped(detail)) };
        let _ = writeln!(text, "  {}{reason}", escaped(file));
    }
    text + &rest(excluded.len()) + &next
}

/// Says how many of `all` files are not listed.
fn rest(all: usize) -> String {
    match all.saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("  and {} more: --json lists all\n", grouped(more)),
    }
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
    text += &rest(undone.left.len());
    let _ = writeln!(text, "once their names are free, run: {again}");
    text
}
