//! `alexnet export`: a model as files of another program.

use super::args::interop::ExportArgs;
use super::exit::CommandResult;
use super::models::check_new;
use super::output::{Output, printable};
use alexnet::error::shell;
use alexnet::eval::model_path;
use alexnet::interop::{Format, export};
use alexnet::model::AnyModel;
use serde_json::json;

pub(crate) fn run(args: &ExportArgs, out: &mut Output) -> CommandResult {
    let path = model_path(&args.model)?;
    let format = args.to.map_or_else(|| Format::of_output(&args.out), |to| Ok(to.into()))?;
    let options = args.graph.options(format, &args.model)?;
    check_new(&args.out)?;
    let model = AnyModel::load(&path)?;
    let notes = export(&model, &args.out, format, &options)?;
    notes.iter().for_each(|text| out.note(text));
    let (from, to) = (path.display().to_string(), args.out.display().to_string());
    out.result(
        || {
            let to = printable(&shell(&args.out));
            format!("model    {}\nformat   {}\nwritten  {to}\n", printable(&from), format.title())
        },
        || json!({ "model": from, "out": to, "format": format, "notes": notes }),
    )?;
    Ok(0)
}
