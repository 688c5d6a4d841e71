//! `alexnet data pack`.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::progress::SharedProgress;
use crate::args::data::PackArgs;
use crate::exit::CommandResult;
use crate::output::{Output, escaped};
use alexnet::data::Dataset;
use alexnet::data::pack::{Manifest, PackConfig, check_outside, pack, train_command};
use alexnet::error::Kind;
use alexnet::format::{counted, grouped};
use alexnet::net::Orientation;
use alexnet::train::signals::Interrupt;

/// Most skipped files that the text lists; the JSON lists all.
const LISTED: usize = 10;

pub(super) fn run(args: &PackArgs, out: &mut Output) -> CommandResult {
    check_outside(&args.source, &args.out)?;
    let dataset = Dataset::open(&args.source)?;
    dataset.notes.iter().for_each(|text| out.note(text));
    let config = PackConfig {
        out: args.out.clone(),
        store: args.store.into(),
        side: args.side as usize,
        orientation: args.orientation.into(),
        workers: args.machine.threads(),
    };
    let all = dataset.splits.iter().filter(|split| split.name != "all").map(|split| split.len()).sum();
    let progress = SharedProgress::new(out.display());
    let interrupt = Interrupt::on_signals();
    interrupt.listen()?;
    let packed = pack(&dataset, &config, &|done| {
        progress.advance("pack", done, all);
        interrupt.check()
    });
    drop(progress);
    let packed = packed.map_err(|error| match error.kind {
        Kind::Interrupted(_) => error.help("to resume, run the same command again"),
        Kind::Runtime | Kind::Usage | Kind::Data | Kind::Model | Kind::Diverged => error,
    })?;
    let bytes: u64 = packed.splits.iter().flat_map(|split| &split.shards).map(|shard| shard.bytes).sum();
    out.result(|| text(&packed, bytes, &args.out), || json(&packed, bytes))?;
    Ok(0)
}

fn json(packed: &Manifest, bytes: u64) -> Value {
    let mut value = serde_json::to_value(packed).expect("strings and numbers are JSON");
    value["bytes"] = json!(bytes);
    value
}

fn text(packed: &Manifest, bytes: u64, folder: &Path) -> String {
    let mut text =
        format!("packed    {}, {:.1} MB\n", escaped(&folder.display().to_string()), bytes as f64 / 1e6);
    for split in &packed.splits {
        let (images, shards) = (counted(split.images, "image"), counted(split.shards.len(), "file"));
        let _ = writeln!(text, "{:<8}  {images} in {shards}", split.name);
    }
    if let Some(rotated) = packed.rotated.filter(|&rotated| rotated > 0) {
        let how = match packed.orientation {
            Orientation::Exif => "by their EXIF orientation",
            Orientation::Stored => "only in their EXIF orientation: packed as stored",
        };
        let _ = writeln!(text, "rotated   {} {how}", grouped(rotated));
    }
    let _ = writeln!(text, "skipped   {}", grouped(packed.skipped.len()));
    for skip in packed.skipped.iter().take(LISTED) {
        let _ = writeln!(text, "  {}: {}", escaped(&skip.file), escaped(&skip.reason));
    }
    if packed.skipped.len() > LISTED {
        let _ = writeln!(text, "  and {} more: --json lists all", grouped(packed.skipped.len() - LISTED));
    }
    let _ = writeln!(text, "use it    {}", train_command(folder, packed.side));
    text
}
